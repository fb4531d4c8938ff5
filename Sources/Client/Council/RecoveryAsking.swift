import Bulk
public import Core
public import Envelope
import Merkle
import Records
public import Sodium
public import Trust

/// A sealed epoch as an archive proves it: what a recovery request is written from.
public struct EpochEvidence: Sendable {
  /// The charter's body.
  public let charter: [UInt8]
  /// The members' signatures over it.
  public let charterSignatures: [UInt8]
  /// The epoch's receipt, which carries its record.
  public let receipt: Receipt
  /// The epoch's envelope.
  public let envelope: [UInt8]
  /// The generation's veil.
  public let veil: [UInt8]

  /// Evidence from what an archive gave; it is verified once more when a request is written from it.
  public init(
    charter: [UInt8], charterSignatures: [UInt8], receipt: Receipt, envelope: [UInt8], veil: [UInt8]
  ) {
    self.charter = charter
    self.charterSignatures = charterSignatures
    self.receipt = receipt
    self.envelope = envelope
    self.veil = veil
  }

  /// Writes a request to open this epoch, and draws the secret that its answers are sealed to.
  ///
  /// The request is verified as a member will verify it, so that none goes out that nobody would answer.
  ///
  /// - Parameters:
  ///   - requester: the key of a requester that the charter lists.
  ///   - nextUploader: the uploader key that the node will use next, where it says so.
  ///   - app: the application that is pinned.
  /// - Throws: `key.role`, `record.*`, `veil.*`, and what ``RecoveryCase/init(verifying:app:)`` throws.
  public func request(
    by requester: borrowing KeyFile, nextUploader: VerificationKey? = nil, app: Digest
  ) async throws(PosternError) -> RecoveryAsking {
    try requester.require(.requester)
    let charter = try Charter(parsing: charter)
    guard case .epoch(let epoch) = try Record(parsing: receipt.proven.leaf).fields else {
      throw .mismatch("The receipt is not the one of an epoch.")
    }
    let veil = try Veil(parsing: veil, memberCount: charter.members.count, hasKMS: charter.kms != nil)
    let secret = RecoverySecret.random()
    let recipients = secret.recipients(memberCount: charter.members.count)
    let request = RecoveryRequest(
      app: app, epoch: epoch.number, epochLeafHash: TreeHash.leaf(receipt.proven.leaf), charter: charter.digest,
      envelope: epoch.envelope, veilCommit: veil.commit, memberRecipients: recipients.members,
      veilRecipient: recipients.veil, nextUploader: nextUploader)
    let motion = Record(
      app: app, role: .requester,
      fields: .motion(MotionFields(question: .recover, body: request.recovery, text: .zero)),
      signedBy: requester.master.signingKey())
    let file = RecoveryRequestFile(
      motionLeaf: motion.leaf, requestBody: request.body, charter: self.charter,
      charterSignatures: charterSignatures, envelope: envelope, veil: self.veil, receipt: receipt.bytes)
    let recovery = try await RecoveryCase(verifying: file, app: app)
    return RecoveryAsking(recovery: recovery, secret: secret)
  }
}

/// A request that was written, and the secret that stays with who wrote it.
public struct RecoveryAsking: ~Copyable, Sendable {
  /// The request, verified; its ``RecoveryCase/file`` is what members get.
  public let recovery: RecoveryCase
  /// What opens the answers.
  public let secret: RecoverySecret
}
