import Bulk
import Core
import Dump
import Testing

@Suite struct TreeBuilderTests {
  private struct File: Decodable {
    let generation_secret: HexBytes
    let trees: [Tree]
  }

  private struct Tree: Decodable {
    let name: String
    let children: [Int]
    let last_plain_length: Int
    let nodes: [Node]
    let root: HexBytes
    let root_key: HexBytes
    let root_length: Int
    let state_length: Int
  }

  private struct Node: Decodable {
    let level: Int
    let id: HexBytes
    let key: HexBytes
    let object: HexBytes?
  }

  /// The made-up children of the vectors, as their document describes them.
  private func child(_ number: Int, plainByteCount: Int) throws -> ObjectReference {
    func hash(_ text: String) -> Digest {
      var bytes = Array(text.utf8)
      bytes.append(bigEndian: UInt32(number))
      return SHA256.hash(bytes)
    }
    return ObjectReference(
      id: hash("child"), key: try #require(ObjectKey(hash("key").bytes)), sealedByteCount: 533 + 512 * (number % 8),
      plainByteCount: plainByteCount)
  }

  /// The frozen form of nodes and of where they are cut, made by another implementation.
  @Test func everyTreeComesOutAsFrozen() throws {
    let file: File = try vectors("dump-trees.json")
    let secret = try file.generation_secret.secret()
    for tree in file.trees {
      let children = try tree.children.enumerated().map { place, number in
        let isLast = place == tree.children.count - 1
        return try child(number, plainByteCount: isLast ? tree.last_plain_length : 4_096)
      }
      let (nodes, root) = try build(children, under: secret)
      #expect(nodes.count == tree.nodes.count, "\(tree.name)")
      for level in 1...DumpLimits.nodeLevel {
        let (made, frozen) = (nodes.filter { $0.level == level }, tree.nodes.filter { $0.level == level })
        #expect(made.map(\.reference.id.bytes) == frozen.map(\.id.bytes), "\(tree.name)")
        #expect(made.map { bytes(of: $0.reference.key) } == frozen.map(\.key.bytes), "\(tree.name)")
        for (made, frozen) in zip(made, frozen) where frozen.object != nil {
          #expect(made.bytes == frozen.object?.bytes, "\(tree.name)")
        }
      }
      #expect(root.id.bytes == tree.root.bytes && bytes(of: root.key) == tree.root_key.bytes, "\(tree.name)")
      #expect(root.sealedByteCount == tree.root_length && root.plainByteCount == tree.state_length, "\(tree.name)")
    }
  }

  @Test func treesOfEveryShapeWalkBackToTheirChunks() throws {
    var random = SeededGenerator.printing()
    let sizes = Array(0...70) + [255, 256, 257, 1_000, 5_000]
    for count in sizes {
      var chunks = try (0..<count).map { try madeUpChunk($0 + Int(random.next() % 3) * 100_000) }
      if count > 0 { chunks[count - 1] = try madeUpChunk(7, plainByteCount: 1 + Int(random.next() % 4_096)) }
      let (nodes, root) = try build(chunks, under: secret())
      #expect(root.plainByteCount == chunks.reduce(0) { $0 + $1.plainByteCount })
      let placed = try walk(root, byID(nodes))
      #expect(placed.map(\.reference.id) == chunks.map(\.id))
      #expect(placed.map(\.plainOffset) == starts(chunks.map(\.plainByteCount)))
      // Children before parents, one root, nothing above it.
      #expect(nodes.filter { $0.reference.id == root.id }.count == 1)
      #expect(nodes.map(\.level).max() == nodes.first { $0.reference.id == root.id }?.level)
      for level in 1...DumpLimits.nodeLevel where nodes.contains(where: { $0.level == level }) {
        let counts = try nodes.filter { $0.level == level }.map { try NodePublicPart(parsing: $0.bytes).children.count }
        #expect(counts.allSatisfy { $0 <= 64 })
      }
    }
  }

  /// Where each node of level 1 ends as early as it may, a tree is near its bounds and not beyond them.
  @Test func noTreeIsBeyondItsBounds() throws {
    let key = try #require(ObjectKey([UInt8](repeating: 0, count: ObjectKey.byteCount)))
    for count in Array(0...70) + [1_000, 4_000] {
      let chunks = try (0..<count).map { number in
        let chunk = try madeUpChunk(number)
        return ObjectReference(
          id: chunk.id, key: key, sealedByteCount: chunk.sealedByteCount, plainByteCount: chunk.plainByteCount)
      }
      let (nodes, _) = try build(chunks, under: secret())
      let byteCount = nodes.reduce(0) { $0 + $1.bytes.count }
      #expect(nodes.count <= TreeBuilder.nodeCountLimit(chunkCount: count), "\(count) chunks")
      let limit = TreeBuilder.sealedByteCountLimit(chunkCount: count)
      #expect(byteCount <= limit, "\(count) chunks")
      if count == 4_000 { #expect(limit < byteCount / 10 * 11) }
    }
  }

  @Test func nodesAreOfSixteenOnAverage() throws {
    let chunks = try (0..<40_000).map { try madeUpChunk($0) }
    let (nodes, _) = try build(chunks, under: secret())
    let counts = try nodes.filter { $0.level == 1 }.map { try NodePublicPart(parsing: $0.bytes).children.count }
    let average = Double(chunks.count) / Double(counts.count)
    #expect((15.0...17.0).contains(average))
    #expect(counts.dropLast().allSatisfy { (4...64).contains($0) })
  }

  /// How many nodes of one tree another lacks.
  private func added(_ chunks: [ObjectReference], to base: Set<Digest>) throws -> Int {
    let (nodes, _) = try build(chunks, under: secret())
    return Set(nodes.map(\.reference.id)).subtracting(base).count
  }

  @Test func aChangeCostsItsPathToTheRoot() throws {
    var random = SeededGenerator.printing()
    let chunks = try (0..<20_000).map { try madeUpChunk($0) }
    let (nodes, _) = try build(chunks, under: secret())
    let base = Set(nodes.map(\.reference.id))
    let levels = nodes.map(\.level).max() ?? 0
    #expect((3...6).contains(levels))
    #expect(try added(chunks, to: base) == 0)
    var (worst, total) = (0, 0)
    for round in 0..<30 {
      let place = Int.random(in: 0..<chunks.count, using: &random)
      var changed = chunks
      switch round % 3 {
      case 0: changed[place] = try madeUpChunk(1_000_000 + round)
      case 1: changed.insert(try madeUpChunk(1_000_000 + round), at: place)
      default: changed.remove(at: place)
      }
      let count = try added(changed, to: base)
      worst = max(worst, count)
      total += count
    }
    // A cut can move at each level, and then the next few nodes with it.
    #expect(total <= 30 * levels * 3)
    #expect(worst <= levels * 12)
  }

  @Test func anEqualRunInTheMiddleIsShared() throws {
    let run = try (0..<5_000).map { try madeUpChunk($0) }
    let (nodes, _) = try build(run, under: secret())
    let others = try (0..<777).map { try madeUpChunk(2_000_000 + $0) }
    let count = try added(others + run + others.reversed(), to: Set(nodes.map(\.reference.id)))
    #expect(count <= 2 * 777 / 12 + 40)
  }

  /// All zeros: every chunk is the same, and so are nearly all nodes.
  @Test func aStateOfEqualChunksIsAHandfulOfObjects() throws {
    for number in [1, 2, 3, 50] {
      let chunks = [ObjectReference](repeating: try madeUpChunk(number), count: 30_000)
      let (nodes, root) = try build(chunks, under: secret())
      #expect(Set(nodes.map(\.reference.id)).count <= 2 * DumpLimits.nodeLevel)
      let placed = try walk(root, byID(nodes))
      #expect(placed.count == chunks.count)
      #expect(placed.last?.plainRange.upperBound == root.plainByteCount)
    }
  }

  @Test func anEmptyStateIsANodeWithoutChildren() throws {
    let (nodes, root) = try build([], under: secret())
    #expect(nodes.count == 1)
    #expect(root.plainByteCount == 0)
    #expect(root.sealedByteCount == DumpLimits.nodeByteCountMinimum)
    #expect(try NodePublicPart(parsing: nodes[0].bytes).children.isEmpty)
    #expect(try walk(root, byID(nodes)).isEmpty)
  }

  @Test func refusesReferencesThatNoChunkHas() throws {
    let good = try madeUpChunk(1)
    func refusal(sealed: Int, plain: Int) -> PosternError.Code? {
      code {
        let chunk = ObjectReference(id: good.id, key: good.key, sealedByteCount: sealed, plainByteCount: plain)
        _ = try build([chunk], under: secret())
      }
    }
    #expect(refusal(sealed: 533, plain: 1) == nil)
    #expect(refusal(sealed: 65_557, plain: 65_536) == nil)
    for (sealed, plain) in [(532, 1), (65_558, 1), (533, 0), (533, -1), (533, 65_537)] {
      #expect(refusal(sealed: sealed, plain: plain) == .dumpChildLength)
    }
  }
}
