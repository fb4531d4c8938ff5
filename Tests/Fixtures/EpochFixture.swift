import Bulk
public import Core
import Dump
import Envelope
public import Records
public import Sodium

/// A whole epoch as its uploader made it: the signed record, its bodies, and the sealed state.
public struct EpochFixture: Sendable {
  /// The signed record.
  public let record: Record
  /// The record's fields.
  public let fields: EpochFields
  /// The envelope's bytes.
  public let envelope: [UInt8]
  /// The veil's bytes.
  public let veil: [UInt8]
  /// The sealed capsule.
  public let capsule: [UInt8]
  /// The sealed state.
  public let state: SealedState

  /// An epoch, dealt and signed.
  ///
  /// - Parameters:
  ///   - number: the epoch's number.
  ///   - previous: leaf hash of the epoch before.
  ///   - charter: the application's genesis charter.
  ///   - generation: the generation.
  ///   - state: what is published.
  ///   - stateVersion: the state's version; the epoch's number unless told otherwise.
  ///   - commitment: the public commitment.
  ///   - seed: tells dealings apart.
  ///   - key: the uploader's key.
  public init(
    _ number: UInt64, after previous: Digest = .zero, of charter: Charter, in generation: GenerationFixture,
    state: SealedState, stateVersion: UInt64? = nil, commitment: Digest? = nil, seed: UInt64 = 1,
    signedBy key: borrowing SigningKey
  ) throws(PosternError) {
    let context = try charter.envelopeContext(
      app: charter.digest, epoch: number, generation: generation.number, veilCommit: generation.veil.commit)
    var draws = SeededDraws(seed: seed &* 1_000_003 &+ number)
    let dealing = Envelope.deal(context: context, draws: &draws)
    let capsule = Capsule(
      contentKind: .bytes, root: state.root, generationSecret: try generation.secret(), chunker: state.chunker)
    let key32 = dealing.secret.capsuleKey(veil: try generation.veilSecret(), envelope: dealing.digest)
    let capsuleKey = key32.withUnsafeBytes { key in SecretBytes(count: key.count) { $0.copyMemory(from: key) } }
    envelope = dealing.transcript
    veil = generation.veil.bytes
    self.capsule = capsule.seal(under: capsuleKey)
    self.state = state
    fields = EpochFields(
      number: number, previous: previous, charter: charter.digest, generation: generation.number,
      stateVersion: stateVersion ?? number, commitment: commitment, root: state.root.id,
      rootByteCount: UInt32(state.root.sealedByteCount), envelope: dealing.digest, veil: SHA256.hash(veil),
      capsule: SHA256.hash(self.capsule))
    record = Record(app: charter.digest, role: .uploader, fields: .epoch(fields), signedBy: key)
  }

  private init(_ other: EpochFixture, record: Record, fields: EpochFields) {
    self.record = record
    self.fields = fields
    envelope = other.envelope
    veil = other.veil
    capsule = other.capsule
    state = other.state
  }

  /// The same bodies and state under other fields, signed again.
  public func with(_ fields: EpochFields, signedBy key: borrowing SigningKey) -> EpochFixture {
    EpochFixture(
      self, record: Record(app: record.app, role: .uploader, fields: .epoch(fields), signedBy: key), fields: fields)
  }

  /// The leaf's bytes.
  public var leaf: [UInt8] { record.leaf }

  /// The bodies by their digests, as `check` takes them.
  public var bodies: [Digest: [UInt8]] {
    [fields.envelope: envelope, fields.veil: veil, fields.capsule: capsule]
  }

  /// A begin for this epoch.
  ///
  /// - Parameters:
  ///   - nonce: the archive's nonce.
  ///   - budgetByteCount: how many bytes may be sent.
  ///   - key: the uploader's key.
  public func begin(nonce: Digest, budgetByteCount: UInt64 = 1 << 30, signedBy key: borrowing SigningKey) -> Begin {
    Begin(
      app: record.app, epoch: fields.number, previous: fields.previous, generation: fields.generation,
      budgetByteCount: budgetByteCount, nonce: nonce, signedBy: key)
  }
}

extension EpochFields {
  /// These fields with some of them changed.
  public func changing(
    number: UInt64? = nil, previous: Digest? = nil, charter: Digest? = nil, generation: UInt64? = nil,
    stateVersion: UInt64? = nil, commitment: Digest?? = nil, root: Digest? = nil, rootByteCount: UInt32? = nil,
    envelope: Digest? = nil, veil: Digest? = nil, capsule: Digest? = nil
  ) -> EpochFields {
    EpochFields(
      number: number ?? self.number, previous: previous ?? self.previous, charter: charter ?? self.charter,
      generation: generation ?? self.generation, stateVersion: stateVersion ?? self.stateVersion,
      commitment: commitment ?? self.commitment, root: root ?? self.root,
      rootByteCount: rootByteCount ?? self.rootByteCount, envelope: envelope ?? self.envelope,
      veil: veil ?? self.veil, capsule: capsule ?? self.capsule)
  }
}

extension EpochFixture {
  /// Opens an epoch through the KMS door, from nothing but public bytes and the KMS's secret.
  ///
  /// - Parameters:
  ///   - fields: the epoch record's fields.
  ///   - bodies: envelope, veil and capsule by their digests.
  ///   - objects: the dump's objects.
  ///   - charter: the charter that it was sealed under.
  ///   - council: who has the KMS's secret.
  /// - Returns: the state.
  public static func open(
    _ fields: EpochFields, bodies: [Digest: [UInt8]], objects: [StoredObject], of charter: Charter, by council: Council
  ) throws(PosternError) -> [UInt8] {
    let kms = try council.kms()
    let veil = try Veil(
      parsing: bodies[fields.veil] ?? [], memberCount: charter.members.count, hasKMS: charter.kms != nil)
    let context = try charter.envelopeContext(
      app: charter.digest, epoch: fields.number, generation: fields.generation, veilCommit: veil.commit)
    let envelope = try Envelope(parsing: bodies[fields.envelope] ?? [], context: context).verify()
    let veilContext = VeilContext(
      app: charter.digest, generation: fields.generation, charterDigest: fields.charter)
    let veilSecret = try veil.open(.kms, with: kms.veilKey(), context: veilContext)
    let door = try envelope.openKMSDoor(with: kms.shardKey())
    let key32 = door.capsuleKey(veil: veilSecret, envelope: fields.envelope)
    let key = key32.withUnsafeBytes { key in SecretBytes(count: key.count) { $0.copyMemory(from: key) } }
    let root = Capsule.Root(id: fields.root, sealedByteCount: Int(fields.rootByteCount))
    let capsule = try Capsule(opening: bodies[fields.capsule] ?? [], root: root, under: key)
    return try SealedState.open(capsule.root, chunker: capsule.chunker, objects: objects)
  }
}
