public import Core
import Synchronization

/// A file that is written past the page cache where its file system lets it.
///
/// Copying into the page cache, and finding pages for it, is the largest part of writing a file that nobody reads soon;
/// where memory is full of other files' pages it is several times what the rest costs. Each write goes around it but
/// for its first and last bytes, which share a page with a neighbour; those are written as usual. Writes of different
/// places may run side by side.
public final class DirectFile: Sendable {
  /// What offsets, lengths and addresses have to be multiples of, in bytes: a page, which no device's block exceeds.
  public static let alignment = 4_096

  private let file: OpenFile
  private let direct: OpenFile?
  /// Whether the file system took the file and refuses the writes.
  private let isRefused = Atomic(false)

  /// Takes a file over that grows at its end.
  init(growing file: consuming OpenFile) {
    direct = file.reopenedDirect()
    self.file = file
  }

  /// Takes a file over and gives it its length: within it a file takes writes side by side, at its end one after the
  /// other.
  ///
  /// - Throws: `storage.failed`.
  public convenience init(_ file: consuming OpenFile, byteCount: Int) throws(PosternError) {
    try file.truncate(to: UInt64(byteCount))
    self.init(growing: file)
  }

  /// Where the file was opened; error messages name it.
  var path: String { file.path }

  /// Where in a page-aligned buffer bytes have to begin that go to some offset, so that most of them can go directly.
  public static func lead(offset: Int) -> Int { offset % alignment }

  /// Writes all bytes at `offset`; they are durable with the next sync.
  ///
  /// - Throws: `storage.full`, `storage.failed`.
  public func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(PosternError) {
    let end = offset + bytes.count
    let first = (offset + DirectFile.alignment - 1) / DirectFile.alignment * DirectFile.alignment
    let last = end / DirectFile.alignment * DirectFile.alignment
    guard first < last, DirectFile.isAligned(bytes, at: first - offset), !isRefused.load(ordering: .relaxed) else {
      return try writeAsUsual(bytes, at: offset)
    }
    let middle = UnsafeRawBufferPointer(rebasing: bytes[first - offset..<last - offset])
    guard try writeDirect(middle, at: first) else { return try writeAsUsual(bytes, at: offset) }
    try writeCached(UnsafeRawBufferPointer(rebasing: bytes[..<(first - offset)]), at: offset)
    try writeCached(UnsafeRawBufferPointer(rebasing: bytes[(last - offset)...]), at: last)
  }

  private static func isAligned(_ bytes: UnsafeRawBufferPointer, at place: Int) -> Bool {
    bytes.baseAddress.map { Int(bitPattern: $0 + place).isMultiple(of: alignment) } ?? false
  }

  /// Writes past the page cache.
  ///
  /// - Returns: false where that is refused; some of it may be written then, and is written again.
  private func writeDirect(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(PosternError) -> Bool {
    switch direct {
    case .none: return false
    case .some(let direct):
      if try direct.writeDirect(bytes, at: UInt64(offset)) { return true }
      isRefused.store(true, ordering: .relaxed)
      return false
    }
  }

  /// Writes into the page cache, and has it written to the disk from there, so that the sync to come is short.
  private func writeAsUsual(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(PosternError) {
    try writeCached(bytes, at: offset)
    file.startWriteback(at: UInt64(offset), count: bytes.count)
  }

  /// Writes into the page cache: for bytes that are read again soon, or that are too few to be worth waiting for the
  /// disk.
  ///
  /// - Throws: `storage.full`, `storage.failed`.
  func writeCached(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(PosternError) {
    guard !bytes.isEmpty else { return }
    try file.write(bytes, at: UInt64(offset))
  }

  /// The bytes of a range; nil when the file ends before it does.
  ///
  /// - Throws: `storage.failed`.
  func read(at offset: UInt64, count: Int) throws(PosternError) -> [UInt8]? { try file.read(at: offset, count: count) }

  /// Starts reading a range without waiting, so that the read to come finds it in memory.
  func prefetch(at offset: UInt64, count: Int) { file.prefetch(at: offset, count: count) }

  /// Makes everything durable that was written.
  ///
  /// - Throws: `storage.sync-failed`, `storage.full`.
  public func syncData() throws(PosternError) { try file.syncData() }

  /// Gives a file that was opened without a name its name; see ``OpenFile/name(_:)``.
  public func name(_ path: String) -> CInt { file.name(path) }
}
