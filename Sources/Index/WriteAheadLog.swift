import Core
import Glibc

/// SQLite's write-ahead log, as a file.
struct WriteAheadLog {
  private let path: String

  private static let pieceByteCount = 1 << 20

  /// The write-ahead log of an index.
  init(of path: String) {
    self.path = path + "-wal"
  }

  /// Writes the log over itself and syncs it: for a disk that has no room to move it into the database.
  ///
  /// After a sync that failed the kernel takes pages for clean that are not on the disk, and the next sync says that
  /// all is well. Bytes that are written again are synced again. Nobody may write the index meanwhile; who reads it
  /// sees no difference.
  ///
  /// - Throws: `storage.failed`; `storage.full` where the file system does not write in place.
  func makeDurable() throws(PosternError) {
    let file = open(path, O_RDWR | O_CLOEXEC)
    guard file >= 0 else { throw failure(errno) }
    defer { close(file) }
    var piece = [UInt8](repeating: 0, count: WriteAheadLog.pieceByteCount)
    var offset: off_t = 0
    while true {
      let count = pread(file, &piece, piece.count, offset)
      guard count >= 0 else { throw failure(errno) }
      if count == 0 { break }
      guard pwrite(file, piece, count, offset) == count else { throw failure(errno) }
      offset += off_t(count)
    }
    guard fdatasync(file) == 0 else { throw failure(errno) }
  }

  private func failure(_ number: CInt) -> PosternError {
    guard number != ENOSPC, number != EDQUOT else {
      return PosternError(
        .storageFull, "The disk of the archive's index is full.",
        advice: "Free space on the data folder's file system and try again.")
    }
    return PosternError(
      .storageFailed, "The archive's write-ahead log could not be made durable: \(String(cString: strerror(number))).",
      advice: "Check the disk and the file system before you start the archive again.")
  }
}
