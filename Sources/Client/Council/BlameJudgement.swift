public import Core
public import Envelope
public import Records

/// What a stranger concludes from a blame.
public struct BlameJudgement: Sendable {
  /// What the recovery was about.
  public let statement: RecoveryStatement
  /// The accused member's number, from 0 in charter order.
  public let memberNumber: Int
  /// The conclusion; anything but `honest` is proven.
  public let verdict: Verdict

  /// The accused member.
  public var member: Charter.Member { statement.charter.members[memberNumber] }
  /// Whether the member is proven to have given a false answer.
  public var isProven: Bool { verdict != .honest }
}

extension BlameFile {
  /// Judges the blame from its own bytes: needs no archive and no key.
  ///
  /// - Throws: `blame.void` where the seed is not of the accused member's key; `charter.*`, `record.*`,
  ///   `recovery.*`, `envelope.*` where the parts are not what they should be. Then nobody is blamed.
  public func judge() async throws(PosternError) -> BlameJudgement {
    let statement = try await RecoveryStatement(
      charterBody: charter, epochLeaf: epochLeaf, envelopeBody: envelope, motionLeaf: motionLeaf,
      requestBody: requestBody)
    let answer = try statement.answer(in: release)
    let number = Int(answer.member)
    let verdict = try blame.judge(
      answer.sealedReleases, statement.envelope, from: statement.charter.members[number].shard,
      recovery: statement.recovery, recipient: statement.request.memberRecipients[number])
    return BlameJudgement(statement: statement, memberNumber: number, verdict: verdict)
  }
}
