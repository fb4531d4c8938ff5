public import Core
import GRDBSQLite
import Glibc
import Sodium

/// A consistent copy of an SQLite database that others go on writing to.
///
/// The copy is one step of SQLite's backup, so that writers cannot make it start anew for ever. Every page lies where
/// it lies in the database, so that what did not change is the same chunk as before; the copy of an unchanged database
/// is the same, byte for byte. Of the first page a few bytes differ from the database's own: counters of changes, which
/// begin anew.
public struct DatabaseSnapshot {
  /// How long a snapshot waits for others' locks, in seconds.
  static let patienceSeconds = 10

  private static let permissions: mode_t = 0o600
  private static let smallestPageByteCount = 512
  /// What writers may need meanwhile: this share of the database, and so many bytes.
  private static let margin = (share: 16, byteCount: 1 << 20)

  /// The database, as it was named.
  private let path: String
  /// The database, no link.
  private let realPath: String
  private var folder: String { String(realPath[...(realPath.lastIndex(of: "/") ?? realPath.startIndex)]) }

  /// Takes a snapshot, in a file that has no name any more: nothing of the database is left, however the process ends.
  ///
  /// One that is killed before the name is gone leaves an empty file.
  ///
  /// Nothing is written to the database, nor moved into it from its write-ahead log. Where that has no index in shared
  /// memory, reading makes one, as every reader does.
  ///
  /// - Parameter path: the database. The snapshot lies in its folder, with mode 0600.
  /// - Returns: the snapshot, at its first byte.
  /// - Throws: `snapshot.*`; nothing is left then.
  public static func take(of path: String) throws(PosternError) -> Descriptor {
    try DatabaseSnapshot(of: path).take()
  }

  private init(of path: String) throws(PosternError) {
    guard let real = realpath(path, nil) else {
      if errno == ENOENT || errno == ENOTDIR { throw .missingDatabase(path) }
      throw .unreadableDatabase(path, String(cString: strerror(errno)))
    }
    defer { free(real) }
    self.path = path
    realPath = String(cString: real)
    var status = stat()
    guard stat(realPath, &status) == 0 else { throw .unreadableDatabase(path, String(cString: strerror(errno))) }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw .folderOfDatabase(path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .noDatabase(path) }
    // Less than a page is no database, though SQLite takes it for one without tables; nothing at all is one.
    guard status.st_size == 0 || status.st_size >= DatabaseSnapshot.smallestPageByteCount else {
      throw .noDatabase(path)
    }
  }

  private func take() throws(PosternError) -> Descriptor {
    let source = try telling { () throws(SQLiteFailure) in try open() }
    // What is counted now is what is copied below: the transaction sees one state of the database.
    let pages = try telling { () throws(SQLiteFailure) in
      (count: try source.number("PRAGMA page_count"), byteCount: try source.number("PRAGMA page_size"))
    }
    try requireRoom(for: pages.count * pages.byteCount)
    let file = try SnapshotFile(in: folder, of: path, permissions: DatabaseSnapshot.permissions)
    try telling { () throws(SQLiteFailure) in
      let target = try file.connect()
      try target.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE")
      try source.copy(to: target)
    }
    // SQLite makes one page of an empty database.
    guard file.byteCount == max(pages.count, 1) * pages.byteCount else {
      throw .noPlace(path, "another file came in its place")
    }
    return file.opened()
  }

  /// Opens the database and begins a transaction that reads.
  private func open() throws(SQLiteFailure) -> SQLiteConnection {
    let source = try SQLiteConnection(realPath, isWritable: false)
    source.setPatience(seconds: DatabaseSnapshot.patienceSeconds)
    try source.execute("BEGIN")
    return source
  }

  private func telling<Result: ~Copyable>(
    _ body: () throws(SQLiteFailure) -> Result
  ) throws(PosternError) -> Result {
    do throws(SQLiteFailure) {
      return try body()
    } catch {
      throw self.error(error)
    }
  }

  /// Says that the folder's file system has room for the snapshot, and some for those who write meanwhile.
  private func requireRoom(for byteCount: Int) throws(PosternError) {
    let needed = byteCount + byteCount / DatabaseSnapshot.margin.share + DatabaseSnapshot.margin.byteCount
    guard let free = FileSystemRoom(ofFolder: folder)?.freeByteCount, free < UInt64(needed) else { return }
    throw .noRoom(beside: path, free: free, needed: needed)
  }

  private func error(_ failure: SQLiteFailure) -> PosternError {
    switch (failure.code, failure.systemNumber) {
    case (SQLITE_FULL, _), (_, ENOSPC), (_, EDQUOT): .fullDisk(beside: path)
    case (SQLITE_NOTADB, _): .noDatabase(path)
    case (SQLITE_BUSY, _), (SQLITE_LOCKED, _): .busyDatabase(path)
    case (SQLITE_CORRUPT, _): .damagedDatabase(path)
    default: .unreadableDatabase(path, failure.message)
    }
  }
}
