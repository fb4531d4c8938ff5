public import Core

/// How an application's states are cut into chunks, as its charter says and every capsule repeats.
///
/// Five bytes: `u8 kind ‖ u32 size`. Kind 1 is ``fixed(_:)``.
public enum ChunkerParameters: Hashable, Sendable {
  /// Chunks of one size, the last one shorter: for states that are paged files.
  case fixed(FixedSize)

  /// The sizes of fixed chunks, in bytes.
  public enum FixedSize: UInt32, CaseIterable, Sendable {
    /// 4 KiB: a database's pages, least added by scattered changes, most metadata.
    case kib4 = 4_096
    /// 8 KiB.
    case kib8 = 8_192
    /// 16 KiB: the default.
    case kib16 = 16_384
    /// 32 KiB.
    case kib32 = 32_768
    /// 64 KiB: least metadata, for states that change in large pieces.
    case kib64 = 65_536
  }

  /// How many bytes ``encoding`` has.
  public static let byteCount = 5

  private enum Kind {
    static let fixed: UInt8 = 1
  }

  /// Fixed chunks of a size that came from outside.
  ///
  /// - Parameter fixedByteCount: 4,096, 8,192, 16,384, 32,768 or 65,536.
  /// - Throws: `dump.chunker` for any other.
  public init(fixedByteCount: Int) throws(PosternError) {
    guard let value = UInt32(exactly: fixedByteCount), let size = FixedSize(rawValue: value) else {
      throw .unknownChunker
    }
    self = .fixed(size)
  }

  /// The parameters at a reader's place.
  ///
  /// - Throws: `dump.chunker` when the bytes are cut short or name no chunker of this version.
  public init(reading reader: inout ByteReader) throws(PosternError) {
    do throws(ByteReader.Failure) {
      let kind = try reader.read(UInt8.self)
      let size = try reader.read(UInt32.self)
      guard kind == Kind.fixed, let size = FixedSize(rawValue: size) else { throw .truncated }
      self = .fixed(size)
    } catch {
      throw .unknownChunker
    }
  }

  /// The five bytes.
  public var encoding: [UInt8] {
    switch self {
    case .fixed(let size):
      var bytes = [Kind.fixed]
      bytes.append(bigEndian: size.rawValue)
      return bytes
    }
  }

  /// The most bytes of state in one chunk.
  public var chunkByteCount: Int {
    switch self {
    case .fixed(let size): Int(size.rawValue)
    }
  }

  /// What a chunk's stored bytes are padded to a multiple of, so that eight lengths are all that shows.
  public var paddingStepByteCount: Int { chunkByteCount / ChunkFrame.stepCount }

  /// The most bytes that a sealed chunk of this chunker has.
  public var sealedChunkByteCount: Int { ChunkFrame.sealedByteCount(padded: chunkByteCount) }

  /// Whether a sealed chunk of this chunker can have so many bytes; there are eight such lengths.
  public func isSealedByteCount(_ byteCount: Int) -> Bool {
    let padded = byteCount - ChunkFrame.sealedByteCount(padded: 0)
    return padded > 0 && padded <= chunkByteCount && padded.isMultiple(of: paddingStepByteCount)
  }
}
