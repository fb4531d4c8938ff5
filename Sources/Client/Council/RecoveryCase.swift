import Bulk
public import Core
public import Envelope
public import Merkle
package import Records
import Sodium
import Trust

/// A recovery request of which everything was verified, offline: what a member may answer.
public struct RecoveryCase: Sendable {
  /// What is asked, for which epoch, by whom.
  public let statement: RecoveryStatement
  /// The checkpoint, signed by the application's home log, that covers the epoch.
  public let checkpoint: SignedCheckpoint
  /// The generation's veil.
  public let veil: Veil
  /// The file that it came in.
  public let file: RecoveryRequestFile
  /// The epoch's leaf.
  let epochLeaf: [UInt8]

  /// Verifies a request.
  ///
  /// The charter's digest is the application and every member has signed it; a requester that it lists asks; the
  /// epoch's record is in the home log; the envelope, both doors, is verified under a context computed here.
  ///
  /// - Parameters:
  ///   - file: the request.
  ///   - app: the application that is known from before; nil to take the one that the request names, which the
  ///     member has signed itself if its key is in it.
  /// - Throws: `charter.*`, `record.*`, `log.*`, `receipt.*`, `recovery.*`, `envelope.*`, `veil.*`.
  public init(verifying file: RecoveryRequestFile, app: Digest? = nil) async throws(PosternError) {
    if let app, SHA256.hash(file.charter) != app {
      throw PosternError(
        .recoveryApplication, "The request is for the application \(SHA256.hash(file.charter)), not for \(app).",
        advice: "Do not answer; ask whoever sent it.")
    }
    let receipt = try Receipt(parsing: file.receipt)
    statement = try await RecoveryStatement(
      charterBody: file.charter, epochLeaf: receipt.proven.leaf, envelopeBody: file.envelope,
      motionLeaf: file.motionLeaf, requestBody: file.requestBody)
    try CharterSignatures(parsing: file.charterSignatures).verify(statement.charter)
    checkpoint = try receipt.verify(log: statement.charter.home)
    guard SHA256.hash(file.veil) == statement.epoch.veil else {
      throw .mismatch("The veil is not the one of the epoch's generation.")
    }
    veil = try Veil(
      parsing: file.veil, memberCount: statement.charter.members.count, hasKMS: statement.charter.kms != nil)
    guard veil.commit == statement.request.veilCommit else {
      throw .mismatch("The request names another veil than the one of the epoch's generation.")
    }
    self.file = file
    epochLeaf = receipt.proven.leaf
  }

  /// Which member of the charter a key is.
  ///
  /// - Throws: `key.role`, `recovery.not-a-member`.
  public func memberNumber(of key: borrowing KeyFile) throws(PosternError) -> Int {
    try key.require(.member)
    let signing = key.master.signingKey().verificationKey
    guard let number = statement.charter.memberNumber(signing: signing) else {
      throw PosternError(
        .recoveryNotAMember, "The charter of “\(statement.charter.name)” names no member with this key.",
        advice: "Give the key that you signed the charter with.")
    }
    return number
  }

  /// A member's answer: its releases and its copy of the veil secret, sealed to the recovering node alone.
  ///
  /// - Parameter key: the member's key.
  /// - Throws: `key.role`, `recovery.not-a-member`.
  public func answer(with key: borrowing KeyFile) throws(PosternError) -> ReleaseFile {
    let number = try memberNumber(of: key)
    let releases = try SealedReleases.seal(
      statement.envelope, with: key.master.shardKey(), recovery: statement.recovery,
      to: statement.request.memberRecipients[number])
    let answer = RecoveryAnswer(
      recovery: statement.recovery, member: UInt16(number), envelope: statement.epoch.envelope,
      sealedReleases: releases, sealedVeilSecret: sealedVeilSecret(number, key))
    return statement.sign(answer, with: key)
  }

  /// The member's copy of the veil secret, sealed to the node; empty where an uploader gave it a false copy.
  ///
  /// The share is worth sending all the same: any other member's copy will do.
  private func sealedVeilSecret(_ number: Int, _ key: borrowing KeyFile) -> [UInt8] {
    do throws(PosternError) {
      let secret = try veil.open(.member(number), with: key.master.veilKey(), context: statement.veilContext)
      return SealedVeil.seal(
        secret, commit: veil.commit, recovery: statement.recovery, to: statement.request.veilRecipient)
    } catch {
      return []
    }
  }
}

extension RecoveryStatement {
  /// A ballot that approves with this answer.
  package func sign(_ answer: RecoveryAnswer, with key: borrowing KeyFile) -> ReleaseFile {
    let body = answer.body
    let fields = BallotFields(motion: motionLeafHash, answer: .approve, body: SHA256.hash(body))
    let ballot = Record(app: app, role: .member, fields: .ballot(fields), signedBy: key.master.signingKey())
    return ReleaseFile(ballotLeaf: ballot.leaf, answerBody: body)
  }
}
