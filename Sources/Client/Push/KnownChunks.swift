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

/// The blocks of a cache that are at hand.
private struct Window: ~Copyable {
  /// Some 3 MB; of a state in chunks of 16 KiB it is half a gigabyte.
  static let blockLimit = 8
  /// As many chunks as half of the window, none of them found: what changed is longer than the window.
  static let missLimit = blockLimit / 2 * FingerprintCache.blockEntryCount

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
  /// Where in the cache an entry with such a fingerprint lies, for those at hand.
  private var places: [UInt64: Int] = [:]
  /// The entry behind the one that was found last.
  private var next = 0
  private var missCount = 0

  init(_ reader: consuming FingerprintCacheReader) {
    blockCount = reader.blockCount
    self.reader = reader
    places.reserveCapacity(Window.blockLimit * FingerprintCache.blockEntryCount)
    while blocks.count < min(Window.blockLimit, blockCount) { load() }
  }

  mutating func find(_ question: KnownChunks.Question) -> ObjectReference? {
    if let found = entry(next, question) {
      next += 1
      missCount = 0
      // Two neighbours in a row tell where we are; one alone may be the repeat of a chunk from elsewhere.
      keepCentred()
      return found
    }
    guard let place = places[question.fingerprint.shortened], let found = entry(place, question) else {
      missCount += 1
      return nil
    }
    next = place + 1
    missCount = 0
    return found
  }

  /// Where more changed than the window holds, goes on at the same place of the state.
  mutating func follow(_ offset: Int) {
    guard missCount >= Window.missLimit else { return }
    while let last = blocks.last, last.plainEnd <= offset, canLoad { load() }
  }

  private func entry(_ place: Int, _ question: KnownChunks.Question) -> ObjectReference? {
    let (number, position) = place.quotientAndRemainder(dividingBy: FingerprintCache.blockEntryCount)
    guard blocks.indices.contains(number - firstNumber) else { return nil }
    let block = blocks[number - firstNumber]
    guard position < block.entryCount else { return nil }
    let bytes = Window.bytes(position, of: block.buffer)
    guard FingerprintCache.Entry.matches(question.fingerprint, bytes),
      let reference = FingerprintCache.Entry(bytes)?.reference, reference.plainByteCount == question.plainByteCount
    else { return nil }
    return reference
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
    if blocks.count == Window.blockLimit { dropFirst() }
    var plainEnd = blocks.last?.plainEnd ?? 0
    for position in 0..<entryCount {
      let bytes = Window.bytes(position, of: buffer)
      places[Fingerprint(bytes).shortened] = number * FingerprintCache.blockEntryCount + position
      plainEnd += FingerprintCache.Entry(bytes)?.reference.plainByteCount ?? 0
    }
    blocks.append(Block(buffer: buffer, entryCount: entryCount, plainEnd: plainEnd))
  }

  private mutating func dropFirst() {
    let block = blocks.removeFirst()
    let end = (firstNumber + 1) * FingerprintCache.blockEntryCount
    for position in 0..<block.entryCount {
      let name = Fingerprint(Window.bytes(position, of: block.buffer)).shortened
      // Another entry with the same fingerprint may have come since.
      if let place = places[name], place < end { places[name] = nil }
    }
    firstNumber += 1
    buffers.give(block.buffer)
  }
}
