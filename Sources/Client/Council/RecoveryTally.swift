public import Core
public import Envelope
public import Records
import Sodium

/// Collects the members' answers to one recovery: names who lied, goes on with the others, and opens the door.
public struct RecoveryTally: ~Copyable, Sendable {
  /// What became of one answer.
  public enum Finding: Hashable, Sendable {
    /// The member's releases, exactly, and all true.
    case honest(member: Int)
    /// The member signed an answer that fails; what is wrong with it can be proven to anyone.
    case lied(member: Int, Verdict)
    /// Ignored: it answers something else, or its sender cannot be named, or it came second.
    case setAside(PosternError)
  }

  /// The recovery that is answered.
  public let recovery: RecoveryCase
  private let secret: RecoverySecret
  private var counted: [Int: ReleaseFile] = [:]
  private var liars: [Int: Verdict] = [:]
  private var releases: [VerifiedRelease] = []
  private var veilSecret: VeilSecret?
  /// Members whose answers hold a false copy of the veil secret, by number.
  ///
  /// An honest member whose own copy does not open sends none. To nobody else can it be proven: the copies of all are
  /// sealed to one key, which opens the true one as well. Their releases count as if the copy were not there.
  public private(set) var falseVeilSecrets: Set<Int> = []

  /// A tally without answers yet.
  ///
  /// - Parameters:
  ///   - recovery: the request, verified.
  ///   - secret: what the request was written with.
  /// - Throws: `recovery.secret` where it is another one.
  public init(_ recovery: RecoveryCase, secret: consuming RecoverySecret) throws(PosternError) {
    let recipients = secret.recipients(memberCount: recovery.statement.charter.members.count)
    let request = recovery.statement.request
    guard recipients.members == request.memberRecipients, recipients.veil == request.veilRecipient else {
      throw PosternError(
        .recoverySecret, "The secret is not the one that this request was written with.",
        advice: "Give the file that was written beside this request.")
    }
    self.recovery = recovery
    self.secret = secret
  }

  /// Judges an answer and keeps what is good in it; the first one of each member counts.
  public mutating func add(_ file: ReleaseFile) -> Finding {
    let statement = recovery.statement
    let answer: RecoveryAnswer
    do throws(PosternError) { answer = try statement.answer(in: file) } catch { return .setAside(error) }
    let number = Int(answer.member)
    guard counted[number] == nil else {
      return .setAside(
        PosternError(
          .recoveryTwice, "The member “\(statement.charter.members[number].name)” has answered before.",
          advice: "Its first answer counts; leave this one out."))
    }
    counted[number] = file
    keepVeilSecret(of: answer)
    let opened = SealedReleases.open(
      answer.sealedReleases, statement.envelope, from: statement.charter.members[number].shard,
      recovery: statement.recovery, with: secret.memberKey(number))
    guard opened.verdict == .honest else {
      liars[number] = opened.verdict
      return .lied(member: number, opened.verdict)
    }
    releases += opened.releases
    return .honest(member: number)
  }

  /// Takes the veil secret from an answer whose copy is the one that the veil commits to, and notes one that is not.
  private mutating func keepVeilSecret(of answer: RecoveryAnswer) {
    guard !answer.sealedVeilSecret.isEmpty else { return }
    let statement = recovery.statement
    do throws(PosternError) {
      veilSecret = try SealedVeil.open(
        answer.sealedVeilSecret, app: statement.app, generation: statement.epoch.generation,
        commit: statement.request.veilCommit, recovery: statement.recovery, with: secret.veilKey())
    } catch {
      falseVeilSecrets.insert(Int(answer.member))
    }
  }

  /// Whether the good answers satisfy the recovery policy.
  public var isSatisfied: Bool {
    recovery.statement.charter.recovery?.isSatisfied(byLeaves: Set(releases.map(\.leaf))) ?? false
  }

  /// Members that could still help: they hold a leaf and have not answered.
  public var missing: [Charter.Member] {
    let statement = recovery.statement
    let holders = Set(statement.charter.recovery?.members ?? [])
    return statement.charter.members.enumerated()
      .filter { counted[$0.offset] == nil && holders.contains($0.element.shard) }.map(\.element)
  }

  /// Proof of a lie, to be published: it makes the member's answer readable to anyone.
  ///
  /// - Parameter number: the number of a member that ``add(_:)`` said lied.
  /// - Returns: nil for every other member: nothing is published of an honest answer.
  public borrowing func blame(member number: Int) -> BlameFile? {
    guard liars[number] != nil, let release = counted[number] else { return nil }
    let file = recovery.file
    return BlameFile(
      charter: file.charter, epochLeaf: recovery.epochLeaf, envelope: file.envelope, motionLeaf: file.motionLeaf,
      requestBody: file.requestBody, release: release, blame: secret.blame(number))
  }

  /// Opens the council door.
  ///
  /// - Throws: `recovery.not-enough`, naming who is missing; `recovery.no-veil-secret`.
  public borrowing func open() throws(PosternError) -> DoorOpening {
    let statement = recovery.statement
    guard isSatisfied else { throw notEnough() }
    guard let veil = copyVeilSecret() else {
      throw PosternError(
        .recoveryNoVeil, "Enough members released their shares, and no answer holds the generation's veil secret.",
        advice: falseVeilAdvice() + "Ask another member, or open the veil through the KMS.")
    }
    let door = try statement.envelope.combine(releases)
    return DoorOpening(
      app: statement.app, charter: statement.charter, epoch: statement.epoch,
      epochLeafHash: statement.request.epochLeafHash,
      capsuleKey: door.capsuleKey(veil: veil, envelope: statement.envelope.digest), veilSecret: veil)
  }

  private borrowing func copyVeilSecret() -> VeilSecret? {
    switch veilSecret {
    case .some(let secret): secret.copy()
    case .none: nil
    }
  }

  /// Who sent a false copy, where anyone did.
  private borrowing func falseVeilAdvice() -> String {
    let members = recovery.statement.charter.members
    let names = falseVeilSecrets.sorted().map { "“\(members[$0].name)”" }
    return names.isEmpty ? "" : "False copies came from \(names.joined(separator: ", ")), which cannot be proven. "
  }

  private borrowing func notEnough() -> PosternError {
    let names = missing.map(\.name)
    let good = counted.count - liars.count
    let advice =
      names.isEmpty
      ? "Every member has answered; the epoch cannot be opened through this door."
      : "Ask for a release from more of: \(names.joined(separator: ", "))."
    let count =
      switch good {
      case 0: "No good release is there yet."
      case 1: "One good release is there, which does not satisfy the recovery policy yet."
      default: "\(good) good releases are there, which do not satisfy the recovery policy yet."
      }
    return PosternError(.recoveryMissing, count, advice: advice)
  }
}
