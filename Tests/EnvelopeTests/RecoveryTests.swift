import Bulk
import Core
import Envelope
import Testing

@Suite struct RecoveryTests {
  private let council: Council
  private let envelope: VerifiedEnvelope
  private let recovery = SHA256.hash([9])

  init() throws {
    council = try Council(3)
    let policy = try Policy(
      root: Gate(
        threshold: 2, children: [.member(council.keys[0], weight: 2), .member(council.keys[1], weight: 1)]))
    let context = try council.context(policy, kms: nil)
    envelope = try Envelope(parsing: Envelope.deal(context: context).transcript, context: context).verify()
  }

  private func answer(_ member: Int, to recipient: RecipientPublicKey) throws -> [UInt8] {
    try SealedReleases.seal(envelope, with: Council.master(member).shardKey(), recovery: recovery, to: recipient)
  }

  @Test func honestAnswersOpenTheDoor() throws {
    let secret = RecoverySecret.random()
    let recipients = secret.recipients(memberCount: 3)
    var releases: [VerifiedRelease] = []
    for member in 0..<3 {
      let message = try answer(member, to: recipients.members[member])
      let opened = SealedReleases.open(
        message, envelope, from: council.keys[member], recovery: recovery, with: secret.memberKey(member))
      #expect(opened.verdict == .honest)
      // The third member has no leaf, and says so honestly.
      #expect(opened.releases.map(\.leaf) == [[0, 1], [2], []][member])
      releases += opened.releases
      let verdict = try secret.blame(member).judge(
        message, envelope, from: council.keys[member], recovery: recovery, recipient: recipients.members[member])
      #expect(verdict == .honest)
    }
    let all = bytes(try envelope.combine(releases))
    let own = bytes(try envelope.combine(council.releases(envelope)))
    #expect(all == own)
  }

  @Test func aCopiedAnswerBlamesTheCopier() throws {
    let secret = RecoverySecret.random()
    let recipients = secret.recipients(memberCount: 3)
    let copied = try answer(0, to: recipients.members[0])
    let opened = SealedReleases.open(
      copied, envelope, from: council.keys[1], recovery: recovery, with: secret.memberKey(1))
    #expect(opened.verdict == .doesNotOpen)
    #expect(opened.releases.isEmpty)
    let verdict = try secret.blame(1).judge(
      copied, envelope, from: council.keys[1], recovery: recovery, recipient: recipients.members[1])
    #expect(verdict == .doesNotOpen)
    // Sealed anew to the copier's key it opens, and is not the copier's.
    let resealed = try answer(0, to: recipients.members[1])
    let judged = SealedReleases.open(
      resealed, envelope, from: council.keys[1], recovery: recovery, with: secret.memberKey(1))
    #expect(judged.verdict == .notThisMembersLeaves)
  }

  @Test func aBlameByAnotherSeedIsVoid() throws {
    let secret = RecoverySecret.random()
    let recipients = secret.recipients(memberCount: 3)
    let message = try answer(0, to: recipients.members[0])
    let code = refusal {
      _ = try secret.blame(1).judge(
        message, envelope, from: council.keys[0], recovery: recovery, recipient: recipients.members[0])
    }
    #expect(code == "blame.void")
    #expect(Blame([1, 2, 3]) == nil)
    #expect(Blame(secret.blame(0).seed) == secret.blame(0))
  }

  @Test func everyVerdictIsReached() throws {
    let secret = RecoverySecret.random()
    let recipient = secret.recipients(memberCount: 3).members[0]
    let honest = try entries(of: 0)
    var falseProof = honest
    falseProof[1][40] ^= 1
    var notCanonical = honest
    notCanonical[0][2 + 31] |= 0x80
    var wrongLeaf = honest
    wrongLeaf[1][1] = 2
    let cases: [(Verdict, [[UInt8]])] = [
      (.honest, honest), (.falseRelease, falseProof), (.falseRelease, notCanonical),
      (.notThisMembersLeaves, wrongLeaf), (.notThisMembersLeaves, honest.reversed()),
      (.notThisMembersLeaves, [honest[0]]), (.notThisMembersLeaves, [honest[0], honest[0]]),
      (.notThisMembersLeaves, honest + [honest[1]]), (.notThisMembersLeaves, honest + [[0]]),
      (.notThisMembersLeaves, []),
    ]
    for (verdict, entries) in cases {
      let message = seal(entries.flatMap { $0 }, to: recipient, recovery: recovery)
      #expect(open(message, secret) == verdict)
    }
    let good = seal(honest.flatMap { $0 }, to: recipient, recovery: recovery)
    for length in [0, 1, 1_119, 1_135, good.count - 1] { #expect(open(Array(good[..<length]), secret) == .doesNotOpen) }
    for index in stride(from: 0, to: good.count, by: 37) {
      var mauled = good
      mauled[index] ^= 1
      #expect(open(mauled, secret) == .doesNotOpen)
    }
    let elsewhere = seal(honest.flatMap { $0 }, to: recipient, recovery: .zero)
    #expect(open(elsewhere, secret) == .doesNotOpen)
  }

  private func open(_ message: [UInt8], _ secret: borrowing RecoverySecret) -> Verdict {
    SealedReleases.open(
      message, envelope, from: council.keys[0], recovery: recovery, with: secret.memberKey(0)
    ).verdict
  }

  /// `u16(leaf) ‖ release` of each leaf of a member.
  private func entries(of member: Int) throws -> [[UInt8]] {
    let leaves = try #require(envelope.context.policy).leaves(of: council.keys[member])
    return try leaves.map { leaf in
      let release = try envelope.release(leaf: leaf, with: Council.master(member).shardKey())
      return [0, UInt8(leaf)] + release.withUnsafeBytes { Array($0) }
    }
  }

  private func seal(_ plaintext: [UInt8], to recipient: RecipientPublicKey, recovery: Digest) -> [UInt8] {
    var info: [UInt8] = []
    info.append(string: "postern/v1/release")
    info.append(recovery)
    info.append(envelope.digest)
    return plaintext.withUnsafeBytes { SealedMessage.seal($0, to: recipient, info: info) }
  }

  @Test func recipientsAreDistinct() throws {
    let secret = RecoverySecret.random()
    let keys = secret.recipients(memberCount: 3)
    #expect(try RecoveryRecipients(members: keys.members, veil: keys.veil) == keys)
    #expect(Set(keys.members + [keys.veil]).count == 4)
    let twice = [keys.members[0], keys.members[1], keys.members[0]]
    #expect(refusal { _ = try RecoveryRecipients(members: twice, veil: keys.veil) } == "recovery.recipients 2")
    #expect(
      refusal { _ = try RecoveryRecipients(members: keys.members, veil: keys.members[1]) } == "recovery.recipients 3")
    var kept = secret.withUnsafeBytes { Array($0) }
    let again = try RecoverySecret(consuming: &kept).recipients(memberCount: 3)
    #expect(again == keys)
  }

  @Test func theVeilsSecretTravelsToo() throws {
    let secret = RecoverySecret.random()
    let veil = VeilSecret.random()
    let app = SHA256.hash([1])
    let commit = veil.commit(app: app, generation: 3)
    let recipient = secret.recipients(memberCount: 1).veil
    let message = SealedVeil.seal(veil, commit: commit, recovery: recovery, to: recipient)
    let key = secret.veilKey()
    let opened = try SealedVeil.open(
      message, app: app, generation: 3, commit: commit, recovery: recovery, with: key)
    let same = opened.withUnsafeBytes { Array($0) } == veil.withUnsafeBytes { Array($0) }
    #expect(same)
    let lie = SealedVeil.seal(.random(), commit: commit, recovery: recovery, to: recipient)
    let codes = [
      refusal {
        _ = try SealedVeil.open(lie, app: app, generation: 3, commit: commit, recovery: recovery, with: key)
      },
      refusal {
        _ = try SealedVeil.open(message, app: app, generation: 4, commit: commit, recovery: recovery, with: key)
      },
      refusal {
        _ = try SealedVeil.open(message, app: app, generation: 3, commit: .zero, recovery: recovery, with: key)
      },
      refusal {
        _ = try SealedVeil.open(message, app: app, generation: 3, commit: commit, recovery: .zero, with: key)
      },
    ]
    #expect(codes == ["veil.commit", "veil.commit", "veil.sealed", "veil.sealed"])
  }
}
