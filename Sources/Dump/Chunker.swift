/// Cuts a stream of bytes into chunks, as a charter says: one stream, front to back.
///
/// It owns no bytes: a caller hands over what it has, gets ranges of it, and brings what no range covers again, at
/// the front of its next buffer.
public enum Chunker: Sendable {
  /// Chunks of one size.
  case fixed(FixedChunker)

  /// A chunker at the beginning of a stream.
  public init(_ parameters: ChunkerParameters) {
    switch parameters {
    case .fixed(let size): self = .fixed(FixedChunker(size))
    }
  }

  /// Cuts what lies in a buffer.
  ///
  /// - Parameters:
  ///   - bytes: the stream's next bytes, beginning with those that the last call left over.
  ///   - isEnd: whether the stream ends with this buffer, which is then cut to its end.
  ///   - cuts: where the ranges go, appended, in order; none is empty.
  /// - Returns: how many bytes the ranges cover; fewer than a chunk's are left over.
  public mutating func cut(_ bytes: UnsafeRawBufferPointer, isEnd: Bool, into cuts: inout [Range<Int>]) -> Int {
    switch self {
    case .fixed(var chunker):
      defer { self = .fixed(chunker) }
      return chunker.cut(bytes, isEnd: isEnd, into: &cuts)
    }
  }
}
