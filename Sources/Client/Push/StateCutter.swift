package import Dump

/// Cuts pieces of a state into chunks, by what is known of the epoch before as long as that holds.
///
/// Where a chunk ends depends on its own bytes alone. So if the bytes that follow are the chunk that stood there
/// before, they end where it ended. Whether they are is told by a fingerprint, which is taken of every chunk anyway and
/// costs a third of looking for the cut.
package struct StateCutter: ~Copyable, Sendable {
  private var chunker: Chunker
  private let known: KnownChunks?
  private var fingerprinter: Fingerprinter

  /// A cutter at a state's beginning.
  ///
  /// - Parameters:
  ///   - parameters: what the charter says.
  ///   - secret: the generation's secret.
  ///   - fingerprintKey: what the uploader's fingerprints are taken with.
  ///   - known: chunks of the epoch before; nil to leave looking them up to whoever seals.
  package init(
    _ parameters: ChunkerParameters, secret: borrowing GenerationSecret, fingerprintKey: consuming FingerprintKey,
    known: KnownChunks?
  ) {
    chunker = Chunker(parameters, secret: secret)
    fingerprinter = Fingerprinter(key: fingerprintKey)
    self.known = known
  }

  /// Cuts what lies in a buffer.
  ///
  /// - Parameters:
  ///   - bytes: the state's next bytes, beginning with those that the last call left over.
  ///   - isEnd: whether the state ends with this buffer, which is then cut to its end.
  ///   - offset: where in the state the buffer begins.
  /// - Returns: the chunks from the buffer's beginning on; fewer bytes than the longest chunk's are left over.
  package mutating func cut(_ bytes: UnsafeRawBufferPointer, isEnd: Bool, at offset: Int) -> Cuts {
    guard let known else {
      var ranges: [Range<Int>] = []
      _ = chunker.cut(bytes, isEnd: isEnd, into: &ranges)
      return Cuts(ranges: ranges, answers: nil)
    }
    var ranges: [Range<Int>] = []
    var answers: [KnownChunks.Answer] = []
    var start = 0
    while let (byteCount, answer) = next(UnsafeRawBufferPointer(rebasing: bytes[start...]), isEnd: isEnd, known) {
      ranges.append(start..<start + byteCount)
      answers.append(answer)
      start += byteCount
    }
    known.follow(offset)
    return Cuts(ranges: ranges, answers: answers)
  }

  /// The chunk that begins a buffer; nil where the buffer is too short to tell, or empty.
  private mutating func next(
    _ bytes: UnsafeRawBufferPointer, isEnd: Bool, _ known: KnownChunks
  ) -> (byteCount: Int, answer: KnownChunks.Answer)? {
    var expected: (byteCount: Int, fingerprint: Fingerprint)?
    if let byteCount = known.expectedByteCount(), byteCount <= bytes.count {
      let fingerprint = fingerprinter.fingerprint(UnsafeRawBufferPointer(rebasing: bytes[..<byteCount]))
      if let reference = known.expectedReference(fingerprint) {
        return (byteCount, KnownChunks.Answer(fingerprint: fingerprint, reference: reference))
      }
      expected = (byteCount, fingerprint)
    }
    guard let byteCount = chunker.first(bytes, isEnd: isEnd) else { return nil }
    let fingerprint: Fingerprint
    if let expected, expected.byteCount == byteCount {
      // What changed in place mostly has its old length.
      fingerprint = expected.fingerprint
    } else {
      fingerprint = fingerprinter.fingerprint(UnsafeRawBufferPointer(rebasing: bytes[..<byteCount]))
    }
    let reference = known.reference(of: KnownChunks.Question(fingerprint: fingerprint, plainByteCount: byteCount))
    return (byteCount, KnownChunks.Answer(fingerprint: fingerprint, reference: reference))
  }
}

/// The chunks of a piece of state.
package struct Cuts: Sendable {
  /// Where they lie in the piece's buffer, from its beginning on.
  package let ranges: [Range<Int>]
  /// What is known of each; nil where nobody has looked.
  package let answers: [KnownChunks.Answer]?
}
