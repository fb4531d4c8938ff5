import Core
import Dump
import Testing

/// A state through everything there is: cut, sealed, put into a tree, a capsule, and back.
@Suite struct DumpTests {
  private struct Archive {
    var objects: [Digest: [UInt8]] = [:]
    var root: ObjectReference

    /// How many bytes of objects this one has that another lacks.
    func byteCount(beyond other: Archive) -> Int {
      objects.filter { other.objects[$0.key] == nil }.reduce(0) { $0 + $1.value.count }
    }
  }

  private func push(_ state: [UInt8], _ parameters: ChunkerParameters) throws -> Archive {
    var sealer = ChunkSealer(secret: secret(), chunker: parameters)
    var builder = TreeBuilder(secret: secret())
    var chunker = Chunker(parameters, secret: secret())
    var (objects, nodes): ([Digest: [UInt8]], [SealedNode]) = ([:], [])
    var start = 0
    while start < state.count {
      let end = min(state.count, start + 1 << 20)
      var cuts: [Range<Int>] = []
      let batch = state[start..<end].withUnsafeBytes { bytes in
        start += chunker.cut(bytes, isEnd: end == state.count, into: &cuts)
        return sealer.seal(cuts, of: bytes)
      }
      for chunk in batch.chunks {
        objects[chunk.reference.id] = Array(batch.bytes[chunk.range])
        try builder.append(chunk.reference, completed: &nodes)
      }
    }
    let root = try builder.finish(completed: &nodes)
    for node in nodes { objects[node.reference.id] = node.bytes }
    return Archive(objects: objects, root: root)
  }

  private func recover(_ archive: Archive, _ chunker: ChunkerParameters) throws -> [UInt8] {
    var opener = ChunkOpener(chunker: chunker)
    var state = [UInt8](repeating: 0, count: archive.root.plainByteCount)
    for chunk in try walk(archive.root, archive.objects, chunker: chunker) {
      let object = try #require(archive.objects[chunk.reference.id])
      try object.withUnsafeBytes { object in
        try state[chunk.plainRange].withUnsafeMutableBytes { try opener.open(object, chunk.reference, into: $0) }
      }
    }
    return state
  }

  @Test func statesOfManyLengthsComeBackFromEveryChunker() throws {
    var random = SeededGenerator.printing()
    for chunker in everyChunker {
      for count in [0, 1, 4_095, 65_536, 1_000_000, 1 << 20, 3 << 20 | 5] {
        let state = random.state(count)
        let archive = try push(state, chunker)
        #expect(try recover(archive, chunker) == state)
      }
    }
  }

  /// One changed page, and one page that is appended.
  @Test func anotherEpochCostsWhatChanged() throws {
    var random = SeededGenerator.printing()
    var state = random.bytes(8 << 20)
    let first = try push(state, .fixed(.kib4))
    state.replaceSubrange(4_096_000..<4_096_100, with: random.bytes(100))
    let second = try push(state + random.bytes(4_096), .fixed(.kib4))
    #expect(second.byteCount(beyond: first) < 2 * 4_117 + 20 * DumpLimits.nodeByteCount)
    #expect(try recover(second, .fixed(.kib4)).prefix(state.count) == state[...])
  }

  /// A byte that is inserted near the beginning.
  @Test func contentThatMovesIsStoredOnce() throws {
    var random = SeededGenerator.printing()
    var state = random.bytes(8 << 20)
    let first = try push(state, .standard)
    state.insert(7, at: 50_000)
    let second = try push(state, .standard)
    #expect(second.byteCount(beyond: first) < 20 * (65_557 + DumpLimits.nodeByteCount))
    #expect(try recover(second, .standard) == state)
  }

  @Test func zerosCostNearlyNothing() throws {
    let state = [UInt8](repeating: 0, count: 16 << 20)
    let archive = try push(state, .fixed(.kib16))
    #expect(archive.objects.count < 20)
    #expect(try recover(archive, .fixed(.kib16)) == state)
  }

  /// Everything that the archive lists of a dump is in the public parts, without a key.
  @Test func publicPartsNameEveryObject() throws {
    var random = SeededGenerator.printing()
    let archive = try push(random.state(2 << 20), .content(.kib8))
    var (found, next): (Set<Digest>, [Digest]) = ([archive.root.id], [archive.root.id])
    while let id = next.popLast() {
      let node = try NodePublicPart(parsing: try #require(archive.objects[id]))
      for child in node.children where found.insert(child.id).inserted {
        #expect(archive.objects[child.id]?.count == child.sealedByteCount)
        if node.level > 1 { next.append(child.id) }
      }
    }
    #expect(found == Set(archive.objects.keys))
  }
}
