import Bulk
import Core
import Sodium

/// A proof that a holder has its shard key, for its charter: `c ‖ z`, 64 bytes.
///
/// It binds the holder's other keys and a member's name, but no charter: one proof serves many.
public struct PossessionProof: Hashable, Sendable {
  /// How many bytes a proof has.
  public static let byteCount = SchnorrProof.byteCount
  private let proof: SchnorrProof

  /// A proof from its one encoding, unverified; nil for any other bytes.
  public init?(_ bytes: some Collection<UInt8>) {
    guard let proof = SchnorrProof(bytes) else { return nil }
    self.proof = proof
  }

  /// The 64 bytes.
  public var bytes: [UInt8] { proof.bytes }

  fileprivate init(_ tag: Tag, who: [UInt8], key: borrowing ShardKey, draws: inout some DrawSource) {
    let statement = tag.framed + who + key.publicKey.bytes
    var prover = Prover()
    proof = prover.prove(statement, bases: [.generatorH], secret: key.secret, at: 0, draws: &draws)
  }

  fileprivate func holds(_ tag: Tag, who: [UInt8], key: ShardPublicKey) throws(PosternError) {
    guard proof.holds(of: tag.framed + who + key.bytes, [(.generatorH, key.point)]) else {
      throw PosternError(
        .keyPossession, "The proof of possession does not belong to this name and these keys.",
        advice: "Ask the holder for its public line again.")
    }
  }
}

extension PossessionProof {
  init(
    member name: String, signingKey: VerificationKey, veilKey: VeilPublicKey, key: borrowing ShardKey,
    draws: inout some DrawSource
  ) {
    self.init(
      .possession, who: PossessionProof.who(name, signingKey, veilKey), key: key, draws: &draws)
  }

  init(kms veilKey: VeilPublicKey, key: borrowing ShardKey, draws: inout some DrawSource) {
    self.init(.kmsPossession, who: SHA256.hash(veilKey.bytes).bytes, key: key, draws: &draws)
  }

  func verify(
    member name: String, signingKey: VerificationKey, veilKey: VeilPublicKey, key: ShardPublicKey
  ) throws(PosternError) {
    try holds(.possession, who: PossessionProof.who(name, signingKey, veilKey), key: key)
  }

  func verify(kms veilKey: VeilPublicKey, key: ShardPublicKey) throws(PosternError) {
    try holds(.kmsPossession, who: SHA256.hash(veilKey.bytes).bytes, key: key)
  }

  /// `str(name) ‖ signing key ‖ SHA-256(veil key)`.
  private static func who(_ name: String, _ signingKey: VerificationKey, _ veilKey: VeilPublicKey) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(string: name)
    bytes.append(contentsOf: signingKey.bytes)
    bytes.append(SHA256.hash(veilKey.bytes))
    return bytes
  }
}
