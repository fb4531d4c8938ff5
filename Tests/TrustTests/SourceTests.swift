import Bulk
import Core
import Merkle
import Synchronization
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

  @Test func checksObjects() async throws {
    let (source, ids) = try Self.archive()
    let received = Mutex<[SourceObject]>([])
    let query = try ObjectQuery(app: .zero, generation: 1, ids: ids)
    try await source.checkedObjects(query) { batch in received.withLock { $0 += batch } }
    #expect(received.withLock { $0.map(\.id) } == ids)
    let none = try ObjectQuery(app: .zero, generation: 1, ids: [])
    try await source.checkedObjects(none) { _ in Issue.record("nothing was asked") }
  }

  @Test func refusesWhatALyingSourceSends() async throws {
    let (honest, ids) = try Self.archive()
    let query = try ObjectQuery(app: .zero, generation: 1, ids: Array(ids.dropLast()))
    let foreign = SourceObject(id: ids[9], bytes: ascii("object 9")[...])
    let lies: [(@Sendable ([SourceObject]) -> [SourceObject], PosternError.Code)] = [
      ({ $0.map { SourceObject(id: $0.id, bytes: $0.bytes.dropLast()) } }, .sourceMismatch),
      ({ $0 + $0 }, .sourceUnasked),
      ({ $0 + [foreign] }, .sourceUnasked),
      ({ Array($0.dropFirst()) }, .sourceAbsent),
      ({ _ in [] }, .sourceAbsent),
    ]
    for (lie, expected) in lies {
      var source = honest
      source.disturb = lie
      let lying = source
      let count = Mutex(0)
      let refusal = await code {
        try await lying.checkedObjects(query) { batch in count.withLock { $0 += batch.count } }
      }
      #expect(refusal == expected)
      // Nothing of a batch that was refused has reached the caller.
      #expect(expected == .sourceAbsent || count.withLock { $0 } == 0)
    }
  }

  @Test func namesTheFirstMissingObject() async throws {
    var (source, ids) = try Self.archive()
    source.stored[ids[4]] = nil
    source.stored[ids[7]] = nil
    let lacking = source
    let query = try ObjectQuery(app: .zero, generation: 1, ids: ids)
    do {
      try await lacking.checkedObjects(query) { _ in }
      Issue.record("two objects are missing")
    } catch let error as PosternError {
      #expect(error.code == .sourceAbsent && error.index == 4)
    }
  }

  @Test func stopsWhenTheReceiverThrows() async throws {
    let (source, ids) = try Self.archive()
    let query = try ObjectQuery(app: .zero, generation: 1, ids: ids)
    let calls = Mutex(0)
    await #expect(throws: CancellationError.self) {
      try await source.checkedObjects(query) { _ in
        calls.withLock { $0 += 1 }
        throw CancellationError()
      }
    }
    #expect(calls.withLock { $0 } == 1)
  }

  @Test func boundsQueries() async throws {
    let ids = (0...ObjectQuery.maximumCount).map { TreeHash.leaf(ascii("\($0)")) }
    #expect(await code { _ = try ObjectQuery(app: .zero, generation: 1, ids: ids) } == .sourceLimit)
    #expect(await code { _ = try ObjectQuery(app: .zero, generation: 1, ids: [ids[0], ids[0]]) } == .sourceLimit)
    #expect(try ObjectQuery(app: .zero, generation: 1, ids: ids.dropLast()).ids.count == 4_096)
  }
}
