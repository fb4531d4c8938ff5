import Bulk
public import Core

/// What an envelope belongs to: everything that a holder has verified elsewhere before it looks at one.
public struct EnvelopeContext: Hashable, Sendable {
  /// The hash of all of it, to which every proof is bound.
  public let digest: Digest
  /// The council door's policy; nil when the charter has no council door.
  public let policy: Policy?
  /// The KMS door's key; nil when the charter has no KMS door.
  public let kms: ShardPublicKey?

  /// The context of an epoch.
  ///
  /// - Parameters:
  ///   - app: the application's id.
  ///   - epoch: the epoch's number.
  ///   - charterDigest: the digest of the charter that the epoch is sealed under.
  ///   - policy: the council door's policy, nil without that door.
  ///   - kms: the KMS door's key, nil without that door.
  ///   - generation: the generation's number.
  ///   - veilCommit: what the generation's veil commits to.
  /// - Throws: `envelope.no-door` when both doors are absent.
  public init(
    app: Digest, epoch: UInt64, charterDigest: Digest, policy: Policy?, kms: ShardPublicKey?,
    generation: UInt64, veilCommit: Digest
  ) throws(PosternError) {
    guard policy != nil || kms != nil else {
      throw PosternError(
        .envelopeNoDoor, "There is neither a council door nor a KMS door.",
        advice: "Give the charter a recovery policy, a KMS key, or both.")
    }
    var bytes = Tag.context.framed
    bytes.append(app)
    bytes.append(bigEndian: epoch)
    bytes.append(charterDigest)
    bytes.append(contentsOf: Policy.encode(policy))
    bytes.append(contentsOf: kms?.bytes ?? Digest.zero.bytes)
    bytes.append(bigEndian: generation)
    bytes.append(veilCommit)
    self.init(digest: SHA256.hash(bytes), policy: policy, kms: kms)
  }

  /// A context whose digest is given: vectors check transcripts against contexts that are not their own.
  package init(digest: Digest, policy: Policy?, kms: ShardPublicKey?) {
    self.digest = digest
    self.policy = policy
    self.kms = kms
  }

  var layout: PolicyLayout { policy?.layout ?? .none }
}
