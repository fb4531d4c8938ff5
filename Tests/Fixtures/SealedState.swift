import Bulk
public import Core
public import Dump
public import Envelope
public import Records
import Sodium

/// A generation's secrets and its veil.
public struct GenerationFixture: Sendable {
  /// The generation's number.
  public let number: UInt64
  /// The veil, sealed to every holder of the charter.
  public let veil: Veil
  private let secretBytes: [UInt8]
  private let veilSecretBytes: [UInt8]

  /// A generation that opens under a charter.
  ///
  /// - Parameters:
  ///   - number: its number.
  ///   - charter: the charter that it opens under, a genesis charter.
  ///   - seed: tells secrets apart.
  public init(_ number: UInt64, under charter: Charter, seed: UInt64 = 1) throws(PosternError) {
    self.number = number
    secretBytes = Council.bytes("generation", Int(number), seed)
    veilSecretBytes = Council.bytes("veil", Int(number), seed)
    var bytes = veilSecretBytes
    veil = Veil(
      sealing: try VeilSecret(consuming: &bytes),
      context: VeilContext(app: charter.digest, generation: number, charterDigest: charter.digest),
      members: charter.members.map(\.veil), kms: charter.kms?.veil)
  }

  private init(_ other: GenerationFixture, number: UInt64) {
    self.number = number
    veil = other.veil
    secretBytes = other.secretBytes
    veilSecretBytes = other.veilSecretBytes
  }

  /// The same secrets and veil under another number, as no honest uploader would have them.
  public func claiming(_ number: UInt64) -> GenerationFixture { GenerationFixture(self, number: number) }

  /// The secret that chunks' and nodes' keys come from.
  public func secret() throws(PosternError) -> GenerationSecret {
    var bytes = secretBytes
    return try GenerationSecret(SecretBytes(consuming: &bytes))
  }

  /// The veil's secret.
  public func veilSecret() throws(PosternError) -> VeilSecret {
    var bytes = veilSecretBytes
    return try VeilSecret(consuming: &bytes)
  }
}

/// An object as it is stored and sent.
public struct StoredObject: Hashable, Sendable {
  /// SHA-256 of the bytes.
  public let id: Digest
  /// 1 for a chunk, 2 for a node.
  public let kind: UInt8
  /// The sealed bytes.
  public let bytes: [UInt8]

  /// An object of these bytes.
  public init(kind: UInt8, bytes: [UInt8]) {
    self.init(id: SHA256.hash(bytes), kind: kind, bytes: bytes)
  }

  /// An object that claims an id.
  public init(id: Digest, kind: UInt8, bytes: [UInt8]) {
    self.id = id
    self.kind = kind
    self.bytes = bytes
  }
}

/// A state as a dump: its chunks and nodes, each once.
public struct SealedState: Sendable {
  /// Chunks in the state's order, then nodes, children before their parents.
  public let objects: [StoredObject]
  /// The root.
  public let root: ObjectReference
  /// How the state was cut.
  public let chunker: ChunkerParameters

  /// Seals a state.
  public init(
    _ state: [UInt8], in generation: GenerationFixture, chunker: ChunkerParameters = .fixed(.kib4)
  ) throws(PosternError) {
    var cutter = Chunker(chunker, secret: try generation.secret())
    var cuts: [Range<Int>] = []
    var sealer = ChunkSealer(secret: try generation.secret(), chunker: chunker)
    let batch = state.withUnsafeBytes { state in
      _ = cutter.cut(state, isEnd: true, into: &cuts)
      return sealer.seal(cuts, of: state)
    }
    var builder = TreeBuilder(secret: try generation.secret())
    var nodes: [SealedNode] = []
    for chunk in batch.chunks { try builder.append(chunk.reference, completed: &nodes) }
    root = try builder.finish(completed: &nodes)
    var seen: Set<Digest> = []
    let chunks = batch.chunks.map { chunk in
      StoredObject(id: chunk.reference.id, kind: 1, bytes: Array(batch.bytes[chunk.range]))
    }
    objects = (chunks + nodes.map { StoredObject(id: $0.reference.id, kind: 2, bytes: $0.bytes) })
      .filter { seen.insert($0.id).inserted }
    self.chunker = chunker
  }

  /// The state, opened again from its objects.
  public func open() throws(PosternError) -> [UInt8] {
    try SealedState.open(root, chunker: chunker, objects: objects)
  }

  /// Opens a state from its root and its objects.
  ///
  /// - Throws: `dump.*` when they are not what the root's tree says.
  public static func open(
    _ root: ObjectReference, chunker: ChunkerParameters, objects: [StoredObject]
  ) throws(PosternError) -> [UInt8] {
    let bytes = Dictionary(objects.map { ($0.id, $0.bytes) }, uniquingKeysWith: { first, _ in first })
    var walk = TreeWalk(root: root, chunker: chunker)
    var opener = ChunkOpener(chunker: chunker)
    var state = [UInt8](repeating: 0, count: root.plainByteCount)
    while !walk.isFinished {
      for request in walk.nextRequests(limit: 64) { try walk.supply(bytes[request.id] ?? [], id: request.id) }
      for chunk in walk.nextChunks(limit: 1_000) {
        let reference = chunk.reference
        let outcome = state.withUnsafeMutableBytes { state in
          (bytes[reference.id] ?? []).withUnsafeBytes { object in
            Result { () throws(PosternError) in
              let memory = UnsafeMutableRawBufferPointer(rebasing: state[chunk.plainRange])
              try opener.open(object, reference, into: memory)
            }
          }
        }
        try outcome.get()
      }
    }
    return state
  }
}
