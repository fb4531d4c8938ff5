import Client
import Core
import Envelope
import Records

/// How a member can lie: each makes an answer that the member signs and that must be found out.
enum Lie: CaseIterable {
  /// Releases of the right leaves with a share that is not the one dealt.
  case falseShare
  /// Another member's good message, under one's own signature.
  case copiedMessage
  /// Good releases, numbered as if of another leaf.
  case wrongLeaves
  /// No releases at all.
  case nothing
  /// Bytes that are no message.
  case garbage

  var verdict: Verdict {
    switch self {
    case .falseShare: .falseRelease
    case .wrongLeaves, .nothing: .notThisMembersLeaves
    case .copiedMessage, .garbage: .doesNotOpen
    }
  }

  /// The answer of a lying member.
  ///
  /// - Parameter honest: what another, honest member answered.
  func answer(
    _ recovery: RecoveryCase, by key: borrowing KeyFile, copying honest: ReleaseFile
  ) throws -> ReleaseFile {
    let statement = recovery.statement
    let number = try recovery.memberNumber(of: key)
    let truth = try RecoveryAnswer(parsing: recovery.answer(with: key).answerBody)
    let message =
      switch self {
      case .falseShare: seal(try plaintext(statement, key, leafOffset: 0, isFalse: true), statement, to: number)
      case .copiedMessage: try RecoveryAnswer(parsing: honest.answerBody).sealedReleases
      case .wrongLeaves: seal(try plaintext(statement, key, leafOffset: 1, isFalse: false), statement, to: number)
      case .nothing: seal([], statement, to: number)
      case .garbage: [UInt8](repeating: 7, count: 1_500)
      }
    let answer = RecoveryAnswer(
      recovery: truth.recovery, member: truth.member, envelope: truth.envelope, sealedReleases: message,
      sealedVeilSecret: truth.sealedVeilSecret)
    return statement.sign(answer, with: key)
  }

  private func plaintext(
    _ statement: RecoveryStatement, _ key: borrowing KeyFile, leafOffset: Int, isFalse: Bool
  ) throws -> [UInt8] {
    let shard = key.master.shardKey()
    var bytes: [UInt8] = []
    for leaf in statement.charter.recovery?.leaves(of: shard.publicKey) ?? [] {
      bytes.append(bigEndian: UInt16(leaf + leafOffset))
      var release = try statement.envelope.release(leaf: leaf, with: shard).withUnsafeBytes { Array($0) }
      // Another point: the member's own public key is one, and not its share.
      if isFalse { release.replaceSubrange(0..<32, with: shard.publicKey.bytes) }
      bytes += release
    }
    return bytes
  }

  /// Seals whatever it is given, as no public call does.
  private func seal(_ plaintext: [UInt8], _ statement: RecoveryStatement, to number: Int) -> [UInt8] {
    var info: [UInt8] = []
    info.append(string: "postern/v1/release")
    info.append(statement.recovery)
    info.append(statement.envelope.digest)
    let recipient = statement.request.memberRecipients[number]
    return plaintext.withUnsafeBytes { SealedMessage.seal($0, to: recipient, info: info) }
  }
}
