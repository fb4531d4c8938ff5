import Core
import Merkle
import Testing

@Suite struct LogPathTests {
  @Test func spellsTheExamplesOfTheFormat() throws {
    #expect(try TileCoordinate(level: 0, index: 1_234_067, width: 256).path == "tile/0/x001/x234/067")
    #expect(try TileCoordinate(level: 1, index: 0, width: 17).path == "tile/1/000.p/17")
    #expect(try BundleCoordinate(index: 273, width: 112).path == "tile/entries/273.p/112")
    #expect(try BundleCoordinate(index: 1_000, width: 256).path == "tile/entries/x001/000")
    #expect(try BundleCoordinate(index: .max, width: 1).path == "tile/entries/x018/x446/x744/x073/x709/x551/615.p/1")
  }

  @Test func roundTrips() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    #expect(try LogPath(parsing: "checkpoint") == .checkpoint && LogPath.checkpoint.text == "checkpoint")
    for _ in 0..<5_000 {
      let index = UInt64.random(in: 0...UInt64.max, using: &generator) >> UInt64.random(in: 0...63, using: &generator)
      let width = Int.random(in: 1...256, using: &generator)
      let level = Int.random(in: 0...63, using: &generator)
      let paths: [LogPath] = [
        .tile(try TileCoordinate(level: level, index: index, width: width)),
        .entries(try BundleCoordinate(index: index, width: width)),
      ]
      for path in paths { #expect(try LogPath(parsing: path.text) == path, "seed \(seed)") }
    }
  }

  @Test func refusesEveryOtherSpelling() {
    let paths = [
      "", "/", "/checkpoint", "checkpoint/", "Checkpoint", "tile", "tile/", "tile/0", "tile/0/", "tile/0/0",
      "tile/0/00", "tile/0/0000", "tile/0/1234", "tile/0/x000/000", "tile/0/x000/x001/000", "tile/0/001/000",
      "tile/0/x001", "tile/0/x001/", "tile/0/x001/x000", "tile/0/X001/000", "tile/0/x01/000", "tile/00/000",
      "tile/01/000", "tile/64/000", "tile/-1/000", "tile/+1/000", "tile/entries", "tile/entries/", "tile/entry/000",
      "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/-1",
      "tile/0/000.p/1/", "tile/0/000.p/1/2", "tile/0/000.p/1.p/1", "tile/0/000/.p/1", "tile/0/.p/1", "tile/0/000.P/1",
      "tile//000", "tile/0//000", "tile/0/00a", "tile/0/٠٠٠", "tile/0/000 ", " tile/0/000", "tile/0/000\n",
      "tile/0/x018/x446/x744/x073/x709/x551/616", "tile/0/x099/x999/x999/x999/x999/x999/999",
      "tile/0/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/x001/000", "tile/../checkpoint", "tile/0/../000",
    ]
    for path in paths {
      #expect(code { _ = try LogPath(parsing: path) } == .logTilePath, "\(path)")
    }
    #expect(code { _ = try TileCoordinate(level: 64, index: 0, width: 1) } == .logTilePath)
    #expect(code { _ = try TileCoordinate(level: 0, index: 0, width: 0) } == .logTilePath)
    #expect(code { _ = try TileCoordinate(level: 0, index: 0, width: 257) } == .logTilePath)
    #expect(code { _ = try BundleCoordinate(index: 0, width: 0) } == .logTilePath)
  }

  /// The example of C2SP tlog-tiles: a tree of 70,000.
  @Test func knowsTheTilesOfATree() throws {
    #expect(
      TileCoordinate.partials(treeSize: 70_000).map(\.path)
        == ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"])
    #expect(TileCoordinate(level: 0, index: 272, treeSize: 70_000)?.isFull == true)
    #expect(TileCoordinate(level: 0, index: 273, treeSize: 70_000)?.width == 112)
    #expect(TileCoordinate(level: 0, index: 274, treeSize: 70_000) == nil)
    #expect(TileCoordinate(level: 1, index: 0, treeSize: 70_000)?.byteCount == 8_192)
    #expect(TileCoordinate(level: 3, index: 0, treeSize: 70_000) == nil)
    #expect(TileCoordinate(level: 63, index: .max, treeSize: .max) == nil)
    #expect(TileCoordinate(level: 64, index: 0, treeSize: .max) == nil)
    #expect(TileCoordinate.partials(treeSize: 256).map(\.path) == ["tile/1/000.p/1"])
    #expect(BundleCoordinate(index: 273, treeSize: 70_000)?.width == 112)
    #expect(BundleCoordinate(index: 273, treeSize: 70_000)?.tile.path == "tile/0/273.p/112")
    #expect(BundleCoordinate(index: 274, treeSize: 70_000) == nil)
  }
}
