import Bulk
public import Core
public import Dump
public import Envelope
public import Merkle
public import Sodium

/// The signed statement of an application: who it is, who may open its dumps, push them and ask for them.
///
/// Its bytes (`Schema/charter.md`) are a body of the log; their SHA-256 is the **charter digest**, and the
/// digest of an application's first charter is its **app id**.
public struct Charter: Hashable, Sendable {
  /// Thirty-two random bytes in the genesis charter, so that no two applications share an id.
  public var nonce: Digest
  /// What people call the application; 1 to ``Limits/nameByteCount`` bytes.
  public var name: String
  /// The council, in charter order; 1 to ``Limits/members``.
  public var members: [Member]
  /// Who opens the council door: a tree over the members' shard keys.
  ///
  /// Absent where there is no such door.
  public var recovery: Policy?
  /// Who decides on the charter itself: a tree over the members' shard keys.
  public var governance: Policy
  /// The KMS door, where there is one.
  public var kms: KMSDoor?
  /// Who may push; 1 to ``Limits/nodes``.
  public var uploaders: [Node]
  /// Who may ask the council to open an epoch; at most ``Limits/nodes``.
  public var requesters: [Node]
  /// The verifier key of the one log that admits this application's epochs.
  public var home: NoteVerifier
  /// How states are cut into chunks.
  public var chunker: ChunkerParameters
  /// How many of the newest epochs the archive has to keep; 0 is all.
  public var retentionEpochs: UInt64

  /// A charter from its parts, unchecked: see ``validate()``.
  public init(
    nonce: Digest, name: String, members: [Member], recovery: Policy?, governance: Policy, kms: KMSDoor?,
    uploaders: [Node], requesters: [Node], home: NoteVerifier, chunker: ChunkerParameters, retentionEpochs: UInt64
  ) {
    self.nonce = nonce
    self.name = name
    self.members = members
    self.recovery = recovery
    self.governance = governance
    self.kms = kms
    self.uploaders = uploaders
    self.requesters = requesters
    self.home = home
    self.chunker = chunker
    self.retentionEpochs = retentionEpochs
  }

  /// How much of everything a charter may hold.
  public enum Limits {
    /// Members of a council.
    public static let members = 1_024
    /// Uploaders, and as many requesters.
    public static let nodes = 256
    /// Bytes of a name.
    public static let nameByteCount = 64
    /// Bytes of the path that the KMS derives its key under.
    public static let pathByteCount = 255
    /// Bytes of a log's verifier key.
    public static let verifierKeyByteCount = 512
    /// Bytes of a whole charter body.
    public static let byteCount = 2 << 20
  }

  /// A council member's public half.
  public struct Member: Hashable, Sendable {
    /// What people call the member; no two of a charter share a name.
    public let name: String
    /// The key that signs charters, motions and ballots.
    public let signing: VerificationKey
    /// The key that its shares are dealt to.
    public let shard: ShardPublicKey
    /// The key that its copy of the veil is sealed to.
    public let veil: VeilPublicKey
    /// Proof that the member holds its shard key, made for this name, signing key and veil key.
    public let possession: PossessionProof

    /// A member from its parts, unchecked.
    public init(
      name: String, signing: VerificationKey, shard: ShardPublicKey, veil: VeilPublicKey,
      possession: PossessionProof
    ) {
      self.name = name
      self.signing = signing
      self.shard = shard
      self.veil = veil
      self.possession = possession
    }

    /// A member as its public line says.
    public init(_ identity: MemberIdentity) {
      self.init(
        name: identity.name, signing: identity.signingKey, shard: identity.shardKey, veil: identity.veilKey,
        possession: identity.possession)
    }

    /// The member as its public line says.
    public var identity: MemberIdentity {
      MemberIdentity(name: name, signingKey: signing, shardKey: shard, veilKey: veil, possession: possession)
    }
  }

  /// The KMS's public half, and where a node gets the key.
  public struct KMSDoor: Hashable, Sendable {
    /// The path that the KMS derives the key under; it serves nothing else.
    public let path: String
    /// The key that opens the door.
    public let shard: ShardPublicKey
    /// The key that its copy of the veil is sealed to.
    public let veil: VeilPublicKey
    /// Proof that whoever made the door holds its shard key.
    public let possession: PossessionProof

    /// A door from its parts, unchecked.
    public init(path: String, shard: ShardPublicKey, veil: VeilPublicKey, possession: PossessionProof) {
      self.path = path
      self.shard = shard
      self.veil = veil
      self.possession = possession
    }

    /// A door as the KMS's public line says.
    public init(path: String, _ identity: KMSIdentity) {
      self.init(path: path, shard: identity.shardKey, veil: identity.veilKey, possession: identity.possession)
    }

    /// The door as the KMS's public line says.
    public var identity: KMSIdentity {
      KMSIdentity(shardKey: shard, veilKey: veil, possession: possession)
    }
  }

  /// A node that signs: an uploader or a requester.
  public struct Node: Hashable, Sendable {
    /// What people call the node; no two of a list share a name.
    public let name: String
    /// The key that it signs with.
    public let key: VerificationKey

    /// A node from its parts.
    public init(name: String, key: VerificationKey) {
      self.name = name
      self.key = key
    }
  }
}

extension Charter {
  /// The charter digest; of a genesis charter it is the app id.
  public var digest: Digest { SHA256.hash(body) }

  /// Digest of the recovery policy's encoding: what `list --policy` finds epochs by.
  public var policyDigest: Digest { SHA256.hash(Policy.encode(recovery)) }

  /// A member's number, from 0 in charter order.
  public func memberNumber(signing key: VerificationKey) -> Int? {
    members.firstIndex { $0.signing == key }
  }

  /// What an epoch's envelope is bound to under this charter.
  ///
  /// - Parameters:
  ///   - app: the app id.
  ///   - epoch: the epoch's number.
  ///   - generation: the epoch's generation.
  ///   - veilCommit: the commitment of that generation's veil.
  /// - Throws: `envelope.no-door`, which ``validate()`` refuses before.
  public func envelopeContext(
    app: Digest, epoch: UInt64, generation: UInt64, veilCommit: Digest
  ) throws(PosternError) -> EnvelopeContext {
    try EnvelopeContext(
      app: app, epoch: epoch, charterDigest: digest, policy: recovery, kms: kms?.shard, generation: generation,
      veilCommit: veilCommit)
  }

  /// Members whose loss alone would freeze the application, in charter order.
  ///
  /// Without them the governance gate cannot be met or, where there is no KMS door, no dump be opened.
  public var indispensableMembers: [Member] {
    members.filter { lost in
      let others = Set(members.lazy.map(\.shard).filter { $0 != lost.shard })
      let opens = kms != nil || (recovery?.isSatisfied(by: others) ?? false)
      return !opens || !governance.isSatisfied(by: others)
    }
  }
}
