public import Core
import Glibc

/// What a file says of itself, and what lies beside it, where somebody means to read a database as a mere file.
public enum DatabaseFile {
  /// A file beside a database without which the database's own is not its state.
  public enum OtherPart: Equatable, Sendable {
    /// A write-ahead log, with transactions that may not be in the database's file.
    case writeAheadLog(path: String)
    /// A rollback journal, with what the database's file had before a transaction that may be half in it.
    case rollbackJournal(path: String)
  }

  /// What every SQLite database begins with.
  private static let magic = Array("SQLite format 3\0".utf8)
  /// What a rollback journal begins with while a transaction may be half in the database's file.
  ///
  /// One that is kept for the next transaction begins with zeros.
  private static let journalMagic: [UInt8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]

  /// Whether an open file begins as an SQLite database does; where it is read from next stays as it was.
  public static func isDatabase(_ file: borrowing Descriptor) -> Bool {
    begins(file, with: magic)
  }

  /// What else a database's state lies in; nil where all of it is in the database's file.
  ///
  /// - Parameter path: the database, or a link to it.
  public static func otherPart(of path: String) -> OtherPart? {
    // SQLite follows links, and keeps what goes with a database beside the file that they lead to.
    guard let real = realpath(path, nil) else { return nil }
    defer { free(real) }
    let (log, journal) = (String(cString: real) + "-wal", String(cString: real) + "-journal")
    if isFilled(log) { return .writeAheadLog(path: log) }
    return isFilled(journal) && isHot(journal) ? .rollbackJournal(path: journal) : nil
  }

  private static func isFilled(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_size > 0
  }

  /// Whether a journal is needed to undo what a transaction left in the database; so too one that nobody can look into.
  private static func isHot(_ path: String) -> Bool {
    let number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard number >= 0 else { return errno != ENOENT }
    return begins(Descriptor(number), with: journalMagic)
  }

  private static func begins(_ file: borrowing Descriptor, with magic: [UInt8]) -> Bool {
    var start = [UInt8](repeating: 0, count: magic.count)
    return pread(file.number, &start, start.count, 0) == start.count && start == magic
  }
}
