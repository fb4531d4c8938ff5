import Bulk
import Core
import Merkle
import Testing
import Trust

@Suite struct SourceTests {
  private static func archive() throws -> (MemorySource, [Digest]) {
    var source = MemorySource(log: try MemoryLog(leafCount: 600))
    var ids: [Digest] = []
    for number in 0..<10 {
      let bytes = ascii("object \(number)")
      ids.append(SHA256.hash(bytes))
      source.stored[ids[number]] = bytes
      source.bodies[ids[number]] = bytes
    }
    return (source, ids)
  }

  /// Following a log through a source alone: checkpoint, bundles, and the tree that they give.
  @Test func readsAWholeLog() async throws {
    let (source, _) = try Self.archive()
    let signed = try SignedCheckpoint(parsing: await source.checkpoint(), log: source.log.verifier)
    let size = signed.checkpoint.size
    var tree = Tree()
    var index: UInt64 = 0
    while let coordinate = BundleCoordinate(index: index, treeSize: size) {
      let bundle = try EntryBundle(parsing: await source.entries(coordinate), width: coordinate.width)
      let tile = try coordinate.tile.hashes(in: await source.tile(coordinate.tile))
      #expect(bundle.leafHashes == tile)
      _ = tree.append(bundle.leafHashes)
      index += 1
    }
    #expect(tree.size == size && tree.root == signed.checkpoint.root)
  }

  /// A proof made from tiles that were fetched beforehand.
  @Test func provesFromFetchedTiles() async throws {
    let (source, _) = try Self.archive()
    let plan = try ProofPlan(inclusionOf: 431, treeSize: 600)
    var fetched: [TileCoordinate: [UInt8]] = [:]
    for tile in plan.tiles { fetched[tile] = try await source.tile(tile) }
    let path = try plan.hashes { tile in try #require(fetched[tile]) }
    let proof = InclusionProof(index: 431, treeSize: 600, hashes: path)
    try proof.verify(leafHash: TreeHash.leaf(source.log.leaves[431]), root: source.log.root)
  }

  @Test func checksBodies() async throws {
    var (source, ids) = try Self.archive()
    let first = source
    #expect(try await first.checkedBody(app: .zero, generation: 0, digest: ids[3]) == ascii("object 3"))
    #expect(await code { _ = try await first.checkedBody(app: .zero, generation: 0, digest: .zero) } == .sourceAbsent)
    source.bodies[ids[3]] = ascii("object 4")
    let lying = source
    let missing = await code { _ = try await lying.checkedBody(app: .zero, generation: 0, digest: ids[3]) }
    #expect(missing == .sourceMismatch)
  }

  @Test func boundsQueries() async throws {
    let ids = (0...ObjectQuery.maximumCount).map { TreeHash.leaf(ascii("\($0)")) }
    #expect(await code { _ = try ObjectQuery(app: .zero, generation: 1, ids: ids) } == .sourceLimit)
    #expect(await code { _ = try ObjectQuery(app: .zero, generation: 1, ids: [ids[0], ids[0]]) } == .sourceLimit)
    #expect(try ObjectQuery(app: .zero, generation: 1, ids: ids.dropLast()).ids.count == 4_096)
  }
}
