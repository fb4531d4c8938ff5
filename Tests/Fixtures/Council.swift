import Bulk
public import Core
import Dump
public import Envelope
public import Merkle
public import Records
public import Sodium

/// Everybody that a charter names, with their secrets: members, a KMS, uploaders and requesters.
///
/// The same seed makes the same people, proofs of possession included.
public struct Council: Sendable {
  /// The members as a charter lists them.
  public let members: [Charter.Member]
  /// The KMS door as a charter has it.
  public let door: Charter.KMSDoor
  private let seed: UInt64

  /// A council.
  ///
  /// - Parameters:
  ///   - memberCount: how many members it has.
  ///   - seed: tells councils apart.
  public init(memberCount: Int = 3, seed: UInt64 = 1) throws(PosternError) {
    self.seed = seed
    var draws = SeededDraws(seed: seed)
    var members: [Charter.Member] = []
    for number in 0..<memberCount {
      let master = try Council.master("member", number, seed)
      members.append(
        Charter.Member(MemberIdentity(name: "member-\(number)", master: master, draws: &draws)))
    }
    self.members = members
    let kms = try Council.master("kms", 0, seed)
    door = Charter.KMSDoor(path: "fixture/door", KMSIdentity(master: kms, draws: &draws))
  }

  /// A member's secret, by its number in charter order.
  public func member(_ number: Int) throws(PosternError) -> MasterSecret {
    try Council.master("member", number, seed)
  }

  /// The KMS's secret.
  public func kms() throws(PosternError) -> MasterSecret { try Council.master("kms", 0, seed) }

  /// An uploader's key; a charter lists the first two unless it is told otherwise.
  public func uploader(_ number: Int = 0) throws(PosternError) -> SigningKey {
    try Council.master("uploader", number, seed).signingKey()
  }

  /// A requester's key; a charter lists the first.
  public func requester(_ number: Int = 0) throws(PosternError) -> SigningKey {
    try Council.master("requester", number, seed).signingKey()
  }

  /// Bytes that the seed repeats, and that differ from purpose to purpose.
  static func bytes(_ purpose: String, _ number: Int, _ seed: UInt64) -> [UInt8] {
    SHA256.hash(Array("fixture/\(purpose)/\(number)/\(seed)".utf8)).bytes
  }

  private static func master(_ role: String, _ number: Int, _ seed: UInt64) throws(PosternError) -> MasterSecret {
    var bytes = bytes(role, number, seed)
    return try MasterSecret(consuming: &bytes)
  }
}

extension Council {
  /// A charter of this council, with both doors and all in order; tests change what they want to see refused.
  ///
  /// - Parameters:
  ///   - home: the log that admits its epochs.
  ///   - threshold: how many members open the council door; a majority unless told otherwise.
  ///   - nonce: tells applications of one council apart.
  public func charter(home: NoteVerifier, threshold: Int? = nil, nonce: UInt64 = 1) throws(PosternError) -> Charter {
    var uploaders: [Charter.Node] = []
    for number in 0..<2 {
      uploaders.append(Charter.Node(name: "enclave-\(number)", key: try uploader(number).verificationKey))
    }
    let gate = Gate(
      threshold: threshold ?? members.count / 2 + 1, children: members.map { .member($0.shard, weight: 1) })
    return Charter(
      nonce: SHA256.hash(Council.bytes("nonce", Int(nonce), seed)), name: "ledger", members: members,
      recovery: try Policy(root: gate), governance: try Policy(root: gate), kms: door, uploaders: uploaders,
      requesters: [Charter.Node(name: "operator", key: try requester().verificationKey)], home: home,
      chunker: .fixed(.kib4), retentionEpochs: 0)
  }

  /// A charter's registration: the record, and the two bodies that it names.
  public func registration(of charter: Charter) throws(PosternError) -> Registration {
    var signatures: [Signature] = []
    for number in charter.members.indices {
      signatures.append(CharterSignatures.sign(charter: charter.digest, with: try member(number).signingKey()))
    }
    let body = CharterSignatures(signatures).body
    let fields = CharterFields(genesis: charter.digest, signatures: SHA256.hash(body))
    let record = Record(
      app: charter.digest, role: .member, fields: .charter(fields), signedBy: try member(0).signingKey())
    return Registration(record: record, charter: charter.body, signatures: body)
  }
}

/// What registers an application.
public struct Registration: Sendable {
  /// The charter record.
  public let record: Record
  /// The charter's body.
  public let charter: [UInt8]
  /// The body of all members' signatures.
  public let signatures: [UInt8]

  /// The bodies by their digests, as `check` takes them.
  public var bodies: [Digest: [UInt8]] {
    [SHA256.hash(charter): charter, SHA256.hash(signatures): signatures]
  }
}

/// A log's signing key that a seed repeats.
///
/// - Parameters:
///   - origin: the log's name.
///   - seed: tells keys apart.
public func logSigner(_ origin: String = "example.org/log", seed: UInt64 = 1) throws(PosternError) -> NoteSigner {
  var bytes = Council.bytes("log", 0, seed)
  return try NoteSigner(name: origin, key: SigningKey(seed: SecretBytes(consuming: &bytes)))
}
