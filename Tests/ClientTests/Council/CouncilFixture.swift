import Bulk
import Client
import Core
import Dump
import Envelope
import Merkle
import Records
import Sodium
import Trust

/// An application with four members, its log, and one sealed epoch, all real: what a council works on.
struct CouncilFixture {
  static let names = ["ana", "bo", "cy", "dee"]

  private let secrets: [[UInt8]]
  private let requesterSecret: [UInt8]
  private let uploaderSecret: [UInt8]
  let charterFile: CharterFile
  let evidence: EpochEvidence
  /// What both doors have to give.
  let capsuleKey: [UInt8]
  let veilSecretBytes: [UInt8]

  var charter: Charter { charterFile.charter }
  var app: Digest { charterFile.charter.digest }

  /// Opens with any two of: ana, bo, and (cy and dee together).
  ///
  /// - Parameter spoil: changes the envelope before the uploader signs for it, as one that cheats does.
  init(epochNumber: UInt64 = 1, spoil: (inout [UInt8]) -> Void = { _ in }) async throws {
    let secrets = Self.names.map { _ in randomBytes(32) }
    let requesterSecret = randomBytes(32)
    let uploaderSecret = randomBytes(32)
    let uploader = try Self.key(.uploader, "tee", uploaderSecret)
    let kms = try KeyFile.random(role: .kms, name: "kms")
    let signer = try NoteSigner(name: "example.org/log", key: SigningKey(seed: .random(count: 32)))
    let charter = try Self.charter(secrets, requesterSecret, uploader, kms, home: signer.verifier)
    var file = try CharterFile(charter)
    for (name, secret) in zip(Self.names, secrets) { try file.sign(with: Self.key(.member, name, secret)) }
    let registration = try file.registration(by: Self.key(.member, "ana", secrets[0]))

    let veilSecret = VeilSecret.random()
    let veil = Veil(
      sealing: veilSecret, context: VeilContext(app: charter.digest, generation: 1, charterDigest: charter.digest),
      members: charter.members.map(\.veil), kms: charter.kms?.veil)
    let context = try charter.envelopeContext(
      app: charter.digest, epoch: epochNumber, generation: 1, veilCommit: veil.commit)
    let dealing = Envelope.deal(context: context)
    var transcript = dealing.transcript
    spoil(&transcript)
    let fields = EpochFields(
      number: epochNumber, previous: .zero, charter: charter.digest, generation: 1, stateVersion: 7, commitment: nil,
      root: SHA256.hash([1]), rootByteCount: 100, envelope: SHA256.hash(transcript), veil: SHA256.hash(veil.bytes),
      capsule: SHA256.hash([2]))
    let epoch = Record(
      app: charter.digest, role: .uploader, fields: .epoch(fields), signedBy: uploader.master.signingKey())
    let receipt = try Self.receipt(after: registration.leaf, epoch.leaf, signer)

    self.secrets = secrets
    self.requesterSecret = requesterSecret
    self.uploaderSecret = uploaderSecret
    charterFile = file
    capsuleKey = dealing.secret.capsuleKey(veil: veilSecret, envelope: dealing.digest).withUnsafeBytes { Array($0) }
    veilSecretBytes = veilSecret.withUnsafeBytes { Array($0) }
    evidence = EpochEvidence(
      charter: registration.charter, charterSignatures: registration.signatures, receipt: receipt,
      envelope: transcript, veil: veil.bytes)
  }

  private static func charter(
    _ secrets: [[UInt8]], _ requester: [UInt8], _ uploader: borrowing KeyFile, _ kms: borrowing KeyFile,
    home: NoteVerifier
  ) throws -> Charter {
    var members: [Charter.Member] = []
    for (name, secret) in zip(names, secrets) {
      members.append(Charter.Member(MemberIdentity(name: name, master: try key(.member, name, secret).master)))
    }
    let shards = members.map { Gate.Child.member($0.shard, weight: 1) }
    let recovery = Gate(
      threshold: 2, children: [shards[0], shards[1], .gate(Gate(threshold: 2, children: [shards[2], shards[3]]))])
    return Charter(
      nonce: SHA256.hash(randomBytes(32)), name: "ledger", members: members, recovery: try Policy(root: recovery),
      governance: try Policy(root: Gate(threshold: 3, children: shards)),
      kms: Charter.KMSDoor(path: "ledger/door", KMSIdentity(master: kms.master)),
      uploaders: [Charter.Node(name: "tee", key: try uploader.signingKey().verificationKey)],
      requesters: [
        Charter.Node(name: "ops", key: try key(.requester, "ops", requester).signingKey().verificationKey)
      ],
      home: home, chunker: try ChunkerParameters(fixedByteCount: 16_384), retentionEpochs: 0)
  }

  private static func receipt(
    after first: [UInt8], _ leaf: [UInt8], _ signer: borrowing NoteSigner
  ) throws -> Receipt {
    let before = TreeHash.leaf(first)
    let root = TreeHash.node(before, TreeHash.leaf(leaf))
    let note = try Checkpoint(origin: "example.org/log", size: 2, root: root).signed(by: signer)
    return try Receipt(ProvenLeaf(index: 1, leaf: leaf, path: [before]), note: note)
  }

  private static func key(_ role: HolderRole, _ name: String, _ secret: [UInt8]) throws -> KeyFile {
    var secret = secret
    return try KeyFile(role: role, name: name, master: MasterSecret(consuming: &secret))
  }

  func member(_ name: String) throws -> KeyFile {
    try Self.key(.member, name, secrets[Self.names.firstIndex(of: name) ?? 0])
  }

  func uploader() throws -> KeyFile { try Self.key(.uploader, "tee", uploaderSecret) }

  func requester() throws -> KeyFile { try Self.key(.requester, "ops", requesterSecret) }

  /// A written request, and its secret in a form that can be used more than once.
  func ask() async throws -> (recovery: RecoveryCase, secret: [UInt8]) {
    let asking = try await evidence.request(by: requester(), app: app)
    return (asking.recovery, asking.secret.withUnsafeBytes { Array($0) })
  }

  static func tally(_ asked: (recovery: RecoveryCase, secret: [UInt8])) throws -> RecoveryTally {
    var secret = asked.secret
    return try RecoveryTally(asked.recovery, secret: RecoverySecret(consuming: &secret))
  }
}
