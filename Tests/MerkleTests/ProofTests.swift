import Core
import Merkle
import Testing

@Suite struct ProofTests {
  private static func log(_ size: Int) -> (NaiveTree, TileStore) {
    let naive = NaiveTree(leafCount: size)
    var tree = Tree()
    var store = TileStore()
    for leaf in naive.leaves { store.add(tree.append([leaf])) }
    return (naive, store)
  }

  @Test func includesEveryLeafOfEveryTree() throws {
    let (naive, store) = Self.log(300)
    for size in 1...300 {
      let root = naive.root(0..<size)
      for index in 0..<size {
        let proof = try InclusionProof(index: UInt64(index), treeSize: UInt64(size), reading: store.read)
        #expect(proof.hashes == naive.path(index, 0..<size))
        try proof.verify(leafHash: naive.leaves[index], root: root)
      }
    }
  }

  @Test func connectsEveryPairOfTrees() throws {
    let (naive, store) = Self.log(300)
    for new in 0...300 {
      for old in 0...new {
        let proof = try ConsistencyProof(oldSize: UInt64(old), newSize: UInt64(new), reading: store.read)
        #expect(proof.hashes == (old == 0 ? [] : naive.consistency(old, 0..<new)))
        try proof.verify(oldRoot: naive.root(0..<old), newRoot: naive.root(0..<new))
      }
    }
  }

  @Test func provesInLargerTrees() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    let (naive, store) = Self.log(2_000)
    for _ in 0..<3_000 {
      let new = Int.random(in: 1...2_000, using: &generator)
      let index = Int.random(in: 0..<new, using: &generator)
      let inclusion = try InclusionProof(index: UInt64(index), treeSize: UInt64(new), reading: store.read)
      #expect(inclusion.hashes == naive.path(index, 0..<new), "seed \(seed)")
      try inclusion.verify(leafHash: naive.leaves[index], root: naive.root(0..<new))
      let consistency = try ConsistencyProof(oldSize: UInt64(index), newSize: UInt64(new), reading: store.read)
      try consistency.verify(oldRoot: naive.root(0..<index), newRoot: naive.root(0..<new))
      let plan = try ProofPlan(rootOf: UInt64(index), treeSize: UInt64(new))
      #expect(try plan.hashes(reading: store.read) == [naive.root(0..<index)], "seed \(seed)")
    }
  }

  @Test func provesAcrossThreeLevels() throws {
    let naive = NaiveTree(leafCount: 70_000)
    var tree = Tree()
    var store = TileStore()
    store.add(tree.append(naive.leaves))
    for index in [0, 255, 256, 65_535, 65_536, 69_887, 69_999] {
      let proof = try InclusionProof(index: UInt64(index), treeSize: 70_000, reading: store.read)
      try proof.verify(leafHash: naive.leaves[index], root: tree.root)
      let consistency = try ConsistencyProof(oldSize: UInt64(index), newSize: 70_000, reading: store.read)
      try consistency.verify(oldRoot: naive.root(0..<index), newRoot: tree.root)
    }
  }

  @Test func readsTheTilesItPlans() throws {
    let (_, store) = Self.log(1_000)
    for index: UInt64 in [0, 300, 767, 999] {
      let plan = try ProofPlan(inclusionOf: index, treeSize: 1_000)
      var asked: [TileCoordinate] = []
      _ = try plan.hashes { tile in
        asked.append(tile)
        return try store.read(tile)
      }
      #expect(asked == plan.tiles && asked.count <= 6)
    }
    #expect(code { _ = try ProofPlan(inclusionOf: 5, treeSize: 9).hashes { _ in [1] } } == .logTile)
  }

  /// Sizes near the end of 64 bits: nothing overflows, and no tile lies outside the tree.
  @Test func plansForHugeTrees() throws {
    let sizes: [UInt64] = [.max, .max - 1, 1 << 63, 1 << 63 + 1]
    for size in sizes {
      for index: UInt64 in [0, 1, size / 2, size - 1] {
        let plans = [
          try ProofPlan(inclusionOf: index, treeSize: size),
          try ProofPlan(consistencyFrom: index, to: size), try ProofPlan(rootOf: index, treeSize: size),
        ]
        for tile in plans.flatMap(\.tiles) {
          #expect(TileCoordinate(level: tile.level, index: tile.index, treeSize: size) == tile)
        }
      }
      #expect(TileCoordinate.partials(treeSize: size).allSatisfy { $0.level < 8 })
    }
  }

  @Test func refusesEveryChangeOfAnInclusionProof() throws {
    let (naive, store) = Self.log(24)
    for size in 1...24 {
      let root = naive.root(0..<size)
      for index in 0..<size {
        let proof = try InclusionProof(index: UInt64(index), treeSize: UInt64(size), reading: store.read)
        let leaf = naive.leaves[index]
        for bit in 0..<256 {
          #expect(refuses(proof, flipped(leaf, bit), root) && refuses(proof, leaf, flipped(root, bit)))
        }
        for changed in mutations(of: proof.hashes) {
          let other = InclusionProof(index: proof.index, treeSize: proof.treeSize, hashes: changed)
          #expect(refuses(other, leaf, root))
        }
        for other in 0..<40 where other != index {
          let moved = InclusionProof(index: UInt64(other), treeSize: proof.treeSize, hashes: proof.hashes)
          #expect(refuses(moved, leaf, root))
        }
      }
    }
  }

  @Test func refusesEveryChangeOfAConsistencyProof() throws {
    let (naive, store) = Self.log(20)
    for new in 0...20 {
      for old in 0...new {
        let proof = try ConsistencyProof(oldSize: UInt64(old), newSize: UInt64(new), reading: store.read)
        let roots = (naive.root(0..<old), naive.root(0..<new))
        // From nothing everything follows, so there only the proof's emptiness and the old root count.
        for bit in 0..<256 {
          #expect(refuses(proof, flipped(roots.0, bit), roots.1))
          #expect(refuses(proof, roots.0, flipped(roots.1, bit)) || (old == 0 && new > 0))
        }
        for changed in mutations(of: proof.hashes) {
          let other = ConsistencyProof(oldSize: proof.oldSize, newSize: proof.newSize, hashes: changed)
          #expect(refuses(other, roots.0, roots.1))
        }
        for wrong in 0...40 where wrong != old && old > 0 {
          let moved = ConsistencyProof(oldSize: UInt64(wrong), newSize: proof.newSize, hashes: proof.hashes)
          #expect(refuses(moved, roots.0, roots.1))
        }
      }
    }
  }

  @Test func refusesWhatLiesOutside() {
    #expect(code { _ = try ProofPlan(inclusionOf: 0, treeSize: 0) } == .logRange)
    #expect(code { _ = try ProofPlan(inclusionOf: 7, treeSize: 7) } == .logRange)
    #expect(code { _ = try ProofPlan(consistencyFrom: 8, to: 7) } == .logRange)
    #expect(code { _ = try ProofPlan(rootOf: 8, treeSize: 7) } == .logRange)
    let long = [Digest](repeating: .zero, count: 70)
    let inclusion = InclusionProof(index: .max - 1, treeSize: .max, hashes: long)
    #expect(code { try inclusion.verify(leafHash: .zero, root: .zero) } == .logInclusion)
    let absent = InclusionProof(index: 3, treeSize: 3, hashes: [])
    #expect(code { try absent.verify(leafHash: .zero, root: .zero) } == .logRange)
    let consistency = ConsistencyProof(oldSize: 1, newSize: .max, hashes: long)
    #expect(code { try consistency.verify(oldRoot: .zero, newRoot: .zero) } == .logConsistency)
    let backwards = ConsistencyProof(oldSize: 2, newSize: 1, hashes: [])
    #expect(code { try backwards.verify(oldRoot: .zero, newRoot: .zero) } == .logRange)
  }

  private func refuses(_ proof: InclusionProof, _ leaf: Digest, _ root: Digest) -> Bool {
    let code = code { try proof.verify(leafHash: leaf, root: root) }
    return code == .logInclusion || code == .logRange
  }

  private func refuses(_ proof: ConsistencyProof, _ old: Digest, _ new: Digest) -> Bool {
    let code = code { try proof.verify(oldRoot: old, newRoot: new) }
    return code == .logConsistency || code == .logRange
  }

  private func flipped(_ digest: Digest, _ bit: Int) -> Digest {
    var bytes = digest.bytes
    bytes[bit / 8] ^= 1 << UInt8(bit % 8)
    return Digest(bytes) ?? digest
  }

  /// Every bit flipped, every hash left out, doubled or swapped with its neighbour, one more at each end.
  private func mutations(of hashes: [Digest]) -> [[Digest]] {
    var mutations = [hashes + [.zero], [.zero] + hashes]
    for place in hashes.indices {
      for bit in 0..<256 {
        var changed = hashes
        changed[place] = flipped(changed[place], bit)
        mutations.append(changed)
      }
      mutations.append(Array(hashes[..<place] + hashes[(place + 1)...]))
      mutations.append(Array(hashes[...place] + hashes[place...]))
      if place > 0 {
        var swapped = hashes
        swapped.swapAt(place, place - 1)
        mutations.append(swapped)
      }
    }
    return mutations
  }
}
