import Bulk
public import Core
import Sodium

/// Opens chunks: checks the id, opens, checks the header, decompresses.
///
/// An opener owns its contexts and serves one thread at a time; a ``WorkerPool`` keeps one a core.
///
/// `@unchecked Sendable`: the value cannot be copied and every use mutates it, so the compiler's rule of
/// exclusive access lets one thread at a time reach the memory.
public struct ChunkOpener: ~Copyable, @unchecked Sendable {
  private var opener = ObjectOpener()
  private let chunker: ChunkerParameters
  /// Where a message lies between the cipher and the decompressor.
  private let message: UnsafeMutableRawBufferPointer

  /// An opener for chunks of one chunker.
  public init(chunker: ChunkerParameters) {
    self.chunker = chunker
    message = .allocate(byteCount: ChunkFrame.headerByteCount + chunker.chunkByteCount, alignment: 16)
  }

  deinit {
    wipe(message)
    message.deallocate()
  }

  /// Opens a chunk into memory of the caller's, which is the state again when this returns and undefined when
  /// it throws.
  ///
  /// - Parameters:
  ///   - object: the chunk's stored bytes.
  ///   - reference: what its node says of it.
  ///   - output: exactly `reference.plainByteCount` bytes.
  /// - Throws: `dump.object-length`, `dump.wrong-id`, `dump.does-not-open`, `dump.chunk-frame` or
  ///   `dump.chunk-length`.
  public mutating func open(
    _ object: UnsafeRawBufferPointer, _ reference: ObjectReference, into output: UnsafeMutableRawBufferPointer
  ) throws(PosternError) {
    precondition(output.count == reference.plainByteCount)
    guard chunker.isSealedByteCount(object.count) else { throw .objectLength(reference.id) }
    try opener.check(object, id: reference.id, sealedByteCount: reference.sealedByteCount)
    let room = UnsafeMutableRawBufferPointer(rebasing: message[..<(object.count - AES256GCM.tagByteCount)])
    try opener.open(object, key: reference.key, publicByteCount: 0, into: room)
    let (coding, stored) = try ChunkFrame.read(
      UnsafeRawBufferPointer(room), stepByteCount: chunker.paddingStepByteCount)
    switch coding {
    case .raw:
      guard stored.count == output.count else { throw .chunkLength }
      output.copyMemory(from: stored)
    case .lz4:
      guard LZ4.decompress(stored, into: output) else { throw .chunkLength }
    }
  }
}
