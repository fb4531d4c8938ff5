import Core
package import Dump

/// Seals the chunks of a piece of state, but for those that are known already.
struct PieceSealer: Sendable {
  private let sealers: WorkerPool<ChunkSealer>
  private let fingerprinters: WorkerPool<Fingerprinter>
  private let known: KnownChunks?
  private let buffers: BufferPool

  /// A sealer for one push.
  ///
  /// - Parameters:
  ///   - secret: the generation's secret.
  ///   - chunker: how the state is cut.
  ///   - fingerprintKey: what the uploader's fingerprints are taken with.
  ///   - known: chunks of an epoch of this generation which the archive still holds, to look those up that nobody has
  ///     looked up before; nil where none are known.
  init(
    secret: borrowing GenerationSecret, chunker: ChunkerParameters, fingerprintKey: consuming FingerprintKey,
    known: KnownChunks?
  ) {
    sealers = WorkerPool(secret: secret.copy(), chunker: chunker)
    fingerprinters = WorkerPool(key: fingerprintKey)
    self.known = known
    buffers = BufferPool(byteCount: chunker.sealedByteCountLimit(stateByteCount: DumpSender.pieceByteCount))
  }

  /// Fingerprints all chunks of a piece and seals those that are new.
  func seal(_ piece: PlainPiece) -> SealedPiece {
    let cuts = piece.cuts.ranges
    let state = UnsafeRawBufferPointer(rebasing: piece.buffer.memory[..<(cuts.last?.upperBound ?? 0)])
    let answers = piece.cuts.answers ?? lookUp(cuts, of: state, at: piece.offset)
    let freshCuts = zip(cuts, answers).filter { $1.reference == nil }.map(\.0)
    var fresh: [SealedChunk] = []
    var buffer: PieceBuffer?
    if !freshCuts.isEmpty {
      let output = buffers.take()
      fresh = sealers.withWorker { sealer in
        var chunks: [SealedChunk] = []
        _ = sealer.seal(freshCuts, of: state, into: output.memory, chunks: &chunks)
        return chunks
      }
      buffer = output
    }
    var sealed = fresh[...]
    let chunks = answers.compactMap { answer in
      if let reference = answer.reference {
        return SealedPiece.Chunk(fingerprint: answer.fingerprint, reference: reference, offset: nil)
      }
      return sealed.popFirst().map {
        SealedPiece.Chunk(fingerprint: answer.fingerprint, reference: $0.reference, offset: $0.offset)
      }
    }
    return SealedPiece(number: piece.number, chunks: chunks, buffer: buffer)
  }

  private func lookUp(
    _ cuts: [Range<Int>], of state: UnsafeRawBufferPointer, at offset: Int
  ) -> [KnownChunks.Answer] {
    let fingerprints = fingerprinters.withWorker { fingerprinter in
      cuts.map { fingerprinter.fingerprint(UnsafeRawBufferPointer(rebasing: state[$0])) }
    }
    let references = known?.references(
      of: zip(fingerprints, cuts).map { .init(fingerprint: $0, plainByteCount: $1.count) }, at: offset)
    return fingerprints.indices.map { index in
      KnownChunks.Answer(fingerprint: fingerprints[index], reference: references?[index])
    }
  }

  /// Takes a buffer back whose objects the archive has.
  func recycle(_ buffer: PieceBuffer) { buffers.give(buffer) }
}

/// A piece's chunks, and the buffer that those lie in which were sealed now.
package struct SealedPiece: Sendable {
  /// A chunk of the dump.
  package struct Chunk: Sendable {
    let fingerprint: Fingerprint
    package let reference: ObjectReference
    /// Where in the buffer it lies; nil where an earlier epoch brought it.
    let offset: Int?

    /// A chunk that was sealed, or is known.
    package init(fingerprint: Fingerprint, reference: ObjectReference, offset: Int?) {
      self.fingerprint = fingerprint
      self.reference = reference
      self.offset = offset
    }
  }

  /// Its place among the pieces, from 0.
  let number: Int
  /// All of its chunks, in the state's order.
  package let chunks: [Chunk]
  /// Nil where every chunk was known.
  let buffer: PieceBuffer?

  /// A piece of a state.
  package init(number: Int, chunks: [Chunk], buffer: PieceBuffer?) {
    self.number = number
    self.chunks = chunks
    self.buffer = buffer
  }

  /// Bytes of state in known chunks.
  var unchangedByteCount: Int {
    chunks.reduce(0) { $1.offset == nil ? $0 + $1.reference.plainByteCount : $0 }
  }
}
