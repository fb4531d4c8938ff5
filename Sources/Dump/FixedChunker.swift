/// Cuts a stream of bytes into chunks of one size, the last one shorter.
///
/// It owns no bytes: a caller hands over what it has, gets ranges of it, and brings what no range covers
/// again, at the front of its next buffer. A buffer that is a multiple of the chunk size leaves nothing over.
public struct FixedChunker: Sendable {
  private let chunkByteCount: Int

  /// A chunker for chunks of this size.
  public init(_ size: ChunkerParameters.FixedSize) {
    chunkByteCount = Int(size.rawValue)
  }

  /// Cuts what lies in a buffer.
  ///
  /// - Parameters:
  ///   - bytes: the stream's next bytes, beginning with those that the last call left over.
  ///   - isEnd: whether the stream ends with this buffer, which is then cut to its end.
  ///   - cuts: where the ranges go, appended, in order; none is empty.
  /// - Returns: how many bytes the ranges cover; the rest is left over.
  public func cut(_ bytes: UnsafeRawBufferPointer, isEnd: Bool, into cuts: inout [Range<Int>]) -> Int {
    var start = 0
    while let count = first(UnsafeRawBufferPointer(rebasing: bytes[start...]), isEnd: isEnd) {
      cuts.append(start..<start + count)
      start += count
    }
    return start
  }

  /// The length of the chunk that begins a buffer.
  ///
  /// - Returns: nil where the buffer is empty, or too short and not the stream's end.
  func first(_ bytes: UnsafeRawBufferPointer, isEnd: Bool) -> Int? {
    if bytes.count >= chunkByteCount { return chunkByteCount }
    return isEnd && !bytes.isEmpty ? bytes.count : nil
  }
}
