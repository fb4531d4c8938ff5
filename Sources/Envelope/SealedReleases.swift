public import Core
import Sodium

/// What anyone who can open a member's answer concludes from it.
public enum Verdict: String, Hashable, Sendable {
  /// The member's releases, exactly, and all true.
  case honest = "honest"
  /// The message does not open under the key that it was to be sealed to.
  case doesNotOpen = "does not open"
  /// It is not the releases of exactly this member's leaves, in rising order, once each.
  case notThisMembersLeaves = "not this member's leaves"
  /// A release in it does not verify, or is not in its one allowed form.
  case falseRelease = "a false release"
}

/// A member's answer to one recovery, as an HPKE message: `(u16(leaf) ‖ release) …`, rising, sealed to its key.
public enum SealedReleases {
  private static let entryByteCount = 2 + Release.byteCount

  /// What a message held.
  public struct Opened: Sendable {
    /// The conclusion.
    public let verdict: Verdict
    /// The releases; none unless the verdict is honest.
    public let releases: [VerifiedRelease]

    fileprivate init(_ verdict: Verdict, _ releases: [VerifiedRelease] = []) {
      self.verdict = verdict
      self.releases = releases
    }
  }

  /// Releases all of a member's leaves and seals them.
  ///
  /// - Parameters:
  ///   - envelope: the verified envelope.
  ///   - key: the member's key; one without a leaf seals an empty answer.
  ///   - recovery: the request's digest.
  ///   - recipient: the request's key for this member.
  public static func seal(
    _ envelope: VerifiedEnvelope, with key: borrowing ShardKey, recovery: Digest, to recipient: RecipientPublicKey
  ) throws(PosternError) -> [UInt8] {
    var plaintext: [UInt8] = []
    defer { wipe(&plaintext) }
    let leaves = envelope.context.policy?.leaves(of: key.publicKey) ?? []
    // Reserved, so that growing leaves no copy behind that nothing wipes.
    plaintext.reserveCapacity(leaves.count * entryByteCount)
    for leaf in leaves {
      plaintext.append(bigEndian: UInt16(leaf))
      try envelope.release(leaf: leaf, with: key).withUnsafeBytes { plaintext.append(contentsOf: $0) }
    }
    let info = info(recovery: recovery, envelope: envelope.digest)
    return plaintext.withUnsafeBytes { SealedMessage.seal($0, to: recipient, info: info) }
  }

  /// Opens a message and judges it.
  ///
  /// - Parameters:
  ///   - message: the message, from the record that the member signed.
  ///   - envelope: the verified envelope.
  ///   - member: the shard key of the member who signed the record.
  ///   - recovery: the request's digest.
  ///   - recipient: the request's key for this member.
  public static func open(
    _ message: [UInt8], _ envelope: VerifiedEnvelope, from member: ShardPublicKey, recovery: Digest,
    with recipient: borrowing RecipientKey
  ) -> Opened {
    let info = info(recovery: recovery, envelope: envelope.digest)
    guard var plaintext = SealedMessage.open(message[...], with: recipient, info: info) else {
      return Opened(.doesNotOpen)
    }
    defer { wipe(&plaintext) }
    let leaves = envelope.context.policy?.leaves(of: member) ?? []
    guard let releases = parse(plaintext, leaves: leaves) else { return Opened(.notThisMembersLeaves) }
    var verified: [VerifiedRelease] = []
    for (leaf, release) in zip(leaves, releases) {
      do { verified.append(try envelope.verify(release, leaf: leaf)) } catch { return Opened(.falseRelease) }
    }
    return Opened(.honest, verified)
  }

  /// The releases of exactly these leaves; nil when the plaintext is anything else.
  private static func parse(_ plaintext: [UInt8], leaves: [Int]) -> [Release]? {
    guard plaintext.count == leaves.count * entryByteCount else { return nil }
    var releases: [Release] = []
    for (index, leaf) in leaves.enumerated() {
      let entry = plaintext[index * entryByteCount..<(index + 1) * entryByteCount]
      let release = entry.dropFirst(2).withUnsafeBytes { Release($0) }
      guard let release, entry.prefix(2).reduce(0, { $0 << 8 | Int($1) }) == leaf else { return nil }
      releases.append(release)
    }
    return releases
  }

  private static func info(recovery: Digest, envelope: Digest) -> [UInt8] {
    var bytes = Tag.sealedRelease.framed
    bytes.append(recovery)
    bytes.append(envelope)
    return bytes
  }
}

/// The veil's secret, sealed by a member to one recovery's veil key: 1,168 bytes.
public enum SealedVeil {
  /// Seals the secret.
  ///
  /// - Parameters:
  ///   - secret: the generation's veil secret, as the member's own copy opened.
  ///   - commit: what the veil commits to.
  ///   - recovery: the request's digest.
  ///   - recipient: the request's key for it.
  public static func seal(
    _ secret: borrowing VeilSecret, commit: Digest, recovery: Digest, to recipient: RecipientPublicKey
  ) -> [UInt8] {
    let info = info(recovery: recovery, commit: commit)
    return secret.withUnsafeBytes { SealedMessage.seal($0, to: recipient, info: info) }
  }

  /// Opens a message and checks that it is the secret that the veil commits to; any one member's will do.
  ///
  /// - Parameters:
  ///   - message: the message.
  ///   - app: the application's id.
  ///   - generation: the generation's number.
  ///   - commit: what the veil commits to.
  ///   - recovery: the request's digest.
  ///   - key: the recovery's veil key.
  /// - Throws: `veil.sealed` when it does not open, `veil.commit` when it is another secret.
  public static func open(
    _ message: [UInt8], app: Digest, generation: UInt64, commit: Digest, recovery: Digest,
    with key: borrowing RecipientKey
  ) throws(PosternError) -> VeilSecret {
    try VeilSecret(
      opening: message[...], with: key, info: info(recovery: recovery, commit: commit), app: app,
      generation: generation, commit: commit)
  }

  private static func info(recovery: Digest, commit: Digest) -> [UInt8] {
    var bytes = Tag.sealedVeil.framed
    bytes.append(recovery)
    bytes.append(commit)
    return bytes
  }
}
