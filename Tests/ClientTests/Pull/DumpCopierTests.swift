import Bulk
import Client
import Core
import Fixtures
import Merkle
import Packs
import Synchronization
import Testing
import Trust

@Suite struct DumpCopierTests {
  private static let app = SHA256.hash([7])

  /// Each node of a level names all nodes of the one below: walked path by path, eight levels would have no end.
  ///
  /// The ids are chosen, pair by pair, to agree in their first 18 bits.
  @Test func belowEachNodeIsLookedOnce() async throws {
    for checksHeld in [false, true] {
      let tree = KnottedTree(levels: 8)
      let root = try #require(tree.root)
      let source = try Given(tree.objects)
      let place = try TemporaryFolder()
      // Taken from the source at first, then found in the folder.
      for round in 0..<2 {
        let copy = try CopyFolder.open(at: place.path("copy"))
        let meter = PullMeter { _ in }
        var copier = DumpCopier(
          root: root.id, rootByteCount: root.byteCount, app: Self.app, generation: 1, from: source,
          to: FolderSource(place.path("copy")), through: CopyWriter(into: copy, app: Self.app, generation: 1),
          checksHeld: checksHeld, meter: meter)
        try await copier.run()
        try await copier.keep()
        // Of two chunks that share a slot by chance one may be asked for again while it comes.
        #expect((tree.objects.count...tree.objects.count + 64).contains(source.givenCount), "\(round)")
        let progress = meter.progress
        #expect((progress.fetchedObjectCount == 0) == (round == 1))
        #expect(progress.heldObjectCount < (round == 0 ? 64 * 64 : 64 * 64 + tree.objects.count))
        #expect(round == 0 || progress.heldObjectCount >= tree.objects.count)
      }
    }
  }

  /// A node that stands at two levels is told, however often it was looked at.
  @Test func aNodeStandsAtOneLevel() async throws {
    var generator = SeededGenerator(seed: 3)
    let chunk = generator.bytes(533)
    let low = KnottedTree.node(1, [chunk], &generator)
    let middle = KnottedTree.node(2, [low], &generator)
    let root = KnottedTree.node(3, [middle, low], &generator)
    let place = try TemporaryFolder()
    let copy = try CopyFolder.open(at: place.path("copy"))
    var copier = DumpCopier(
      root: SHA256.hash(root), rootByteCount: root.count, app: Self.app, generation: 1,
      from: try Given([chunk, low, middle, root]), to: FolderSource(place.path("copy")),
      through: CopyWriter(into: copy, app: Self.app, generation: 1), checksHeld: false, meter: PullMeter { _ in })
    do {
      try await copier.run()
      Issue.record("it was copied")
    } catch let error as PosternError {
      #expect(error.code == "dump.node-level")
    }
  }
}

/// A tree of which each level has 64 nodes, each with all 64 of the level below as children.
private struct KnottedTree {
  private(set) var objects: [[UInt8]] = []
  private(set) var root: (id: Digest, byteCount: Int)?

  init(levels: Int) {
    var generator = SeededGenerator(seed: 1)
    var children = (0..<64).map { _ in generator.bytes(533) }
    for level in 1...levels {
      objects += children
      children = level == levels ? [Self.node(level, children, &generator)] : Self.pairs(level, children, &generator)
    }
    objects += children
    root = children.first.map { (SHA256.hash($0), $0.count) }
  }

  /// A node whose sealed part is noise: who has no key cannot tell.
  static func node(_ level: Int, _ children: [[UInt8]], _ generator: inout SeededGenerator) -> [UInt8] {
    var node: [UInt8] = [1, UInt8(level), 0, UInt8(children.count)]
    for (id, child) in children.map({ (SHA256.hash($0), $0) }).sorted(by: { $0.0 < $1.0 }) {
      node += id.bytes
      node.append(bigEndian: UInt32(child.count))
    }
    return node + generator.bytes(children.count * 42 + 16)
  }

  /// Sixty-four nodes, two by two of the same first 18 bits.
  private static func pairs(
    _ level: Int, _ children: [[UInt8]], _ generator: inout SeededGenerator
  ) -> [[UInt8]] {
    var pairs: [[UInt8]] = []
    var bySlot: [UInt64: [UInt8]] = [:]
    var node = node(level, children, &generator)
    while pairs.count < 64 {
      node.replaceSubrange(node.count - 8..<node.count, with: generator.bytes(8))
      let slot = SHA256.hash(node).prefix >> 46
      if let other = bySlot.removeValue(forKey: slot) { pairs += [other, node] } else { bySlot[slot] = node }
    }
    return pairs
  }
}

/// Objects in memory; it gives up on who asks for twice as many as there are.
private final class Given: Source {
  private let objects: [Digest: [UInt8]]
  private let given = Mutex(0)

  init(_ objects: [[UInt8]]) throws {
    self.objects = Dictionary(uniqueKeysWithValues: objects.map { (SHA256.hash($0), $0) })
  }

  /// How many objects were given.
  var givenCount: Int { given.withLock { $0 } }

  func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws {
    given.withLock { $0 += query.ids.count }
    guard givenCount <= 2 * objects.count else { throw PosternError("test.too-many", "It never ends.", advice: "") }
    try await receive(query.ids.compactMap { id in objects[id].map { SourceObject(id: id, bytes: $0[...]) } })
  }

  func checkpoint() async throws -> [UInt8] { [] }
  func tile(_ coordinate: TileCoordinate) async throws -> [UInt8] { [] }
  func entries(_ coordinate: BundleCoordinate) async throws -> [UInt8] { [] }
  func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] { [] }
}
