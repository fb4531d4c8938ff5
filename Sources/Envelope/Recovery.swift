public import Core
import Sodium

/// What a recovering node keeps for one recovery: 32 bytes, from which come the keys that answers are sealed to.
public struct RecoverySecret: ~Copyable, Sendable {
  /// How many bytes it has.
  public static let byteCount = 32
  private let memory: SecretBytes

  private init(memory: consuming SecretBytes) {
    self.memory = memory
  }

  /// Moves a secret into locked memory and wipes the array it came in.
  ///
  /// - Throws: `key.length` when it does not have ``byteCount`` bytes; it is wiped all the same.
  public init(consuming bytes: inout [UInt8]) throws(PosternError) {
    guard bytes.count == RecoverySecret.byteCount else {
      wipe(&bytes)
      throw PosternError(.keyLength, "A recovery's secret has 32 bytes.", advice: "Start another recovery.")
    }
    self.init(memory: SecretBytes(consuming: &bytes))
  }

  /// A new secret from the operating system's source.
  public static func random() -> RecoverySecret {
    RecoverySecret(memory: .random(count: byteCount))
  }

  /// Calls `body` with the 32 bytes, to be kept; they must not leave it otherwise.
  public borrowing func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try memory.withUnsafeBytes(body)
  }

  /// The key that one member seals its releases to.
  ///
  /// - Parameter number: the member's number in charter order, from 0, at most 65,535.
  public borrowing func memberKey(_ number: Int) -> RecipientKey {
    RecipientKey(seed: memberSeed(number))
  }

  /// The key that any member seals the veil's secret to.
  public borrowing func veilKey() -> RecipientKey {
    RecipientKey(seed: memory.derive(Tag.recoveryVeil.framed))
  }

  /// The public keys that the request carries.
  ///
  /// - Parameter memberCount: how many members the charter has.
  public borrowing func recipients(memberCount: Int) -> RecoveryRecipients {
    RecoveryRecipients(
      trusted: (0..<memberCount).map { memberKey($0).publicKey }, veil: veilKey().publicKey)
  }

  /// The blame of one member: the seed of the key that it alone sealed to, which is dead once this is published.
  public borrowing func blame(_ number: Int) -> Blame {
    Blame(seed: memberSeed(number).withUnsafeBytes { Array($0) })
  }

  private borrowing func memberSeed(_ number: Int) -> SecretBytes {
    var info = Tag.recoveryMember.framed
    info.append(bigEndian: UInt16(number))
    return memory.derive(info)
  }
}

/// The public keys of one recovery: one for each member, and one for the veil's secret.
public struct RecoveryRecipients: Hashable, Sendable {
  /// What each member seals its releases to, in charter order.
  public let members: [RecipientPublicKey]
  /// What any member seals the veil's secret to.
  public let veil: RecipientPublicKey

  fileprivate init(trusted members: [RecipientPublicKey], veil: RecipientPublicKey) {
    self.members = members
    self.veil = veil
  }

  /// The keys of a request that somebody sent.
  ///
  /// - Throws: `recovery.recipients` when two are the same: then one blame would open two answers.
  public init(members: [RecipientPublicKey], veil: RecipientPublicKey) throws(PosternError) {
    var seen: Set<RecipientPublicKey> = []
    if let index = (members + [veil]).firstIndex(where: { !seen.insert($0).inserted }) {
      throw PosternError(
        .recoveryRecipients, "Two recipient keys of the recovery are the same.", advice: "Answer no such request.",
        index: index)
    }
    self.init(trusted: members, veil: veil)
  }
}
