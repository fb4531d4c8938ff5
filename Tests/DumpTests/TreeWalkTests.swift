import Core
import Dump
import Testing

@Suite struct TreeWalkTests {
  private static let chunker = ChunkerParameters.fixed(.kib4)

  /// Nodes that come in any order, chunks that are taken as slowly as can be: what a walk holds stays below
  /// its look-ahead a level, and everything comes once and in order.
  @Test func holdsALookAheadWhateverTheSize() throws {
    var random = SeededGenerator.printing()
    let chunks = try (0..<30_000).map { try madeUpChunk($0) }
    let (nodes, root) = try build(chunks, under: secret())
    let (store, levels) = (byID(nodes), nodes.map(\.level).max() ?? 0)
    for lookAhead in [64, 100, 1_000, 8_000] {
      var walk = TreeWalk(root: root, chunker: Self.chunker, lookAheadCount: lookAhead)
      var outstanding: [TreeWalk.NodeRequest] = []
      var (next, held) = (0, 0)
      while !walk.isFinished {
        outstanding += walk.nextRequests(limit: 1 + Int(random.next() % 20))
        #expect(Set(outstanding).count == outstanding.count)
        for _ in 0..<(1 + random.next() % 8) {
          guard !outstanding.isEmpty else { break }
          let request = outstanding.remove(at: Int.random(in: outstanding.indices, using: &random))
          let node = try #require(store[request.id])
          #expect(node.count == request.sealedByteCount)
          try walk.supply(node, id: request.id)
        }
        held = max(held, walk.heldCount)
        for chunk in walk.nextChunks(limit: Int(random.next() % 150)) {
          if chunk.reference.id != chunks[next].id || chunk.plainOffset != next * 4_096 {
            Issue.record("chunk \(next) came out of order")
          }
          next += 1
        }
      }
      #expect(next == chunks.count)
      #expect(walk.plainByteCount == root.plainByteCount)
      // A quarter of the look-ahead for each level further up, down to what a tree of any shape is given.
      let least = min(lookAhead, TreeWalk.upperLookAheadCount)
      #expect(held <= (0...levels).reduce(0) { $0 + max(lookAhead >> (2 * $1), least) })
      #expect(outstanding.isEmpty)
      let (requests, more) = (walk.nextRequests(limit: 10), walk.nextChunks(limit: 10))
      #expect(requests.isEmpty && more.isEmpty)
    }
  }

  /// Chunks of any length come in runs that fit a buffer, and each run is as long as fits.
  @Test func givesOutWhatABufferHolds() throws {
    var random = SeededGenerator.printing()
    let chunks = try (0..<3_000).map { try madeUpChunk($0, plainByteCount: 1 + Int(random.next() % 65_536)) }
    let (nodes, root) = try build(chunks, under: secret())
    let store = byID(nodes)
    var walk = TreeWalk(root: root, chunker: .content(.kib32))
    var (next, limit) = (0, 65_536)
    while !walk.isFinished {
      for request in walk.nextRequests(limit: 16) { try walk.supply(try #require(store[request.id]), id: request.id) }
      limit = 65_536 + Int(random.next() % 500_000)
      let run = walk.nextChunks(limit: 20, plainByteCount: limit)
      let byteCount = run.reduce(0) { $0 + $1.reference.plainByteCount }
      #expect(run.count <= 20 && byteCount <= limit)
      for chunk in run {
        #expect(chunk.reference.id == chunks[next].id)
        next += 1
      }
      // Nothing that is there and would have fitted was kept back.
      if run.count < 20, next < chunks.count, let following = walk.nextChunks(limit: 1).first {
        #expect(byteCount + following.reference.plainByteCount > limit)
        next += 1
      }
    }
    #expect(next == chunks.count)
  }

  /// While nobody takes chunks, nothing more is asked for than there is room for.
  @Test func stopsAskingWhenNobodyTakes() throws {
    let (nodes, root) = try build(try (0..<20_000).map { try madeUpChunk($0) }, under: secret())
    let store = byID(nodes)
    var walk = TreeWalk(root: root, chunker: Self.chunker, lookAheadCount: 256)
    var rounds = 0
    while true {
      let requests = walk.nextRequests(limit: 1_000)
      if requests.isEmpty { break }
      rounds += 1
      for request in requests { try walk.supply(try #require(store[request.id]), id: request.id) }
    }
    #expect(walk.heldCount <= 6 * 256)
    #expect(rounds < 100)
    let before = walk.nextChunks(limit: .max).count
    #expect((1...256).contains(before))
    #expect(!walk.nextRequests(limit: 1).isEmpty)
  }

  @Test func refusesWhatItDidNotAskForAndWaitsOn() throws {
    let (nodes, root) = try build(try (0..<2_000).map { try madeUpChunk($0) }, under: secret())
    let store = byID(nodes)
    let stray = try #require(nodes.first { $0.level == 1 })
    var walk = TreeWalk(root: root, chunker: Self.chunker)
    func refusal(_ node: [UInt8], id: Digest, _ walk: inout TreeWalk) -> PosternError.Code? {
      do {
        try walk.supply(node, id: id)
        return nil
      } catch {
        return error.code
      }
    }
    var refusals = [refusal(stray.bytes, id: stray.reference.id, &walk)]
    _ = walk.nextRequests(limit: 1)
    refusals.append(refusal(stray.bytes, id: stray.reference.id, &walk))
    refusals.append(refusal(stray.bytes, id: root.id, &walk))
    refusals.append(refusal([], id: root.id, &walk))
    refusals.append(refusal(try #require(store[root.id]), id: root.id, &walk))
    refusals.append(refusal(try #require(store[root.id]), id: root.id, &walk))
    #expect(refusals == [.dumpUnasked, .dumpUnasked, .dumpObjectLength, .dumpObjectLength, nil, .dumpUnasked])
    let request = try #require(walk.nextRequests(limit: 1).first)
    var node = try #require(store[request.id])
    node[50] ^= 1
    refusals = [refusal(node, id: request.id, &walk)]
    node[50] ^= 1
    refusals.append(refusal(node, id: request.id, &walk))
    #expect(refusals == [.dumpWrongID, nil])
  }

  /// A root whose children stand at another level, and a root that states another length than the capsule.
  @Test func refusesTreesThatDoNotFitTogether() throws {
    var sealer = NodeSealer(secret: secret())
    let leaf = sealer.seal(try (0..<4).map { try madeUpChunk($0) }, level: 1)
    let crooked = sealer.seal([leaf.reference, leaf.reference], level: 3)
    let store = byID([leaf, crooked])
    #expect(code { _ = try walk(crooked.reference, store) } == .dumpNodeLevel)
    let longer = ObjectReference(
      id: leaf.reference.id, key: leaf.reference.key, sealedByteCount: leaf.reference.sealedByteCount,
      plainByteCount: leaf.reference.plainByteCount + 1)
    #expect(code { _ = try walk(longer, store) } == .dumpPlainLength)
    let parent = sealer.seal([longer], level: 2)
    #expect(code { _ = try walk(parent.reference, byID([leaf, parent])) } == .dumpPlainLength)
  }
}
