public import Core
import Synchronization

/// A file of a length that is known, written past the page cache where its file system lets it.
///
/// Copying into the page cache, and finding pages for it, is the largest part of writing a file that nobody reads soon. Each
/// write goes around it but for its first and last bytes, which share a page with a neighbour; those are written as
/// usual. Writes of different places may run side by side.
public final class DirectFile: Sendable {
  /// What offsets, lengths and addresses have to be multiples of, in bytes: a page, which no device's block exceeds.
  public static let alignment = 4_096

  private let file: OpenFile
  private let direct: OpenFile?
  /// Whether the file system took the file and refuses the writes.
  private let isRefused = Atomic(false)

  /// Takes a file over and gives it its length.
  ///
  /// - Throws: `storage.failed`.
  public init(_ file: consuming OpenFile, byteCount: Int) throws(PosternError) {
    // Within its length a file takes writes side by side; at its end, one after the other.
    try file.truncate(to: UInt64(byteCount))
    direct = file.reopenedDirect()
    self.file = file
  }

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
      return try writeBuffered(bytes, at: offset)
    }
    let middle = UnsafeRawBufferPointer(rebasing: bytes[first - offset..<last - offset])
    guard try writeDirect(middle, at: first) else { return try writeBuffered(bytes, at: offset) }
    try writeBuffered(UnsafeRawBufferPointer(rebasing: bytes[..<(first - offset)]), at: offset)
    try writeBuffered(UnsafeRawBufferPointer(rebasing: bytes[(last - offset)...]), at: last)
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
      do throws(PosternError) {
        try direct.write(bytes, at: UInt64(offset))
        return true
      } catch let error where error.code == .storageFailed {
        isRefused.store(true, ordering: .relaxed)
        return false
      }
    }
  }

  private func writeBuffered(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(PosternError) {
    guard !bytes.isEmpty else { return }
    try file.write(bytes, at: UInt64(offset))
  }

  /// Makes everything durable that was written.
  ///
  /// - Throws: `storage.sync-failed`, `storage.full`.
  public func syncData() throws(PosternError) { try file.syncData() }

  /// Gives a file that was opened without a name its name; see ``OpenFile/name(_:)``.
  public func name(_ path: String) -> CInt { file.name(path) }
}
