import Core
import Merkle
import Testing

@Suite struct TreeTests {
  /// The inputs and roots that Certificate Transparency implementations test with.
  @Test func hasTheRootsOfCertificateTransparency() throws {
    let leaves = [
      "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    ]
    let roots = [
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]
    var tree = Tree()
    #expect(tree.root.hex == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    for (leaf, root) in zip(leaves, roots) {
      let data = try #require([UInt8](hex: leaf))
      #expect(tree.append([TreeHash.leaf(data)]).root.hex == root)
    }
  }

  @Test func growsAsTheDefinitionSays() {
    let naive = NaiveTree(leafCount: 300)
    var tree = Tree()
    for size in 1...300 {
      let before = tree.size
      let growth = tree.append([naive.leaves[size - 1]])
      #expect(growth.root == naive.root(0..<size) && growth.size == UInt64(size) && tree.root == growth.root)
      #expect(growth.tiles.map(\.coordinate).sorted(by: sorts) == changed(from: before, to: tree.size))
      #expect(growth.tiles.allSatisfy { $0.bytes == naive.tile($0.coordinate) })
    }
  }

  @Test func growsByAnySteps() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    let naive = NaiveTree(leafCount: 140_000)
    var tree = Tree()
    var store = TileStore()
    while tree.size < 140_000 {
      let step = Int.random(in: 0...1 << Int.random(in: 0...15, using: &generator), using: &generator)
      let start = Int(tree.size)
      let end = min(140_000, start + step)
      let growth = tree.append(naive.leaves[start..<end])
      store.add(growth)
      #expect(growth.root == naive.root(0..<end), "seed \(seed)")
      #expect(growth.tiles.allSatisfy { $0.bytes == naive.tile($0.coordinate) }, "seed \(seed)")
      #expect(
        growth.tiles.map(\.coordinate).sorted(by: sorts) == changed(from: UInt64(start), to: UInt64(end)),
        "seed \(seed)")
      var restored = try Tree(size: tree.size, root: tree.root, reading: store.read)
      #expect(restored.partialTiles == tree.partialTiles, "seed \(seed)")
      var copy = tree
      let more = naive.leaves[0..<min(600, naive.leaves.count)]
      #expect(restored.append(more) == copy.append(more), "seed \(seed)")
    }
  }

  @Test func restoresEverySize() throws {
    let naive = NaiveTree(leafCount: 600)
    var tree = Tree()
    var store = TileStore()
    for leaf in naive.leaves {
      let restored = try Tree(size: tree.size, root: tree.root, reading: store.read)
      #expect(restored.size == tree.size && restored.partialTiles == tree.partialTiles)
      store.add(tree.append([leaf]))
    }
  }

  @Test func refusesOtherTiles() throws {
    var tree = Tree()
    var store = TileStore()
    store.add(tree.append(NaiveTree(leafCount: 700).leaves))
    let root = tree.root
    #expect(code { _ = try Tree(size: 700, root: .zero, reading: store.read) } == .logRoot)
    #expect(code { _ = try Tree(size: 0, root: root) { _ in [] } } == .logRoot)
    #expect(code { _ = try Tree(size: 700, root: root) { Array(try store.read($0).dropLast()) } } == .logTile)
    #expect(
      code { _ = try Tree(size: 700, root: root) { try store.read($0).map { $0 ^ 1 } } } == .logRoot)
    #expect(throws: TileStore.Missing.self) { try Tree(size: 701, root: root, reading: store.read) }
  }

  @Test func aCopyIsAnotherTree() {
    let leaves = NaiveTree(leafCount: 400).leaves
    var tree = Tree()
    _ = tree.append(leaves[..<255])
    let kept = (tree.size, tree.root, tree.partialTiles)
    var copy = tree
    _ = copy.append(leaves[255...])
    #expect(tree.size == kept.0 && tree.root == kept.1 && tree.partialTiles == kept.2)
    #expect(tree.append(leaves[255...]).root == copy.root)
  }

  private func sorts(_ left: TileCoordinate, _ right: TileCoordinate) -> Bool {
    (left.level, left.index, left.width) < (right.level, right.index, right.width)
  }

  /// The tiles of the new size that the old size has not, by walking all of them.
  private func changed(from old: UInt64, to new: UInt64) -> [TileCoordinate] {
    var tiles: [TileCoordinate] = []
    for level in 0...7 {
      var index: UInt64 = (old >> UInt64(8 * level)) / 256
      while let tile = TileCoordinate(level: level, index: index, treeSize: new) {
        if TileCoordinate(level: level, index: index, treeSize: old) != tile { tiles.append(tile) }
        index += 1
      }
    }
    return tiles
  }
}
