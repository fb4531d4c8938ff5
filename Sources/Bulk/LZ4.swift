import CLZ4

/// LZ4 blocks (the block format of lz4.org, without a frame), by liblz4.
public enum LZ4 {
  /// The most bytes that one block may hold on either side; callers bound their input far below.
  public static let byteCountLimit = 1 << 26

  /// Decompresses a block whose length is known.
  ///
  /// - Parameters:
  ///   - block: the whole block.
  ///   - output: as many bytes as the block holds; never written beyond, its content open where the answer
  ///     is false.
  /// - Returns: whether the block is well formed and holds exactly `output.count` bytes.
  public static func decompress(
    _ block: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard block.count <= byteCountLimit, output.count <= byteCountLimit, !block.isEmpty, !output.isEmpty else {
      return false
    }
    let written = LZ4_decompress_safe(
      block.bindMemory(to: CChar.self).baseAddress, output.bindMemory(to: CChar.self).baseAddress,
      Int32(block.count), Int32(output.count))
    return Int(written) == output.count
  }
}

/// A compressor of LZ4 blocks that keeps its 16 KiB of working memory from one to the next.
///
/// `@unchecked Sendable`: the value cannot be copied and every use mutates it, so the compiler's rule of
/// exclusive access lets one thread at a time reach the memory.
public struct LZ4Compressor: ~Copyable, @unchecked Sendable {
  /// What liblz4 calls acceleration, from 1: how soon it skips bytes in which it finds nothing.
  ///
  /// 2 takes two thirds of the time on states that compress little, and makes blocks one to two hundredths longer.
  private static let acceleration: CInt = 2

  private let state: UnsafeMutableRawBufferPointer

  /// A compressor.
  public init() {
    state = .allocate(byteCount: Int(LZ4_sizeofState()), alignment: 16)
    state.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    // The table holds positions and not bytes of the input, yet it tells where the input repeats itself.
    state.initializeMemory(as: UInt8.self, repeating: 0)
    state.deallocate()
  }

  /// Compresses one block, if it fits.
  ///
  /// The bytes are a function of the input and of the library's version: nothing may rest on two versions
  /// giving the same block.
  ///
  /// - Parameters:
  ///   - input: at least one byte.
  ///   - output: where the block goes; it gets no longer than this.
  /// - Returns: how many bytes the block has; nil when it does not fit.
  public mutating func compress(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) -> Int? {
    precondition(!input.isEmpty && input.count <= LZ4.byteCountLimit && output.count <= LZ4.byteCountLimit)
    guard !output.isEmpty else { return nil }
    let written = LZ4_compress_fast_extState(
      state.baseAddress, input.bindMemory(to: CChar.self).baseAddress,
      output.bindMemory(to: CChar.self).baseAddress, Int32(input.count), Int32(output.count),
      LZ4Compressor.acceleration)
    return written > 0 ? Int(written) : nil
  }
}
