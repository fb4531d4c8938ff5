import Core
package import Dump
import Packs
import Sodium
import Synchronization
import Trust

/// Neighbouring chunks of a state, which go into one buffer and are written at once.
///
/// Uploaders send so much state at a time, sorted by id, and packs keep what comes in that order. So the chunks of a
/// window, asked for by rising id, mostly lie one behind the other.
package struct StateWindow: Sendable {
  /// About so much state is in one.
  package static let byteCount = PushWindow.byteCount
  /// How long a page-aligned buffer has to be that takes any window.
  static let bufferByteCount = byteCount + DumpLimits.chunkByteCount + DirectFile.alignment
  /// Bytes of state of a part, unless its ids would be more than one question may have.
  ///
  /// Parts under way hold the next window up as long as the one before it is not written: shorter ones less.
  private static let partByteCount = 1 << 20
  /// Bytes that one call writes: several are under way at once.
  private static let writeByteCount = 8 << 20

  /// The window's place among the windows, from 0.
  package let number: Int
  /// The chunks, in the state's order.
  package let chunks: [TreeWalk.PlacedChunk]

  /// A window.
  package init(number: Int, chunks: [TreeWalk.PlacedChunk]) {
    self.number = number
    self.chunks = chunks
  }

  /// Where in the state it begins.
  var offset: Int { chunks.first?.plainOffset ?? 0 }
  /// How many bytes of state it has.
  var plainByteCount: Int { (chunks.last?.plainRange.upperBound ?? 0) - offset }
  /// Where in a page-aligned buffer its bytes lie, so that they can be written past the page cache.
  var bufferRange: Range<Int> {
    let lead = DirectFile.lead(offset: offset)
    return lead..<lead + plainByteCount
  }

  /// The bytes of a chunk of the window.
  func memory(of chunk: TreeWalk.PlacedChunk, in buffer: PieceBuffer) -> UnsafeMutableRawBufferPointer {
    let start = offset - bufferRange.lowerBound
    let range = chunk.plainOffset - start..<chunk.plainRange.upperBound - start
    return UnsafeMutableRawBufferPointer(rebasing: buffer.memory[range])
  }

  /// Divides the chunks into parts of neighbouring ids, which are fetched and opened side by side.
  package func divide() -> [WindowPart] {
    let chunks = chunks.sorted { $0.reference.id < $1.reference.id }
    let starts = chunks.indices.filter { $0 == 0 || chunks[$0 - 1].reference.id != chunks[$0].reference.id }
    let partCount = max(1, (plainByteCount + StateWindow.partByteCount - 1) / StateWindow.partByteCount)
    let idCount = min((starts.count + partCount - 1) / partCount, ProtocolLimits.requestedIdCount)
    return stride(from: 0, to: starts.count, by: max(1, idCount)).map { first in
      let own = starts[first..<min(first + idCount, starts.count)]
      let end = own.endIndex < starts.count ? starts[own.endIndex] : chunks.count
      return WindowPart(chunks: chunks[starts[first]..<end], starts: own, of: self)
    }
  }

  /// Writes what was opened, on threads that may wait for the disk.
  ///
  /// - Throws: `storage.*`.
  func write(_ buffer: PieceBuffer, to file: DirectFile, on writers: QueuePool) async throws {
    let whole = bufferRange
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      // From the buffer's beginning, so that every write but the first and the last is of whole pages.
      for start in stride(from: 0, to: whole.upperBound, by: StateWindow.writeByteCount) {
        let range = max(start, whole.lowerBound)..<min(start + StateWindow.writeByteCount, whole.upperBound)
        tasks.addTask(executorPreference: writers) {
          let bytes = UnsafeRawBufferPointer(rebasing: buffer.memory[range])
          try file.write(bytes, at: offset + range.lowerBound - whole.lowerBound)
        }
      }
      try await tasks.waitForAll()
    }
  }
}

/// Divides a state into windows as the walk through its tree goes on.
package struct WindowCutter: Sendable {
  /// The most chunks of a window, so that a tree that names chunks shorter than its chunker makes takes no more memory.
  private let chunkLimit: Int
  /// Chunks of the next window, as far as the walk has come.
  private var gathered: [TreeWalk.PlacedChunk] = []
  private var count = 0

  /// Nothing is cut yet.
  package init(_ chunker: ChunkerParameters) {
    chunkLimit = chunker.chunkCountLimit(stateByteCount: StateWindow.byteCount + DumpLimits.chunkByteCount)
  }

  /// Whether no chunk waits for others of its window.
  package var isEmpty: Bool { gathered.isEmpty }

  /// The next window: it ends at a multiple of ``StateWindow/byteCount``, or up to a longest chunk before, since chunks
  /// do not end there; or where the state ends.
  ///
  /// - Returns: nil as long as the walk has not said all of it, and at the end.
  package mutating func next(from walk: inout TreeWalk) -> StateWindow? {
    let start = gathered.first?.plainOffset ?? walk.plainByteCount
    let end = ((start + DumpLimits.chunkByteCount) / StateWindow.byteCount + 1) * StateWindow.byteCount
    var isFull: Bool { gathered.count >= chunkLimit || end - walk.plainByteCount < DumpLimits.chunkByteCount }
    while !isFull {
      let chunks = walk.nextChunks(limit: chunkLimit - gathered.count, plainByteCount: end - walk.plainByteCount)
      if chunks.isEmpty { break }
      gathered += chunks
    }
    guard !gathered.isEmpty, isFull || walk.isFinished else { return nil }
    defer { (gathered, count) = ([], count + 1) }
    return StateWindow(number: count, chunks: gathered)
  }
}

/// Chunks of a window between two ids: what one task fetches and opens.
package struct WindowPart: Sendable {
  /// By rising id; those that repeat stand side by side.
  package let chunks: ArraySlice<TreeWalk.PlacedChunk>
  /// Where among `chunks` those of each id begin.
  fileprivate let starts: ArraySlice<Int>
  /// Of what they are a part.
  let window: StateWindow

  fileprivate init(chunks: ArraySlice<TreeWalk.PlacedChunk>, starts: ArraySlice<Int>, of window: StateWindow) {
    self.chunks = chunks
    self.starts = starts
    self.window = window
  }

  /// Fetches the chunks and opens them into the window's buffer as they come, each checked against its id.
  ///
  /// - Returns: how many sealed bytes came.
  /// - Throws: `source.*`, `dump.*`; what the source throws.
  func fetch(
    app: Digest, generation: UInt64, from source: some Source, with openers: WorkerPool<ChunkOpener>,
    into buffer: PieceBuffer
  ) async throws -> Int {
    let owed = Mutex(OwedChunks(of: self))
    let query = try ObjectQuery(app: app, generation: generation, ids: owed.withLock { $0.ids })
    try await source.objects(query) { batch in
      try openers.withWorker { opener in
        for object in batch {
          guard let places = owed.withLock({ $0.take(object.id) }) else {
            throw PosternError.unaskedObject(object.id)
          }
          try object.bytes.withUnsafeBytes { bytes in
            for place in places { try opener.open(bytes, place.reference, into: window.memory(of: place, in: buffer)) }
          }
        }
      }
    }
    let (absent, byteCount) = owed.withLock { ($0.first, $0.takenByteCount) }
    if let absent { throw PosternError.absentObject(absent) }
    return byteCount
  }
}

/// The chunks of a part that have yet to come, by their ids.
private struct OwedChunks: Sendable {
  /// The ids that were asked for: rising, each once.
  let ids: [Digest]
  /// Sealed bytes of what has come.
  private(set) var takenByteCount = 0

  /// The chunks, by rising id; those that repeat stand side by side.
  private let chunks: ArraySlice<TreeWalk.PlacedChunk>
  /// Where in `chunks` those of each id begin, and where the last end.
  private let starts: [Int]
  private var isOwed: [Bool]
  /// The id behind the one that came last: a source mostly answers by rising ids.
  private var next = 0

  init(of part: WindowPart) {
    chunks = part.chunks
    ids = part.starts.map { part.chunks[$0].reference.id }
    isOwed = Array(repeating: true, count: ids.count)
    starts = Array(part.starts) + [part.chunks.endIndex]
  }

  /// An id that has not come; nil when all have.
  var first: Digest? { isOwed.firstIndex(of: true).map { ids[$0] } }

  /// The places of an object that has come; nil for one that is not owed.
  mutating func take(_ id: Digest) -> ArraySlice<TreeWalk.PlacedChunk>? {
    let position = next < ids.count && ids[next] == id ? next : ids.position { $0 < id }
    guard position < ids.count, ids[position] == id, isOwed[position] else { return nil }
    isOwed[position] = false
    next = position + 1
    let places = chunks[starts[position]..<starts[position + 1]]
    takenByteCount += places.first?.reference.sealedByteCount ?? 0
    return places
  }
}
