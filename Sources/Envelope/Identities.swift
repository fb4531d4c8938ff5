public import Core
public import Sodium

/// What a charter says of a member: its name, its three public keys, and the proof that the shard key is its own.
public struct MemberIdentity: Hashable, Sendable {
  /// The most bytes that a name has in UTF-8.
  public static let nameByteLimit = 65_535
  /// The member's name, as it stands in the charter, not normalised.
  public let name: String
  /// Verifies what the member signs.
  public let signingKey: VerificationKey
  /// What is dealt to the member is dealt to this key.
  public let shardKey: ShardPublicKey
  /// The veil's secret is sealed to this key.
  public let veilKey: VeilPublicKey
  /// That the member has its shard key.
  public let possession: PossessionProof

  /// An identity as somebody sent it; ``verifyPossession()`` checks it.
  ///
  /// - Precondition: the name has at most ``nameByteLimit`` bytes.
  public init(
    name: String, signingKey: VerificationKey, shardKey: ShardPublicKey, veilKey: VeilPublicKey,
    possession: PossessionProof
  ) {
    precondition(name.utf8.count <= MemberIdentity.nameByteLimit)
    self.name = name
    self.signingKey = signingKey
    self.shardKey = shardKey
    self.veilKey = veilKey
    self.possession = possession
  }

  /// The identity of who keeps `master`, with a fresh proof.
  ///
  /// - Precondition: the name has at most ``nameByteLimit`` bytes.
  public init(name: String, master: borrowing MasterSecret) {
    var draws = SystemDraws()
    self.init(name: name, master: master, draws: &draws)
  }

  /// The same with a proof from given draws.
  package init(name: String, master: borrowing MasterSecret, draws: inout some DrawSource) {
    let shardKey = master.shardKey()
    let signingKey = master.signingKey().verificationKey
    let veilKey = master.veilKey().publicKey
    self.init(
      name: name, signingKey: signingKey, shardKey: shardKey.publicKey, veilKey: veilKey,
      possession: PossessionProof(
        member: name, signingKey: signingKey, veilKey: veilKey, key: shardKey, draws: &draws))
  }

  /// Checks that the holder of the shard key made this identity.
  ///
  /// - Throws: `key.possession`.
  public func verifyPossession() throws(PosternError) {
    try possession.verify(member: name, signingKey: signingKey, veilKey: veilKey, key: shardKey)
  }
}

/// What a charter says of its KMS door: two public keys, and the proof that the shard key is the KMS's own.
public struct KMSIdentity: Hashable, Sendable {
  /// The door's copy of a secret is dealt to this key.
  public let shardKey: ShardPublicKey
  /// The veil's secret is sealed to this key.
  public let veilKey: VeilPublicKey
  /// That the KMS has its shard key.
  public let possession: PossessionProof

  /// An identity as somebody sent it; ``verifyPossession()`` checks it.
  public init(shardKey: ShardPublicKey, veilKey: VeilPublicKey, possession: PossessionProof) {
    self.shardKey = shardKey
    self.veilKey = veilKey
    self.possession = possession
  }

  /// The identity of a KMS that provisions `master`, with a fresh proof.
  public init(master: borrowing MasterSecret) {
    var draws = SystemDraws()
    self.init(master: master, draws: &draws)
  }

  /// The same with a proof from given draws.
  package init(master: borrowing MasterSecret, draws: inout some DrawSource) {
    let shardKey = master.shardKey()
    let veilKey = master.veilKey().publicKey
    self.init(
      shardKey: shardKey.publicKey, veilKey: veilKey,
      possession: PossessionProof(kms: veilKey, key: shardKey, draws: &draws))
  }

  /// Checks that the holder of the shard key made this identity.
  ///
  /// - Throws: `key.possession`.
  public func verifyPossession() throws(PosternError) {
    try possession.verify(kms: veilKey, key: shardKey)
  }
}
