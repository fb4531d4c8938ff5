import Archive
import Bulk
import Core
import Dump
import Fixtures
import Testing

/// The walk that says whether a dump is complete, against a model that looks at everything.
@Suite struct HoldingTests {
  /// A tree of nodes with real public parts, and what the archive has of it.
  private struct Forest {
    /// Every node's bytes and level, and its children; chunks are lengths alone.
    var nodes: [Digest: (bytes: [UInt8], level: Int, children: [Digest])] = [:]
    var held: [Digest: HeldObject] = [:]
    private var nextPlace: UInt64 = 4

    /// A place that no other object has: many a page, in a few packs.
    private mutating func place() -> ObjectPlace {
      nextPlace += 1
      return ObjectPlace(pack: nextPlace % 3, offset: nextPlace * 20)
    }

    mutating func addChunk(_ generator: inout SeededGenerator) -> (id: Digest, byteCount: Int) {
      let id = generator.digest()
      let byteCount = 533 + 512 * Int.random(in: 0..<8, using: &generator)
      held[id] = HeldObject(
        kind: .chunk, byteCount: byteCount, newPlace: Bool.random(using: &generator) ? place() : nil)
      return (id, byteCount)
    }

    mutating func addNode(
      _ children: [(id: Digest, byteCount: Int)], level: Int, _ generator: inout SeededGenerator
    ) -> (id: Digest, byteCount: Int) {
      var seen: Set<Digest> = []
      let distinct = children.filter { seen.insert($0.id).inserted }.sorted { $0.id < $1.id }
      var bytes: [UInt8] = [1, UInt8(level)]
      bytes.append(bigEndian: UInt16(distinct.count))
      for child in distinct {
        bytes.append(child.id)
        bytes.append(bigEndian: UInt32(child.byteCount))
      }
      bytes += generator.bytes(42 * children.count + 16)
      let id = SHA256.hash(bytes)
      nodes[id] = (bytes, level, distinct.map(\.id))
      held[id] = HeldObject(kind: .node, byteCount: bytes.count, newPlace: place())
      return (id, bytes.count)
    }

    /// A random tree of so many levels.
    mutating func grow(level: Int, _ generator: inout SeededGenerator) -> (id: Digest, byteCount: Int) {
      let count = Int.random(in: 1...6, using: &generator)
      var children: [(id: Digest, byteCount: Int)] = []
      for _ in 0..<count {
        if let twice = children.last, Int.random(in: 0..<8, using: &generator) == 0 {
          children.append(twice)
        } else {
          children.append(level == 1 ? addChunk(&generator) : grow(level: level - 1, &generator))
        }
      }
      return addNode(children, level: level, &generator)
    }

    /// Everything below a node and the node itself.
    func below(_ id: Digest) -> Set<Digest> {
      guard let node = nodes[id] else { return [id] }
      return node.children.reduce(into: [id]) { $0.formUnion(below($1)) }
    }

    /// Says that a node was admitted before, and with it all that is below it.
    mutating func admit(_ id: Digest) {
      for id in below(id) {
        held[id] = held[id].map {
          HeldObject(kind: $0.kind, byteCount: $0.byteCount, newPlace: nil, level: nodes[id]?.level)
        }
      }
    }

    /// The new nodes that a walk has to look at: those with no admitted node above them.
    func newNodes(from id: Digest) -> Set<Digest> {
      guard let node = nodes[id], held[id]?.newPlace != nil else { return [] }
      return node.children.reduce(into: [id]) { $0.formUnion(newNodes(from: $1)) }
    }

    /// The new objects that a tree reaches, with no admitted node above them.
    func newObjects(from id: Digest) -> Set<Digest> {
      newNodes(from: id).reduce(into: []) { new, node in
        new.insert(node)
        for child in nodes[node]?.children ?? [] where held[child]?.newPlace != nil { new.insert(child) }
      }
    }

    /// Which of all new objects are among the reached.
    func all(_ reached: ReachedObjects) -> Set<Digest> {
      Set(held.filter { $0.value.newPlace.map { reached.contains($0) } ?? false }.keys)
    }

    /// The outcome of the real walk, with what it read.
    func verify(
      _ root: (id: Digest, byteCount: Int)
    ) -> (reached: Result<ReachedObjects, PosternError>, read: [Digest], questionCount: Int) {
      var read: [Digest] = []
      var questionCount = 0
      let reached = Result { () throws(PosternError) in
        try verifyHolding(
          root: root.id, rootByteCount: root.byteCount,
          locate: { (ids) throws(PosternError) in
            #expect(ids.count <= ProtocolLimits.missingIdCount)
            questionCount += 1
            return ids.map { held[$0] }
          },
          read: { (group) throws(PosternError) in
            #expect(group.reduce(0) { $0 + $1.byteCount } <= 3_000_000)
            read += group.map(\.id)
            #expect(group.allSatisfy { held[$0.id]?.newPlace == $0.place })
            return group.map { nodes[$0.id]?.bytes ?? [] }
          },
          isSound: { (_) throws(PosternError) in true })
      }
      return (reached, read, questionCount)
    }
  }

  private func code(_ result: Result<ReachedObjects, PosternError>) -> PosternError.Code? {
    if case .failure(let error) = result { error.code } else { nil }
  }

  @Test func completeTreesPassAndOnlyNewNodesAreRead() throws {
    var generator = SeededGenerator.printing()
    for _ in 0..<60 {
      var forest = Forest()
      let root = forest.grow(level: Int.random(in: 1...5, using: &generator), &generator)
      for _ in 0..<Int.random(in: 0...4, using: &generator) {
        if let id = forest.nodes.keys.sorted().randomElement(using: &generator) { forest.admit(id) }
      }
      let (reached, read, _) = forest.verify(root)
      let expected = forest.newNodes(from: root.id)
      let new = forest.newObjects(from: root.id)
      #expect(try forest.all(reached.get()) == new)
      #expect(try (0..<3).reduce(0) { $0 + (try reached.get().count(inPack: $1)) } == new.count)
      #expect(Set(read) == expected && read.count == expected.count)
    }
  }

  @Test func whatIsMissingIsFoundUnlessAnAdmittedNodeVouchesForIt() throws {
    var generator = SeededGenerator.printing()
    for _ in 0..<60 {
      var forest = Forest()
      let root = forest.grow(level: Int.random(in: 1...4, using: &generator), &generator)
      for _ in 0..<Int.random(in: 0...3, using: &generator) {
        if let id = forest.nodes.keys.sorted().randomElement(using: &generator) { forest.admit(id) }
      }
      let all = forest.below(root.id).sorted()
      let gone = try #require(all.randomElement(using: &generator))
      let looked = forest.newNodes(from: root.id)
      let isAsked = gone == root.id || looked.contains { forest.nodes[$0]?.children.contains(gone) == true }
      forest.held[gone] = nil
      let (reached, _, _) = forest.verify(root)
      #expect(code(reached) == (isAsked ? .pushIncomplete : nil))
    }
  }

  @Test func anotherKindLengthOrLevelIsRefused() throws {
    var generator = SeededGenerator.printing()
    for _ in 0..<40 {
      var forest = Forest()
      let root = forest.grow(level: Int.random(in: 1...4, using: &generator), &generator)
      let victim = try #require(forest.below(root.id).sorted().randomElement(using: &generator))
      let good = try #require(forest.held[victim])
      for wrong in [
        HeldObject(kind: good.kind == .chunk ? .node : .chunk, byteCount: good.byteCount, newPlace: good.newPlace),
        HeldObject(kind: .body, byteCount: good.byteCount, newPlace: good.newPlace, level: good.level),
        HeldObject(kind: good.kind, byteCount: good.byteCount + 1, newPlace: good.newPlace, level: good.level),
      ] {
        forest.held[victim] = wrong
        #expect(code(forest.verify(root).reached) == .pushTree)
      }
      forest.held[victim] = good
      #expect(try forest.all(forest.verify(root).reached.get()) == forest.newObjects(from: root.id))
    }
    // A node of level 1 below one of level 3.
    var forest = Forest()
    let chunks = (0..<20).map { _ in forest.addChunk(&generator) }
    let low = forest.addNode(chunks, level: 1, &generator)
    let high = forest.grow(level: 2, &generator)
    // The last is a node of nodes that says it is one of chunks.
    for (children, level) in [([low, high], 3), ([low], 3), ([low], 1)] {
      let root = forest.addNode(children, level: level, &generator)
      #expect(code(forest.verify(root).reached) == .pushTree)
    }
  }

  @Test func noNodeIsTooWideForOneQuestion() throws {
    var generator = SeededGenerator(seed: 3)
    var forest = Forest()
    var nodes: [(id: Digest, byteCount: Int)] = []
    for _ in 0..<8 {
      var low: [(id: Digest, byteCount: Int)] = []
      for _ in 0..<64 {
        let chunks = (0..<64).map { _ in forest.addChunk(&generator) }
        low.append(forest.addNode(chunks, level: 1, &generator))
      }
      nodes.append(forest.addNode(low, level: 2, &generator))
    }
    let root = forest.addNode(nodes, level: 3, &generator)
    let (reached, _, _) = forest.verify(root)
    #expect(try forest.all(reached.get()) == forest.newObjects(from: root.id))
  }

  /// Nodes of few children go together, until what they name is a question of full size.
  @Test func narrowNodesShareAQuestion() throws {
    var generator = SeededGenerator(seed: 5)
    var forest = Forest()
    var nodes: [(id: Digest, byteCount: Int)] = []
    for _ in 0..<64 {
      let low = (0..<60).map { _ in
        forest.addNode((0..<5).map { _ in forest.addChunk(&generator) }, level: 1, &generator)
      }
      nodes.append(forest.addNode(low, level: 2, &generator))
    }
    let root = forest.addNode(nodes, level: 3, &generator)
    let (reached, read, questionCount) = forest.verify(root)
    #expect(try forest.all(reached.get()) == forest.newObjects(from: root.id))
    #expect(read.count == 1 + 64 + 64 * 60)
    // The root, what it names, what those 64 name, and 19,200 chunks.
    #expect(questionCount == 5)
  }

  /// An admitted node is not walked again, but has to stand where the new node above it says.
  @Test func anAdmittedNodeStandsAtItsLevel() throws {
    var generator = SeededGenerator.printing()
    for level in 2...6 {
      var forest = Forest()
      let below = forest.grow(level: level - 1, &generator)
      forest.admit(below.id)
      let good = forest.addNode([below], level: level, &generator)
      #expect(code(forest.verify(good).reached) == nil)
      for wrong in [level - 1, level + 1, 24] where wrong > 1 && wrong != level {
        let root = forest.addNode([below], level: wrong, &generator)
        #expect(code(forest.verify(root).reached) == .pushTree)
      }
    }
  }

  /// What the archive's disk has changed is told as that, and not as the uploader's fault.
  @Test func rottenObjectsAreTold() throws {
    var generator = SeededGenerator.printing()
    var forest = Forest()
    let old = forest.addNode([forest.addChunk(&generator)], level: 1, &generator)
    let root = forest.addNode(
      [old, forest.addNode([forest.addChunk(&generator)], level: 1, &generator)], level: 2, &generator)
    for id in forest.below(old.id) { #expect(forest.held[id] != nil) }
    forest.admit(old.id)
    func verify(_ forest: Forest, isSound: Bool) -> PosternError.Code? {
      code(
        Result { () throws(PosternError) in
          try verifyHolding(
            root: root.id, rootByteCount: root.byteCount,
            locate: { (ids) throws(PosternError) in ids.map { forest.held[$0] } },
            read: { (group) throws(PosternError) in group.map { forest.nodes[$0.id]?.bytes ?? [] } },
            isSound: { (id) throws(PosternError) in
              #expect(id == old.id)
              return isSound
            })
        })
    }
    #expect(verify(forest, isSound: false) == nil)
    // An older node that is at another level, of another kind, or of another length than a new one says.
    for change in [
      HeldObject(kind: .node, byteCount: old.byteCount, newPlace: nil, level: 2),
      HeldObject(kind: .chunk, byteCount: old.byteCount, newPlace: nil),
      HeldObject(kind: .node, byteCount: old.byteCount + 1, newPlace: nil, level: 1),
    ] {
      var changed = forest
      changed.held[old.id] = change
      #expect(verify(changed, isSound: true) == .pushTree)
      #expect(verify(changed, isSound: false) == .pushRotten)
    }
    // A new node with a bit that changed since it came, wherever that is.
    let node = try #require(forest.nodes[root.id])
    for place in [1, 20, node.bytes.count - 1] {
      var changed = forest
      var bytes = node.bytes
      bytes[place] ^= 1
      changed.nodes[root.id] = (bytes, node.level, node.children)
      #expect(verify(changed, isSound: true) == .pushRotten)
    }
  }
}
