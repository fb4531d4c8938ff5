import GRDBSQLite
import Glibc

/// What SQLite answered when it failed.
struct SQLiteFailure: Error {
  /// The result code without its details.
  let code: Int32
  /// What the operating system answered last; 0 where it was not asked.
  let systemNumber: Int32
  /// SQLite's words.
  let message: String
}

/// An open database, closed with the value.
struct SQLiteConnection: ~Copyable {
  private let handle: OpaquePointer

  /// Opens a database that exists.
  init(_ path: String, isWritable: Bool) throws(SQLiteFailure) {
    var handle: OpaquePointer?
    let access = isWritable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY
    let code = sqlite3_open_v2(path, &handle, access | SQLITE_OPEN_NOMUTEX, nil)
    guard code == SQLITE_OK, let handle else {
      let failure = SQLiteConnection.failure(code, of: handle)
      sqlite3_close(handle)
      throw failure
    }
    self.handle = handle
  }

  deinit { sqlite3_close(handle) }

  /// Lets calls wait for others' locks, and ask for them often.
  ///
  /// SQLite's own way of waiting asks ten times a second, and a writer that commits without a pause between leaves no
  /// more than moments in which nobody holds the lock.
  func setPatience(seconds: Int) {
    let limit = UnsafeMutableRawPointer(bitPattern: seconds * 1_000_000 / Int(SQLiteConnection.pauseMicroseconds))
    sqlite3_busy_handler(
      handle,
      { limit, count in
        guard count < Int(bitPattern: limit) else { return 0 }
        usleep(SQLiteConnection.pauseMicroseconds)
        return 1
      }, limit)
  }

  private static let pauseMicroseconds: UInt32 = 2_000

  /// Runs statements, whatever they answer.
  func execute(_ text: String) throws(SQLiteFailure) {
    let code = sqlite3_exec(handle, text, nil, nil, nil)
    guard code == SQLITE_OK else { throw SQLiteConnection.failure(code, of: handle) }
  }

  /// The number that a statement answers.
  func number(_ text: String) throws(SQLiteFailure) -> Int {
    var statement: OpaquePointer?
    var code = sqlite3_prepare_v2(handle, text, -1, &statement, nil)
    defer { sqlite3_finalize(statement) }
    if code == SQLITE_OK { code = sqlite3_step(statement) }
    guard code == SQLITE_ROW else { throw SQLiteConnection.failure(code, of: handle) }
    return Int(sqlite3_column_int64(statement, 0))
  }

  /// Copies all of this database into another one in a single step, which no writer can make start anew.
  func copy(to target: borrowing SQLiteConnection) throws(SQLiteFailure) {
    guard let backup = sqlite3_backup_init(target.handle, "main", handle, "main") else {
      throw SQLiteConnection.failure(sqlite3_errcode(target.handle), of: target.handle)
    }
    let step = sqlite3_backup_step(backup, -1)
    // The system's answer is that of the one that failed: a full disk the target's, a broken one either's.
    let systemNumbers = [sqlite3_system_errno(target.handle), sqlite3_system_errno(handle)]
    let code = sqlite3_backup_finish(backup)
    guard step == SQLITE_DONE, code == SQLITE_OK else {
      let failed = step == SQLITE_DONE ? code : step
      throw SQLiteFailure(
        code: failed & 0xff, systemNumber: systemNumbers.first { $0 != 0 } ?? 0,
        message: String(cString: sqlite3_errstr(failed)))
    }
  }

  private static func failure(_ code: Int32, of handle: OpaquePointer?) -> SQLiteFailure {
    SQLiteFailure(
      code: code & 0xff, systemNumber: sqlite3_system_errno(handle),
      message: sqlite3_errmsg(handle).map { String(cString: $0) } ?? "out of memory")
  }
}
