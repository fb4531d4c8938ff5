public import Core
import Sodium

extension Envelope {
  /// How many leaves make it worth while to wake other cores.
  private static let parallelLeafCount = 64
  /// How many pieces of work a task does: some milliseconds of them.
  private static let taskPieceCount = 32

  /// Verifies that every satisfying set of members, and the KMS, get the same secret.
  ///
  /// - Throws: the first failure in the order `envelope.gate` with the gate's number, `envelope.leaf` with the
  ///   leaf's, `envelope.kms`.
  public func verify() throws(PosternError) -> VerifiedEnvelope {
    let terms = DualCheck.terms(of: self)
    try requireIdentities(DualCheck.sums(terms[...]))
    try requireLeaves(firstFalse: firstFalseLeaf(in: leaves.indices))
    try requireKMSDoor()
    return VerifiedEnvelope(self)
  }

  /// The same verdict as ``verify()``, from all cores where there are 64 leaves or more.
  ///
  /// - Throws: as ``verify()``; of several false leaves the lowest is named.
  public func verifyOnAllCores() async throws(PosternError) -> VerifiedEnvelope {
    guard leaves.count >= Envelope.parallelLeafCount else { return try verify() }
    let terms = DualCheck.terms(of: self)
    let sums = await spread(terms.count) { DualCheck.sums(terms[$0]) }
    try requireIdentities(
      sums.joined().reduce(into: []) { total, part in DualCheck.add(part, to: &total) })
    let falseLeaves = await spread(leaves.count) { firstFalseLeaf(in: $0) }
    try requireLeaves(firstFalse: falseLeaves.lazy.compactMap(\.self).first)
    try requireKMSDoor()
    return VerifiedEnvelope(self)
  }

  /// Cuts `count` pieces of work into tasks and returns what they return, in order.
  private func spread<Result: Sendable>(
    _ count: Int, _ work: @escaping @Sendable (Range<Int>) -> Result
  ) async -> [Result] {
    await withTaskGroup(of: (start: Int, result: Result).self) { group in
      for start in stride(from: 0, to: count, by: Envelope.taskPieceCount) {
        let range = start..<min(count, start + Envelope.taskPieceCount)
        group.addTask { (start, work(range)) }
      }
      var results: [(start: Int, result: Result)] = []
      for await result in group { results.append(result) }
      return results.sorted { $0.start < $1.start }.map(\.result)
    }
  }

  private func requireIdentities(_ sums: [DualCheck.PartialSum]) throws(PosternError) {
    guard let wrong = sums.first(where: { !$0.sum.isIdentity }) else { return }
    throw Envelope.refusal(
      .envelopeGate, "The shares of gate \(wrong.gate) do not combine to that gate's secret.", wrong.gate)
  }

  private func firstFalseLeaf(in range: Range<Int>) -> Int? {
    range.first { leaf in
      let key = context.layout.leaves[leaf].point
      let part = leaves[leaf]
      return !EqualityStatement.share(leaf, of: key, part.commitment, part.share, bound: commitments)
        .isProven(by: part.proof)
    }
  }

  private func requireLeaves(firstFalse leaf: Int?) throws(PosternError) {
    guard let leaf else { return }
    throw Envelope.refusal(
      .envelopeLeaf, "The share of leaf \(leaf) is not proven to belong to its commitment.", leaf)
  }

  private func requireKMSDoor() throws(PosternError) {
    guard let key = context.kms?.point, let door = kmsDoor else { return }
    let statement = EqualityStatement.kms(of: key, gateCommitments[0], door.share, bound: commitments)
    guard statement.isProven(by: door.proof) else {
      throw Envelope.refusal(.envelopeKMS, "The KMS door is not proven to open the council's secret.", nil)
    }
  }

  private static func refusal(_ code: PosternError.Code, _ message: String, _ index: Int?) -> PosternError {
    PosternError(
      code, message, advice: "Refuse the epoch: whoever sealed it has to seal it again.", index: index)
  }
}

/// An envelope whose every proof holds under a context that its reader computed.
///
/// A holder opens nothing of any other: only of a verified envelope is it certain that its dealer knew every
/// exponent, so that no share in it is somebody else's, brought here to be opened.
public struct VerifiedEnvelope: Sendable {
  let envelope: Envelope

  fileprivate init(_ envelope: Envelope) {
    self.envelope = envelope
  }

  /// What the envelope belongs to.
  public var context: EnvelopeContext { envelope.context }
  /// The envelope's digest.
  public var digest: Digest { envelope.digest }
}
