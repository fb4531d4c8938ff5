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
  /// How many bytes are fetched for it.
  var sealedByteCount: Int {
    var seen: Set<Digest> = []
    return chunks.reduce(0) { seen.insert($1.reference.id).inserted ? $0 + $1.reference.sealedByteCount : $0 }
  }

  /// Fetches the chunks and opens them into a buffer's ``bufferRange`` as they come, each checked against its id.
  ///
  /// - Throws: `source.*`, `dump.*`; what the source throws.
  func fetch(
    app: Digest, generation: UInt64, from source: some Source, with openers: WorkerPool<ChunkOpener>,
    into buffer: PieceBuffer
  ) async throws {
    let owed = Mutex(Dictionary(grouping: chunks, by: \.reference.id))
    let query = try ObjectQuery(app: app, generation: generation, ids: Array(owed.withLock { $0.keys }))
    let start = offset - bufferRange.lowerBound
    try await source.objects(query) { batch in
      for object in batch {
        guard let places = owed.withLock({ $0.removeValue(forKey: object.id) }) else {
          throw PosternError.unaskedObject(object.id)
        }
        try openers.withWorker { opener in
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
    if let id = owed.withLock({ $0.keys.first }) { throw PosternError.absentObject(id) }
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
