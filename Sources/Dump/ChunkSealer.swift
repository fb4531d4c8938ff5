import Bulk
import Core

/// A chunk as it was sealed into a batch's buffer.
public struct SealedChunk: Sendable {
  /// What a node will say of it.
  public let reference: ObjectReference
  /// Where in the buffer its bytes begin.
  public let offset: Int

  /// Where in the buffer its bytes lie.
  public var range: Range<Int> { offset..<offset + reference.sealedByteCount }
}

/// A batch of sealed chunks, back to back.
public struct SealedBatch: Sendable {
  /// The chunks' bytes.
  public let bytes: [UInt8]
  /// The chunks, in the state's order.
  public let chunks: [SealedChunk]
}

/// Seals chunks of one generation: compress, frame, pad, derive the key, encrypt, name.
///
/// A sealer owns its contexts and serves one thread at a time; sealers are cheap (some 20 KiB), and a
/// ``WorkerPool`` keeps one a core. Everything happens in the caller's output, so that beside the compressor
/// and the cipher nothing moves a byte.
public struct ChunkSealer: ~Copyable, Sendable {
  private var sealer: ObjectSealer
  private var compressor = LZ4Compressor()
  private let chunker: ChunkerParameters

  /// A sealer for chunks of one chunker.
  public init(secret: borrowing GenerationSecret, chunker: ChunkerParameters) {
    sealer = ObjectSealer(secret: secret, purpose: .chunk)
    self.chunker = chunker
  }

  /// How many bytes of output a batch may need.
  public func sealedByteCountLimit(of cuts: [Range<Int>]) -> Int {
    cuts.reduce(0) { $0 + chunker.sealedByteCount(storing: $1.count) }
  }

  /// Seals pieces of state, back to back, into memory of the caller's.
  ///
  /// - Parameters:
  ///   - cuts: the chunks' ranges in `state`, each of 1 byte to the chunker's longest chunk.
  ///   - state: the bytes that the ranges speak of.
  ///   - output: at least ``sealedByteCountLimit(of:)`` bytes.
  ///   - chunks: where the sealed chunks go, appended, in the order of `cuts`.
  /// - Returns: how many bytes of `output` are used.
  public mutating func seal(
    _ cuts: [Range<Int>], of state: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer,
    chunks: inout [SealedChunk]
  ) -> Int {
    precondition(output.count >= sealedByteCountLimit(of: cuts))
    chunks.reserveCapacity(chunks.count + cuts.count)
    var offset = 0
    for cut in cuts {
      let room = UnsafeMutableRawBufferPointer(rebasing: output[offset...])
      let reference = seal(UnsafeRawBufferPointer(rebasing: state[cut]), into: room)
      chunks.append(SealedChunk(reference: reference, offset: offset))
      offset += reference.sealedByteCount
    }
    return offset
  }

  /// Seals pieces of state into a buffer of their own.
  ///
  /// - Parameters:
  ///   - cuts: the chunks' ranges in `state`, each of 1 byte to the chunker's longest chunk.
  ///   - state: the bytes that the ranges speak of.
  public mutating func seal(_ cuts: [Range<Int>], of state: UnsafeRawBufferPointer) -> SealedBatch {
    var chunks: [SealedChunk] = []
    let bytes = [UInt8](unsafeUninitializedCapacity: sealedByteCountLimit(of: cuts)) { buffer, count in
      count = seal(cuts, of: state, into: UnsafeMutableRawBufferPointer(buffer), chunks: &chunks)
    }
    return SealedBatch(bytes: bytes, chunks: chunks)
  }

  /// Seals one chunk at the front of `room`.
  private mutating func seal(
    _ plain: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer
  ) -> ObjectReference {
    let padded = frame(plain, into: room)
    let object = UnsafeMutableRawBufferPointer(rebasing: room[..<ChunkFrame.sealedByteCount(padded: padded)])
    let (id, key) = sealer.seal(object, publicByteCount: 0)
    return ObjectReference(id: id, key: key, sealedByteCount: object.count, plainByteCount: plain.count)
  }

  /// Writes header, stored bytes and padding; LZ4 only where it saves at least one padding step, since less
  /// would not show in the length and would still cost the reader.
  ///
  /// - Returns: how many bytes the stored ones are padded to.
  private mutating func frame(
    _ plain: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer
  ) -> Int {
    precondition(!plain.isEmpty && plain.count <= chunker.chunkByteCount)
    let body = UnsafeMutableRawBufferPointer(rebasing: room[ChunkFrame.headerByteCount...])
    let limit = chunker.paddedByteCount(plain.count) - chunker.paddingStepByteCount
    let target = UnsafeMutableRawBufferPointer(rebasing: body[..<limit])
    let stored: Int
    if let count = compressor.compress(plain, into: target) {
      ChunkFrame.writeHeader(.lz4, storedByteCount: count, to: room)
      stored = count
    } else {
      ChunkFrame.writeHeader(.raw, storedByteCount: plain.count, to: room)
      body.copyMemory(from: plain)
      stored = plain.count
    }
    let paddedCount = chunker.paddedByteCount(stored)
    UnsafeMutableRawBufferPointer(rebasing: body[stored..<paddedCount])
      .initializeMemory(as: UInt8.self, repeating: 0)
    return paddedCount
  }
}
