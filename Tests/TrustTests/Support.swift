import Bulk
import Core
import Merkle
import Sodium
import Trust

func key(_ byte: UInt8) -> SigningKey {
  SigningKey(seed: SecretBytes(count: SigningKey.seedByteCount) { $0.copyBytes(from: repeatElement(byte, count: 32)) })
}

func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }

/// The code of what `body` throws; nil where it throws nothing, or something else.
func code(_ body: () async throws -> Void) async -> PosternError.Code? {
  do {
    try await body()
    return nil
  } catch {
    return (error as? PosternError)?.code
  }
}

/// A log in memory, with its key.
struct MemoryLog: Sendable {
  let leaves: [[UInt8]]
  let tiles: [TileCoordinate: [UInt8]]
  let note: SignedNote
  let verifier: NoteVerifier
  let root: Digest

  init(leafCount: Int) throws {
    leaves = (0..<leafCount).map { ascii("leaf \($0)") }
    var tree = Tree()
    let growth = tree.append(leaves.map(TreeHash.leaf))
    tiles = Dictionary(uniqueKeysWithValues: growth.tiles.map { ($0.coordinate, $0.bytes) })
    root = growth.root
    let signer = try NoteSigner(name: "example.com/log", key: key(1))
    verifier = signer.verifier
    note = try Checkpoint(origin: "example.com/log", size: growth.size, root: growth.root).signed(by: signer)
  }

  func read(_ tile: TileCoordinate) throws -> [UInt8] {
    guard let bytes = tiles[tile] else { throw absent() }
    return bytes
  }

  func proven(_ index: Int) throws -> ProvenLeaf {
    try ProvenLeaf(index: UInt64(index), leaf: leaves[index], treeSize: UInt64(leaves.count), reading: read)
  }
}

/// An archive in memory.
struct MemorySource: Source {
  let log: MemoryLog
  var bodies: [Digest: [UInt8]] = [:]
  var stored: [Digest: [UInt8]] = [:]

  func checkpoint() async throws -> [UInt8] { log.note.bytes }

  func tile(_ coordinate: TileCoordinate) async throws -> [UInt8] { try log.read(coordinate) }

  func entries(_ coordinate: BundleCoordinate) async throws -> [UInt8] {
    let start = Int(coordinate.index) * 256
    return try EntryBundle(Array(log.leaves[start..<start + coordinate.width])).bytes
  }

  func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] {
    guard let body = bodies[digest] else { throw absent() }
    return body
  }

  func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws {
    let found = query.ids.compactMap { id in stored[id].map { SourceObject(id: id, bytes: $0[...]) } }
    for start in stride(from: 0, to: found.count, by: 3) {
      try await receive(Array(found[start..<min(start + 3, found.count)]))
    }
  }
}

func absent() -> PosternError {
  PosternError(.sourceAbsent, "It is not here.", advice: "Look elsewhere.")
}
