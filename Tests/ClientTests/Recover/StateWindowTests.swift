import Client
import Core
import Dump
import Fixtures
import Sodium
import Testing

/// How a state is divided into what is written at once, and that into what is asked for at once.
@Suite struct StateWindowTests {
  /// A window of chunks of random length from some place in a state, a few of them repeated.
  private func window(at offset: Int, byteCount: Int, _ generator: inout SeededGenerator) throws -> StateWindow {
    var chunks: [TreeWalk.PlacedChunk] = []
    var end = offset
    while end < offset + byteCount {
      let length = min(4_096 + Int(generator.next() % 61_440), offset + byteCount - end)
      let repeated = generator.next() % 8 == 0 ? chunks.randomElement(using: &generator)?.reference : nil
      let reference =
        try repeated
        ?? ObjectReference(
          id: generator.digest(), key: try #require(ObjectKey(generator.bytes(32))), sealedByteCount: 533,
          plainByteCount: length)
      chunks.append(.init(reference: reference, plainOffset: end))
      end += reference.plainByteCount
    }
    return StateWindow(number: 0, chunks: chunks)
  }

  @Test func partsHaveEveryChunkOnceByRisingId() throws {
    var generator = SeededGenerator.printing()
    for byteCount in [1, 5_000, 1 << 20, 3 << 20, 31 << 20, StateWindow.byteCount] {
      let window = try window(at: Int(generator.next() % 100_000_000), byteCount: byteCount, &generator)
      let parts = window.divide()
      let placed = parts.flatMap(\.chunks)
      #expect(placed.map(\.plainOffset).sorted() == window.chunks.map(\.plainOffset))
      #expect(placed.map(\.reference.id) == placed.map(\.reference.id).sorted())
      // What repeats is asked for once, so all of it has to be in one part.
      let ids = parts.map { Set($0.chunks.map(\.reference.id)) }
      #expect(ids.reduce(0) { $0 + $1.count } == Set(placed.map(\.reference.id)).count)
      #expect(ids.allSatisfy { !$0.isEmpty && $0.count <= ProtocolLimits.requestedIdCount })
      #expect(parts.count <= 1 + byteCount / (1 << 20) + 1)
    }
  }

  /// Chunks so short that a part of a mebibyte would have more of them than a question may ask for.
  @Test func partsAreNoMoreThanAQuestion() throws {
    var generator = SeededGenerator.printing()
    let count = 2 * ProtocolLimits.requestedIdCount + 1
    let chunks = try (0..<count).map { TreeWalk.PlacedChunk(reference: try chunk(1, &generator), plainOffset: $0) }
    let parts = StateWindow(number: 0, chunks: chunks).divide()
    #expect(parts.allSatisfy { $0.chunks.count <= ProtocolLimits.requestedIdCount } && parts.count >= 3)
    #expect(parts.reduce(0) { $0 + $1.chunks.count } == chunks.count)
  }

  /// Nobody is asked for nothing.
  @Test func aWindowWithoutChunksHasNoParts() { #expect(StateWindow(number: 0, chunks: []).divide().isEmpty) }

  /// The windows of a tree, whose nodes come when they are asked for, and the state's length.
  private func windows(
    of chunks: [ObjectReference], _ chunker: ChunkerParameters, _ generator: inout SeededGenerator
  ) throws -> [StateWindow] {
    var secret = generator.bytes(GenerationSecret.byteCount)
    var builder = TreeBuilder(secret: try GenerationSecret(SecretBytes(consuming: &secret)))
    var nodes: [SealedNode] = []
    for chunk in chunks { try builder.append(chunk, completed: &nodes) }
    let root = try builder.finish(completed: &nodes)
    let bytes = Dictionary(nodes.map { ($0.reference.id, $0.bytes) }) { first, _ in first }
    var walk = TreeWalk(root: root, chunker: chunker)
    var cutter = WindowCutter(chunker)
    var windows: [StateWindow] = []
    while true {
      while let window = cutter.next(from: &walk) { windows.append(window) }
      let requests = walk.nextRequests(limit: 100)
      guard !requests.isEmpty else { break }
      for request in requests { try walk.supply(try #require(bytes[request.id]), id: request.id) }
    }
    #expect(walk.isFinished && cutter.isEmpty)
    return windows
  }

  private func chunk(_ plainByteCount: Int, _ generator: inout SeededGenerator) throws -> ObjectReference {
    ObjectReference(
      id: generator.digest(), key: try #require(ObjectKey(generator.bytes(32))), sealedByteCount: 1_045,
      plainByteCount: plainByteCount)
  }

  /// Windows follow one another without a gap, and end at multiples of 32 MiB, but for a longest chunk.
  @Test func windowsEndWhereThoseOfAPushDo() throws {
    var generator = SeededGenerator.printing()
    let chunker = ChunkerParameters.content(.kib16)
    let chunks = try (0..<3_000).map { _ in
      try chunk(chunker.chunkByteCountMinimum + Int(generator.next() % 50_000), &generator)
    }
    let windows = try windows(of: chunks, chunker, &generator)
    #expect(windows.flatMap(\.chunks).map(\.reference.id) == chunks.map(\.id))
    #expect(windows.map(\.number) == Array(windows.indices) && windows.count > 2)
    for (number, window) in windows.dropLast().enumerated() {
      let end = window.chunks.last?.plainRange.upperBound ?? 0
      let byteCount = end - (window.chunks.first?.plainOffset ?? 0)
      #expect(((number + 1) * StateWindow.byteCount - (64 << 10)...(number + 1) * StateWindow.byteCount).contains(end))
      #expect(byteCount <= StateWindow.byteCount + 64 << 10)
    }
  }

  /// A tree that names chunks of a byte, as no chunker makes them, takes no more memory than another.
  @Test func shortChunksMakeNoLargeWindow() throws {
    var generator = SeededGenerator.printing()
    let chunker = ChunkerParameters.content(.kib16)
    let chunk = try chunk(1, &generator)
    let windows = try windows(of: Array(repeating: chunk, count: 50_000), chunker, &generator)
    let limit = chunker.chunkCountLimit(stateByteCount: StateWindow.byteCount + DumpLimits.chunkByteCount)
    #expect(windows.allSatisfy { $0.chunks.count <= limit } && windows.count > 1)
    #expect(windows.reduce(0) { $0 + $1.chunks.count } == 50_000)
  }
}
