public import Core
import Sodium

/// What a recovering node publishes of a member whose answer fails: the seed of the key that it sealed to.
///
/// With it anyone opens that one message and reaches the same verdict. An honest member cannot be framed: its
/// message opens and verifies. No other member's message opens with this seed, a copied one neither.
public struct Blame: Hashable, Sendable {
  /// How many bytes the seed has.
  public static let byteCount = RecipientKey.seedByteCount
  /// The seed; public from here on.
  public let seed: [UInt8]

  init(seed: [UInt8]) {
    self.seed = seed
  }

  /// A blame as it was published; nil unless it has ``byteCount`` bytes.
  public init?(_ seed: some Collection<UInt8>) {
    guard seed.count == Blame.byteCount else { return nil }
    self.seed = Array(seed)
  }

  /// Judges a member's message; the caller has verified the record that carries it.
  ///
  /// - Parameters:
  ///   - message: the message, from the record that the member signed.
  ///   - envelope: the verified envelope that the request and the record name.
  ///   - member: the shard key of the member who signed the record.
  ///   - recovery: the record's recovery, which is the digest of the request.
  ///   - recipient: the request's key at the record's member number.
  /// - Throws: `blame.void` when the seed is not of that key.
  public func judge(
    _ message: [UInt8], _ envelope: VerifiedEnvelope, from member: ShardPublicKey, recovery: Digest,
    recipient: RecipientPublicKey
  ) throws(PosternError) -> Verdict {
    let key = RecipientKey(seed: SecretBytes(count: seed.count) { $0.copyBytes(from: seed) })
    guard key.publicKey == recipient else {
      throw PosternError(
        .blameVoid, "The seed is not of the key that this member was to seal to.",
        advice: "Blame nobody: the blame is void.")
    }
    return SealedReleases.open(message, envelope, from: member, recovery: recovery, with: key).verdict
  }
}
