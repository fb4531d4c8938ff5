/// Cuts a stream of bytes into chunks, as a charter says: one stream, front to back.
///
/// It owns no bytes: a caller hands over what it has, gets ranges of it, and brings what no range covers again, at
/// the front of its next buffer.
public enum Chunker: ~Copyable, Sendable {
  /// Chunks of one size.
  case fixed(FixedChunker)
  /// Chunks that end where the content says so.
  case content(ContentChunker)

  /// A chunker at the beginning of a stream.
  ///
  /// - Parameters:
  ///   - parameters: what the charter says.
  ///   - secret: the generation's secret, under which content decides.
  public init(_ parameters: ChunkerParameters, secret: borrowing GenerationSecret) {
    switch parameters {
    case .fixed(let size): self = .fixed(FixedChunker(size))
    case .content(let average): self = .content(ContentChunker(average, secret: secret))
    }
  }

  /// Cuts what lies in a buffer.
  ///
  /// - Parameters:
  ///   - bytes: the stream's next bytes, beginning with those that the last call left over.
  ///   - isEnd: whether the stream ends with this buffer, which is then cut to its end.
  ///   - cuts: where the ranges go, appended, in order; none is empty.
  /// - Returns: how many bytes the ranges cover; fewer than the longest chunk's are left over.
  public mutating func cut(_ bytes: UnsafeRawBufferPointer, isEnd: Bool, into cuts: inout [Range<Int>]) -> Int {
    switch consume self {
    case .fixed(let chunker):
      self = .fixed(chunker)
      return chunker.cut(bytes, isEnd: isEnd, into: &cuts)
    case .content(var chunker):
      let byteCount = chunker.cut(bytes, isEnd: isEnd, into: &cuts)
      self = .content(chunker)
      return byteCount
    }
  }

  /// The length of the chunk that begins a buffer, which its own bytes alone decide.
  ///
  /// - Parameters:
  ///   - bytes: the stream's next bytes.
  ///   - isEnd: whether the stream ends with this buffer.
  /// - Returns: nil where the buffer is empty, or too short to tell and not the stream's end.
  public mutating func first(_ bytes: UnsafeRawBufferPointer, isEnd: Bool) -> Int? {
    switch consume self {
    case .fixed(let chunker):
      self = .fixed(chunker)
      return chunker.first(bytes, isEnd: isEnd)
    case .content(var chunker):
      let byteCount = chunker.first(bytes, isEnd: isEnd)
      self = .content(chunker)
      return byteCount
    }
  }
}
