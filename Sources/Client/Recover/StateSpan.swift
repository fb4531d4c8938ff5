import Core
import Dump
import Packs
import Sodium
import Synchronization
import Trust

/// A run of neighbouring chunks of a state: what one task fetches, opens and writes at once.
struct StateSpan: Sendable {
  /// The most bytes of state in one.
  static let byteCount = 2 << 20

  /// The span's place among the spans, from 0.
  let number: Int
  /// The chunks, in the state's order.
  let chunks: [TreeWalk.PlacedChunk]

  /// Where in the state it begins.
  var offset: Int { chunks.first?.plainOffset ?? 0 }
  /// How many bytes of state it has.
  var plainByteCount: Int { (chunks.last?.plainRange.upperBound ?? 0) - offset }
  /// Where in a page-aligned buffer its bytes lie, so that they can be written past the page cache.
  var bufferRange: Range<Int> {
    let lead = DirectFile.lead(offset: offset)
    return lead..<lead + plainByteCount
  }
  /// How long such a buffer has to be.
  static let bufferByteCount = byteCount + DirectFile.alignment
  /// Fetches the chunks and opens them into a buffer's ``bufferRange`` as they come, each checked against its id.
  ///
  /// They are asked for by rising id, as an archive's runs and footers have them, so that it finds them in one direction.
  ///
  /// - Returns: how many sealed bytes came.
  /// - Throws: `source.*`, `dump.*`; what the source throws.
  func fetch(
    app: Digest, generation: UInt64, from source: some Source, with openers: WorkerPool<ChunkOpener>,
    into buffer: PieceBuffer
  ) async throws -> Int {
    let owed = Mutex(OwedChunks(chunks))
    let query = try ObjectQuery(app: app, generation: generation, ids: owed.withLock { $0.ids })
    let start = offset - bufferRange.lowerBound
    try await source.objects(query) { batch in
      try openers.withWorker { opener in
        for object in batch {
          guard let places = owed.withLock({ $0.take(object.id) }) else {
            throw PosternError.unaskedObject(object.id)
          }
          try object.bytes.withUnsafeBytes { bytes in
            for place in places {
              let range = place.plainOffset - start..<place.plainRange.upperBound - start
              let room = UnsafeMutableRawBufferPointer(rebasing: buffer.memory[range])
              try opener.open(bytes, place.reference, into: room)
            }
          }
        }
      }
    }
    let (absent, byteCount) = owed.withLock { ($0.first, $0.takenByteCount) }
    if let absent { throw PosternError.absentObject(absent) }
    return byteCount
  }

  /// Writes what ``fetch(app:generation:from:with:into:)`` opened, on threads that may wait for the disk.
  ///
  /// - Throws: `storage.*`.
  func write(_ buffer: PieceBuffer, to file: DirectFile, on writers: QueuePool) async throws {
    try await withTaskExecutorPreference(writers) {
      try file.write(UnsafeRawBufferPointer(rebasing: buffer.memory[bufferRange]), at: offset)
    }
  }
}

/// The chunks of a span that have yet to come, by their ids.
private struct OwedChunks: Sendable {
  /// The ids that were asked for: rising, each once.
  let ids: [Digest]
  /// Sealed bytes of what has come.
  private(set) var takenByteCount = 0

  /// The chunks, by rising id; those that repeat stand side by side.
  private let chunks: [TreeWalk.PlacedChunk]
  /// Where in `chunks` those of each id begin, and where the last end.
  private let starts: [Int]
  private var isOwed: [Bool]
  /// The id behind the one that came last: a source mostly answers in the order asked.
  private var next = 0

  init(_ span: [TreeWalk.PlacedChunk]) {
    let chunks = span.sorted { $0.reference.id < $1.reference.id }
    let starts = chunks.indices.filter { $0 == 0 || chunks[$0 - 1].reference.id != chunks[$0].reference.id }
    ids = starts.map { chunks[$0].reference.id }
    isOwed = Array(repeating: true, count: ids.count)
    self.chunks = chunks
    self.starts = starts + [chunks.count]
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
