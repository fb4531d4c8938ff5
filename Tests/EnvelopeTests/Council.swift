import Bulk
import Core
import Envelope
import Sodium
import Testing

/// Repeatable random numbers (SplitMix64); a test prints its seed.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }
}

/// Members and a KMS whose secrets are told by their number.
struct Council {
  let keys: [ShardPublicKey]
  let veilKeys: [VeilPublicKey]
  let kms: ShardPublicKey
  let kmsVeilKey: VeilPublicKey
  private static let kmsNumber = 1_000

  init(_ count: Int) throws {
    keys = try (0..<count).map { try Council.master($0).shardKey().publicKey }
    veilKeys = try (0..<count).map { try Council.master($0).veilKey().publicKey }
    kms = try Council.kmsMaster().shardKey().publicKey
    kmsVeilKey = try Council.kmsMaster().veilKey().publicKey
  }

  static func master(_ number: Int) throws -> MasterSecret {
    var bytes = SHA256.hash(Array("member \(number)".utf8)).bytes
    return try MasterSecret(consuming: &bytes)
  }

  static func kmsMaster() throws -> MasterSecret {
    try master(kmsNumber)
  }

  /// A gate over members of weight 1.
  func flat(_ threshold: Int) throws -> Policy {
    try Policy(root: Gate(threshold: threshold, children: keys.map { .member($0, weight: 1) }))
  }

  func context(_ policy: Policy?, kms: ShardPublicKey?, epoch: UInt64 = 7) throws -> EnvelopeContext {
    try EnvelopeContext(
      app: SHA256.hash([1]), epoch: epoch, charterDigest: SHA256.hash([2]), policy: policy, kms: kms,
      generation: 3, veilCommit: SHA256.hash([3]))
  }

  /// A verified release of every leaf.
  func releases(_ envelope: VerifiedEnvelope) throws -> [VerifiedRelease] {
    let leaves = envelope.context.policy?.leaves ?? []
    return try leaves.enumerated().map { leaf, key in
      let number = try #require(keys.firstIndex(of: key))
      let release = try envelope.release(leaf: leaf, with: Council.master(number).shardKey())
      return try envelope.verify(release, leaf: leaf)
    }
  }
}

/// The bytes of a door's secret.
func bytes(_ secret: borrowing DoorSecret) -> [UInt8] {
  secret.memory.withUnsafeBytes { Array($0) }
}

/// The code and index of the error that a call throws; nil when it throws none.
func refusal(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch let error as PosternError {
    return error.index.map { "\(error.code.rawValue) \($0)" } ?? error.code.rawValue
  } catch {
    return "\(error)"
  }
}
