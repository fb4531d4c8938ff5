import Core
import Synchronization

/// The bytes of a file that grows at its end, collected into blocks of which one is written while the next one fills.
///
/// Objects come one by one and have 16 KiB or so: a system call an object would cost more than the copy into a block. A
/// block ends on a multiple of its size in the file, so that all of it can go past the page cache; two blocks take
/// turns, and whoever appends waits for the disk only when it is slower than he. A write that fails is told by the next
/// call that needs the disk, and nobody knows what the file holds then behind the last sync.
struct BlockWriter: ~Copyable, Sendable {
  private let file: BlockFile
  private let queue = SerialQueue(label: "postern.blocks")
  private var filling = Block()
  /// The block that was full before, which may still be on its way into the file.
  private var other: Block?
  /// Where the block that fills begins in the file.
  private var blockOffset: Int
  /// How many bytes of the block are filled; the first `writtenByteCount` of them are in the file.
  private var filledByteCount: Int
  private var writtenByteCount: Int
  /// How many bytes from its beginning the file has for certain, of those that were appended.
  private(set) var drainedByteCount: UInt64

  /// Where the bytes are counted that wait in memory, and how many of this file are counted there.
  private let waiting: WaitingBytes
  private var countedByteCount = 0

  /// Goes on at the end of a file.
  ///
  /// - Parameters:
  ///   - file: the file.
  ///   - byteCount: how many bytes it has.
  ///   - waiting: counts what waits in memory.
  init(_ file: consuming OpenFile, byteCount: UInt64, waiting: WaitingBytes) {
    self.waiting = waiting
    drainedByteCount = byteCount
    filledByteCount = Int(byteCount) % Block.byteCount
    writtenByteCount = filledByteCount
    blockOffset = Int(byteCount) - filledByteCount
    self.file = BlockFile(file)
  }

  /// Starts a new file with its first bytes, fewer than a block has.
  init(_ file: consuming OpenFile, beginning header: [UInt8], waiting: WaitingBytes) {
    self.init(file, byteCount: 0, waiting: waiting)
    header.withRawBytes { filling.put($0, at: 0) }
    filledByteCount = header.count
    countWaiting()
  }

  /// Nothing writes to the file any more when the value is gone: whoever opens it next finds it as it stays.
  deinit {
    queue.wait()
    waiting.add(-countedByteCount)
  }

  /// Where the file was opened; error messages name it.
  var path: String { file.direct.path }

  /// How many bytes the file has, those that still wait in memory included.
  var byteCount: UInt64 { UInt64(blockOffset + filledByteCount) }

  /// Appends bytes.
  ///
  /// - Throws: `storage.full`, `storage.failed`, also those of bytes before.
  mutating func append(_ bytes: UnsafeRawBufferPointer) throws(PosternError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = rest.prefix(Block.byteCount - filledByteCount)
      filling.put(UnsafeRawBufferPointer(rebasing: piece), at: filledByteCount)
      filledByteCount += piece.count
      rest = rest.dropFirst(piece.count)
      if filledByteCount == Block.byteCount { try handOver() }
    }
    countWaiting()
  }

  private mutating func countWaiting() {
    let byteCount = Int(self.byteCount - drainedByteCount)
    waiting.add(byteCount - countedByteCount)
    countedByteCount = byteCount
  }

  /// Gives a full block to the queue, and goes on in the other.
  private mutating func handOver() throws(PosternError) {
    try drain()
    let (block, offset, start, file) = (filling, blockOffset, writtenByteCount, file)
    queue.run { _ in file.write(block, from: start, at: offset) }
    filling = other ?? Block()
    other = block
    blockOffset += Block.byteCount
    (filledByteCount, writtenByteCount) = (0, 0)
  }

  /// Waits until the full blocks are in the file.
  private mutating func drain() throws(PosternError) {
    queue.wait()
    if let failure = file.failure.withLock({ $0 }) { throw failure }
    drainedByteCount = UInt64(blockOffset + writtenByteCount)
  }

  /// Writes all bytes into the file.
  ///
  /// What fills no block is written as usual: a sync follows, which would have to wait for the disk a second time.
  ///
  /// - Throws: `storage.full`, `storage.failed`.
  mutating func flush() throws(PosternError) {
    try drain()
    let bytes = filling.bytes(writtenByteCount..<filledByteCount)
    try file.direct.writeCached(bytes, at: blockOffset + writtenByteCount)
    writtenByteCount = filledByteCount
    drainedByteCount = byteCount
    countWaiting()
  }

  /// The bytes of a range that is drained; nil when it is not, and the file ends before it does.
  ///
  /// - Throws: `storage.failed`.
  borrowing func read(at offset: UInt64, count: Int) throws(PosternError) -> [UInt8]? {
    try file.direct.read(at: offset, count: count)
  }

  /// Starts reading a range that is drained, without waiting.
  borrowing func prefetch(at offset: UInt64, count: Int) { file.direct.prefetch(at: offset, count: count) }

  /// Makes durable what was appended: fdatasync.
  ///
  /// - Throws: `storage.full`, `storage.failed`, `storage.sync-failed`.
  mutating func syncData() throws(PosternError) {
    try flush()
    try file.direct.syncData()
  }
}

/// The file that the queue and the owner of a ``BlockWriter`` share, and what became of it.
private final class BlockFile: Sendable {
  let direct: DirectFile
  /// What a write of a full block failed with.
  let failure = Mutex<PosternError?>(nil)

  init(_ file: consuming OpenFile) { direct = DirectFile(growing: file) }

  func write(_ block: Block, from start: Int, at offset: Int) {
    guard failure.withLock({ $0 == nil }) else { return }
    do throws(PosternError) {
      try direct.write(block.bytes(start..<Block.byteCount), at: offset + start)
    } catch {
      failure.withLock { $0 = error }
    }
  }
}

/// Memory of one block, which begins on a page as its place in the file does.
///
/// `@unchecked Sendable`: a block belongs to whoever fills it until it is full, then to the queue until that has
/// written it, and ``BlockWriter/drain()`` stands between the queue's last look and the next byte.
private final class Block: @unchecked Sendable {
  static let byteCount = 1 << 20

  private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: DirectFile.alignment)

  deinit { memory.deallocate() }

  func put(_ bytes: UnsafeRawBufferPointer, at place: Int) {
    UnsafeMutableRawBufferPointer(rebasing: memory[place..<place + bytes.count]).copyMemory(from: bytes)
  }

  func bytes(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[range]) }
}
