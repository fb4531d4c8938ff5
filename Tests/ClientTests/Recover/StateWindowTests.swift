import Client
import Core
import Dump
import Fixtures
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
      let parts = window.parts
      let placed = parts.flatMap(\.chunks)
      #expect(placed.map(\.plainOffset).sorted() == window.chunks.map(\.plainOffset))
      #expect(placed.map(\.reference.id) == placed.map(\.reference.id).sorted())
      // What repeats is asked for once, so all of it has to be in one part.
      let ids = parts.map { Set($0.chunks.map(\.reference.id)) }
      #expect(ids.reduce(0) { $0 + $1.count } == Set(placed.map(\.reference.id)).count)
      #expect(ids.allSatisfy { !$0.isEmpty && $0.count <= ProtocolLimits.requestedIdCount })
      #expect(parts.count <= 17)
    }
  }

  /// A state of 32 MiB in the smallest chunks is still no more than a question may ask for.
  @Test func partsAreNoMoreThanAQuestion() throws {
    var generator = SeededGenerator.printing()
    let chunks = try (0..<StateWindow.byteCount / 512).map { number in
      TreeWalk.PlacedChunk(
        reference: ObjectReference(
          id: generator.digest(), key: try #require(ObjectKey(generator.bytes(32))), sealedByteCount: 533,
          plainByteCount: 512), plainOffset: number * 512)
    }
    let parts = StateWindow(number: 0, chunks: chunks).parts
    #expect(parts.allSatisfy { $0.chunks.count <= ProtocolLimits.requestedIdCount })
    #expect(parts.reduce(0) { $0 + $1.chunks.count } == chunks.count)
  }

  /// An empty state is a window of nothing, which nobody is asked for.
  @Test func aWindowWithoutChunksHasNoParts() { #expect(StateWindow(number: 0, chunks: []).parts.isEmpty) }

  /// Windows end at multiples of 32 MiB, and one that begins right before such a place ends at the next.
  @Test(arguments: [
    (0, 1), (1, 1), ((32 << 20) - (64 << 10) - 1, 1), ((32 << 20) - (64 << 10), 2), (32 << 20, 2), ((96 << 20) + 7, 4),
  ])
  func windowsEndTogether(offset: Int, count: Int) {
    #expect(StateWindow.end(ofWindowAt: offset) == count * StateWindow.byteCount)
  }
}
