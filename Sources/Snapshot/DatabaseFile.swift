public import Core
import Glibc

/// What a file says of itself, and what lies beside it, where somebody means to read a database as a mere file.
public enum DatabaseFile {
  /// What every SQLite database begins with.
  private static let magic = Array("SQLite format 3\0".utf8)

  /// Whether an open file begins as an SQLite database does; where it is read from next stays as it was.
  public static func isDatabase(_ file: borrowing Descriptor) -> Bool {
    var start = [UInt8](repeating: 0, count: magic.count)
    return pread(file.number, &start, start.count, 0) == start.count && start == magic
  }

  /// Whether a write-ahead log lies beside a database, with transactions in it that may not be in the database's file.
  ///
  /// - Parameter path: the database, or a link to it.
  public static func hasWriteAheadLog(_ path: String) -> Bool {
    // SQLite follows links, and keeps the log beside the file that they lead to.
    guard let real = realpath(path, nil) else { return false }
    defer { free(real) }
    var status = stat()
    return stat(String(cString: real) + "-wal", &status) == 0 && status.st_size > 0
  }
}
