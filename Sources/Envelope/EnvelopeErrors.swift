public import Core

extension PosternError.Code {
  // Policies; the index is the gate's number in pre-order.

  /// A policy's bytes are no tree: an unknown kind, a key that is none, an end too early.
  public static let policyEncoding: Self = "policy.encoding"
  /// A gate lies deeper than eight.
  public static let policyDepth: Self = "policy.depth"
  /// There are more than 64 gates.
  public static let policyGates: Self = "policy.gates"
  /// A weight is not 1 to 1,024.
  public static let policyWeight: Self = "policy.weight"
  /// A member stands twice in one gate.
  public static let policyTwice: Self = "policy.twice"
  /// A gate has too many positions: 1,024 in the root, 255 elsewhere.
  public static let policyPositions: Self = "policy.positions"
  /// There are more than 1,024 leaf positions in all.
  public static let policyLeaves: Self = "policy.leaves"
  /// A threshold is not between 1 and the gate's positions.
  public static let policyThreshold: Self = "policy.threshold"

  // Keys.

  /// A secret does not have the length of its kind.
  public static let keyLength: Self = "key.length"
  /// Bytes that should be an X-Wing public key fail ML-KEM's or X25519's check.
  public static let keyVeil: Self = "key.veil"
  /// A holder's proof that it has its shard key does not verify.
  public static let keyPossession: Self = "key.possession"

  // Envelopes; the index is the gate's or the leaf's number.

  /// There is neither a council door nor a KMS door.
  public static let envelopeNoDoor: Self = "envelope.no-door"
  /// The transcript's version is not 1.
  public static let envelopeVersion: Self = "envelope.version"
  /// The transcript has a KMS door where the charter has none, or the other way round.
  public static let envelopeKMSPresence: Self = "envelope.kms-presence"
  /// The transcript ends before its policy does.
  public static let envelopeTruncated: Self = "envelope.truncated"
  /// A point or a scalar of the transcript is not in its one allowed form.
  public static let envelopeEncoding: Self = "envelope.encoding"
  /// Bytes follow where the transcript ends.
  public static let envelopeTrailing: Self = "envelope.trailing"
  /// The commitments of a gate are not the values of one polynomial of its degree.
  public static let envelopeGate: Self = "envelope.gate"
  /// A share does not belong to its commitment.
  public static let envelopeLeaf: Self = "envelope.leaf"
  /// The KMS door does not open the committed secret.
  public static let envelopeKMS: Self = "envelope.kms"
  /// What was released does not satisfy the policy.
  public static let envelopeUnsatisfied: Self = "envelope.unsatisfied"
  /// The key is not the one that this door or leaf was dealt to.
  public static let envelopeKey: Self = "envelope.key"

  // Releases, veils, recoveries.

  /// A release does not verify; the index is the leaf.
  public static let releaseFalse: Self = "release.false"
  /// A release belongs to another envelope.
  public static let releaseForeign: Self = "release.foreign"
  /// A veil's bytes are not one copy a holder, or an encapsulation is refused; the index is the copy.
  public static let veilEncoding: Self = "veil.encoding"
  /// A copy of the veil's secret does not open with this key.
  public static let veilSealed: Self = "veil.sealed"
  /// A copy opens, but to another secret than the veil commits to.
  public static let veilCommit: Self = "veil.commit"
  /// Two recipient keys of a recovery are the same; the index is the later one's.
  public static let recoveryRecipients: Self = "recovery.recipients"
  /// A blame's seed is not of the key that the accused was to seal to.
  public static let blameVoid: Self = "blame.void"
}
