import Bulk
public import Core
public import Envelope
import Merkle
public import Records
import Sodium

/// What a recovery is about, verified from bytes alone: which epoch is to be opened, for whom, asked by whom.
///
/// Both who answers a request and who judges a blame start here. Whether the epoch is in the log, and whether
/// the members signed the charter, is what ``RecoveryCase`` adds.
public struct RecoveryStatement: Sendable {
  /// The charter, valid; its digest is the application's id.
  public let charter: Charter
  /// The application's id.
  public let app: Digest
  /// The epoch's record, signed by an uploader of the charter.
  public let epochRecord: Record
  /// The epoch that is to be opened.
  public let epoch: EpochFields
  /// Who asks.
  public let requester: Charter.Node
  /// RFC 6962 hash of the motion's leaf.
  public let motionLeafHash: Digest
  /// What is asked.
  public let request: RecoveryRequest
  /// The recovery's name: digest of the request.
  public let recovery: Digest
  /// The epoch's envelope, verified whole under a context computed from the charter and the epoch's record.
  public let envelope: VerifiedEnvelope

  /// Verifies what a request or a blame carries.
  ///
  /// - Parameters:
  ///   - charterBody: the charter.
  ///   - epochLeaf: the epoch's record.
  ///   - envelopeBody: the epoch's envelope.
  ///   - motionLeaf: the motion.
  ///   - requestBody: the motion's body.
  /// - Throws: `charter.*`, `record.*`, `recovery.*`, `envelope.*`.
  init(
    charterBody: [UInt8], epochLeaf: [UInt8], envelopeBody: [UInt8], motionLeaf: [UInt8], requestBody: [UInt8]
  ) async throws(PosternError) {
    charter = try Charter(parsing: charterBody)
    try charter.validate()
    app = charter.digest
    guard charter.recovery != nil else {
      throw PosternError(
        .recoveryNoDoor, "The application “\(charter.name)” has no council door.",
        advice: "Open the dump through its KMS door.")
    }
    request = try RecoveryRequest(parsing: requestBody)
    recovery = SHA256.hash(requestBody)
    requester = try RecoveryStatement.requester(of: motionLeaf, asking: recovery, charter, app)
    motionLeafHash = TreeHash.leaf(motionLeaf)
    epochRecord = try Record(parsing: epochLeaf)
    epoch = try epochRecord.verifiedEpoch(of: app, under: charter)
    try RecoveryStatement.compare(request, with: epoch, TreeHash.leaf(epochLeaf), charter, app)
    guard SHA256.hash(envelopeBody) == epoch.envelope else {
      throw .mismatch("The envelope is not the one of the epoch.")
    }
    let context = try charter.envelopeContext(
      app: app, epoch: epoch.number, generation: epoch.generation, veilCommit: request.veilCommit)
    envelope = try await Envelope(parsing: envelopeBody, context: context).verifyOnAllCores()
  }

  /// Who signed a motion to recover, among the charter's requesters.
  private static func requester(
    of leaf: [UInt8], asking recovery: Digest, _ charter: Charter, _ app: Digest
  ) throws(PosternError) -> Charter.Node {
    let motion = try Record(parsing: leaf)
    try motion.verifySignature()
    guard motion.app == app, case .motion(let fields) = motion.fields, fields.question == .recover,
      fields.body == recovery
    else { throw .mismatch("The motion does not ask for this recovery.") }
    guard motion.author.role == .requester,
      let requester = charter.requesters.first(where: { $0.key == motion.author.key })
    else {
      throw PosternError(
        .recoveryRequester, "Whoever asks for this recovery is no requester that the charter lists.",
        advice: "Do not answer; ask the members whether they know of it.")
    }
    return requester
  }

  private static func compare(
    _ request: RecoveryRequest, with epoch: EpochFields, _ leafHash: Digest, _ charter: Charter, _ app: Digest
  ) throws(PosternError) {
    guard request.app == app, request.charter == app, request.epoch == epoch.number,
      request.epochLeafHash == leafHash, request.envelope == epoch.envelope
    else { throw .mismatch("The request does not name this application, charter, epoch and envelope.") }
    guard request.memberRecipients.count == charter.members.count else {
      throw .mismatch("The request does not carry one recipient key a member.")
    }
  }

  /// What the generation's veil belongs to.
  var veilContext: VeilContext {
    VeilContext(app: app, generation: epoch.generation, charterDigest: app)
  }

  /// Reads a member's answer to this recovery: signed by the member that it numbers, for this very request.
  ///
  /// What fails here is ignored and blames nobody: anyone can write such a file.
  ///
  /// - Returns: the answer; its member number is in the charter.
  /// - Throws: `record.*`, `recovery.answer`, `recovery.answer-malformed`.
  func answer(in file: ReleaseFile) throws(PosternError) -> RecoveryAnswer {
    let ballot = try Record(parsing: file.ballotLeaf)
    try ballot.verifySignature()
    let answer = try RecoveryAnswer(parsing: file.answerBody)
    guard ballot.app == app, case .ballot(let fields) = ballot.fields, fields.answer == .approve,
      fields.motion == motionLeafHash, fields.body == SHA256.hash(file.answerBody), answer.recovery == recovery,
      answer.envelope == epoch.envelope
    else {
      throw PosternError(
        .recoveryAnswer, "The release is damaged, or was made for another recovery.",
        advice: "Ask the member for its answer to this request.")
    }
    let number = Int(answer.member)
    guard ballot.author.role == .member, charter.members.indices.contains(number),
      charter.members[number].signing == ballot.author.key
    else {
      throw PosternError(
        .recoveryAnswer, "The release is not signed by the member that it names.",
        advice: "Ask the member itself for its answer.")
    }
    return answer
  }
}
