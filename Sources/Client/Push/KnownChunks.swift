package import Dump
import Synchronization

/// The chunks of the epoch before, for those of a state that did not change since.
///
/// A state mostly has the chunks of the one before, in its order. So the cache is read along with the state, and a
/// window of it is at hand: ``Window/blockLimit`` blocks, half of them before the last chunk that was found. What was
/// inserted, removed or changed in between moves nothing out of the window unless it is longer than half of it.
package final class KnownChunks: Sendable {
  /// A chunk to look for.
  package struct Question {
    let fingerprint: Fingerprint
    let plainByteCount: Int

    /// A chunk of so many bytes.
    package init(fingerprint: Fingerprint, plainByteCount: Int) {
      self.fingerprint = fingerprint
      self.plainByteCount = plainByteCount
    }
  }

  /// What is known of a chunk.
  package struct Answer: Sendable {
    package let fingerprint: Fingerprint
    /// Nil for a chunk that was not found.
    package let reference: ObjectReference?
  }

  private let window: Mutex<Window>

  /// The chunks of a cache.
  package init(_ reader: consuming FingerprintCacheReader) {
    window = Mutex(Window(reader))
  }

  /// What is known of a piece's chunks, in their order; nil for one that was not found.
  ///
  /// - Parameters:
  ///   - questions: the chunks.
  ///   - offset: where in the state the first one begins.
  package func references(of questions: [Question], at offset: Int) -> [ObjectReference?] {
    window.withLock { window in
      let references = questions.map { window.find($0) }
      window.follow(offset)
      return references
    }
  }
}

extension KnownChunks {
  /// How long the chunk is that most likely comes next; nil where none is likely.
  func expectedByteCount() -> Int? { window.withLock { $0.expectedByteCount() } }

  /// The chunk that ``expectedByteCount()`` is of, if it has this fingerprint.
  func expectedReference(_ fingerprint: Fingerprint) -> ObjectReference? {
    window.withLock { $0.takeExpected(fingerprint) }
  }

  /// What is known of the state's next chunk; nil where it is not found.
  func reference(of question: Question) -> ObjectReference? { window.withLock { $0.find(question) } }

  /// Takes notice that the state was looked through up to an offset: where more changed than the window holds, it goes
  /// on at the same place.
  func follow(_ offset: Int) { window.withLock { $0.follow(offset) } }
}

/// The blocks of a cache that are at hand.
private struct Window: ~Copyable {
  /// Some 3 MB; of a state in chunks of 16 KiB it is half a gigabyte.
  static let blockLimit = 8
  /// As many chunks as half of the window, none of them found: what changed is longer than the window.
  static let missLimit = blockLimit / 2 * FingerprintCache.blockEntryCount

  /// After so many chunks that were not found, the next one is not foreseen until one is found again: what is foreseen
  /// in vain costs a fingerprint.
  static let foresightLimit = 8

  private struct Block {
    let buffer: PieceBuffer
    let entryCount: Int
    /// Where in the state of the epoch before its last chunk ends.
    let plainEnd: Int
  }

  private var reader: FingerprintCacheReader
  private let buffers = BufferPool(byteCount: FingerprintCache.blockByteCount)
  private var blocks: [Block] = []
  /// The number of the first block that is at hand.
  private var firstNumber = 0
  /// Blocks of the file, or fewer where one of them does not open.
  private var blockCount: Int
  /// Entries of the whole cache.
  private let entryCount: Int
  private var places = PlaceTable()
  /// The entry behind the one that was found last.
  private var next = 0
  /// Chunks since then that were not found.
  private var missCount = 0

  init(_ reader: consuming FingerprintCacheReader) {
    blockCount = reader.blockCount
    entryCount = reader.entryCount
    self.reader = reader
    while blocks.count < min(Window.blockLimit, blockCount) { load() }
  }

  /// The length of the entry that most likely comes next.
  ///
  /// Not of the cache's last one, whose chunk the state's end cut off.
  func expectedByteCount() -> Int? {
    let place = next + missCount
    guard missCount < Window.foresightLimit, place < entryCount - 1, let bytes = bytes(at: place) else { return nil }
    return FingerprintCache.Entry.plainByteCount(bytes)
  }

  /// The entry that most likely comes next, if it has this fingerprint.
  mutating func takeExpected(_ fingerprint: Fingerprint) -> ObjectReference? {
    let place = next + missCount
    guard let bytes = bytes(at: place), Fingerprint(bytes) == fingerprint else { return nil }
    (next, missCount) = (place + 1, 0)
    keepCentred()
    return FingerprintCache.Entry.reference(bytes)
  }

  mutating func find(_ question: KnownChunks.Question) -> ObjectReference? {
    // Most chunks follow the one before, or the same number of others that changed in place.
    if let found = take(next + missCount, question) ?? (missCount > 0 ? take(next, question) : nil) {
      // Neighbours tell where we are; one that is found elsewhere may be the repeat of a chunk that many places have.
      keepCentred()
      return found
    }
    for place in places.candidates(for: question.fingerprint) {
      if let found = take(place, question) { return found }
    }
    missCount += 1
    return nil
  }

  /// Where more changed than the window holds, goes on at the same place of the state.
  mutating func follow(_ offset: Int) {
    guard missCount >= Window.missLimit else { return }
    while let last = blocks.last, last.plainEnd <= offset, canLoad { load() }
  }

  /// The entry at a place, if it is the one that is looked for; the next one is looked for behind it.
  private mutating func take(_ place: Int, _ question: KnownChunks.Question) -> ObjectReference? {
    guard let found = entry(place, question) else { return nil }
    (next, missCount) = (place + 1, 0)
    return found
  }

  private func entry(_ place: Int, _ question: KnownChunks.Question) -> ObjectReference? {
    guard let bytes = bytes(at: place), Fingerprint(bytes) == question.fingerprint,
      FingerprintCache.Entry.plainByteCount(bytes) == question.plainByteCount
    else { return nil }
    return FingerprintCache.Entry.reference(bytes)
  }

  /// The entry at a place; nil where it is not at hand.
  private func bytes(at place: Int) -> UnsafeRawBufferPointer? {
    guard place >= 0 else { return nil }
    let (number, position) = place.quotientAndRemainder(dividingBy: FingerprintCache.blockEntryCount)
    guard blocks.indices.contains(number - firstNumber) else { return nil }
    let block = blocks[number - firstNumber]
    return position < block.entryCount ? Window.bytes(position, of: block.buffer) : nil
  }

  private static func bytes(_ position: Int, of buffer: PieceBuffer) -> UnsafeRawBufferPointer {
    let start = position * FingerprintCache.Entry.byteCount
    return UnsafeRawBufferPointer(rebasing: buffer.memory[start..<start + FingerprintCache.Entry.byteCount])
  }

  private var canLoad: Bool { firstNumber + blocks.count < blockCount }

  private mutating func keepCentred() {
    while next / FingerprintCache.blockEntryCount - firstNumber >= Window.blockLimit / 2, canLoad { load() }
  }

  /// Takes the next block in, in the place of the first one where there are enough.
  private mutating func load() {
    let number = firstNumber + blocks.count
    let buffer = buffers.take()
    guard let entryCount = reader.readBlock(number, into: buffer) else {
      // A damaged file helps as far as it goes.
      blockCount = number
      return
    }
    if blocks.count == Window.blockLimit {
      buffers.give(blocks.removeFirst().buffer)
      firstNumber += 1
    }
    var plainEnd = blocks.last?.plainEnd ?? 0
    for position in 0..<entryCount {
      let bytes = Window.bytes(position, of: buffer)
      places.insert(number * FingerprintCache.blockEntryCount + position, of: Fingerprint(bytes))
      plainEnd += FingerprintCache.Entry.plainByteCount(bytes)
    }
    blocks.append(Block(buffer: buffer, entryCount: entryCount, plainEnd: plainEnd))
  }
}

/// Where in the cache a fingerprint may lie: a hint, which whoever follows it checks.
///
/// Each fingerprint has four places to choose from, and the oldest makes room. So nothing has to be taken out when the
/// window moves on, and one entry in some hundreds is not found.
private struct PlaceTable {
  private static let wayCount = 4
  private static let setCount = Window.blockLimit * FingerprintCache.blockEntryCount
  private static let none = -1

  private var places = [Int](repeating: none, count: setCount * wayCount)

  private static func ways(of fingerprint: Fingerprint) -> Range<Int> {
    let first = Int(fingerprint.shortened % UInt64(setCount)) * wayCount
    return first..<first + wayCount
  }

  mutating func insert(_ place: Int, of fingerprint: Fingerprint) {
    let ways = PlaceTable.ways(of: fingerprint)
    var oldest = ways.lowerBound
    for way in ways where places[way] < places[oldest] { oldest = way }
    places[oldest] = place
  }

  /// The places, the newest of them anywhere among them.
  func candidates(for fingerprint: Fingerprint) -> ArraySlice<Int> { places[PlaceTable.ways(of: fingerprint)] }
}
