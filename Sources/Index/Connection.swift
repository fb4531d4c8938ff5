import Core
import GRDB
import GRDBSQLite

/// The writing connection while a write has it: where a transaction begins and its outcome is told.
struct Connection {
  let database: Database

  /// Runs `body` in one transaction, and says exactly what became of it.
  ///
  /// What `body` throws, a full disk and a broken constraint roll back: the state is as it was. An I/O error
  /// of COMMIT itself leaves open whether the transaction is on the disk: its last frame may have been
  /// written and not synced, and would count after a crash.
  ///
  /// - Throws: what `body` throws; `storage.full`; `index.unknown-outcome`.
  func transaction<Result>(
    _ body: (Database) throws(PosternError) -> Result
  ) throws(PosternError) -> Result {
    if let code = execute("BEGIN IMMEDIATE") { throw error(code) }
    let result: Result
    do throws(PosternError) {
      result = try body(database)
    } catch {
      try rollBack()
      throw error
    }
    if let code = execute("COMMIT") {
      let failure = error(code)
      guard [SQLITE_FULL, SQLITE_CONSTRAINT].contains(code & 0xff) else { throw unknownOutcome(failure) }
      try rollBack()
      throw failure
    }
    return result
  }

  /// Brings the connection into the mode that the archive's promises rest on, and asserts it.
  ///
  /// GRDB opens with `synchronous` NORMAL, under which a power failure loses the newest commits.
  ///
  /// - Throws: `index.unsafe` when SQLite does not take a setting.
  func makeDurable() throws(PosternError) {
    try set("synchronous", "FULL", reads: "2")
    try set("foreign_keys", "ON", reads: "1")
    try set("cache_size", "-32768", reads: "-32768")
    try set("wal_autocheckpoint", "16384", reads: "16384")
    try set("journal_size_limit", "134217728", reads: "134217728")
    guard try value(of: "journal_mode") == "wal" else {
      throw PosternError(
        .indexUnsafe, "The file system gives the archive's index no write-ahead log.",
        advice: "Put the data folder on a local file system.")
    }
  }

  /// Moves every committed page from the write-ahead log into the database and syncs both.
  ///
  /// What a crashed process left in the log may never have reached the disk, even though reading shows it;
  /// after this, all that is seen is durable.
  ///
  /// - Throws: what SQLite answers.
  func checkpoint() throws(PosternError) {
    do {
      _ = try database.checkpoint(.truncate)
    } catch {
      throw indexError(error)
    }
  }

  /// Writes a page into the empty write-ahead log.
  ///
  /// GRDB makes an empty one ready by writing to it: then no index would open on a disk that has become full.
  ///
  /// - Throws: what SQLite answers.
  func beginLog() throws(PosternError) {
    if let code = execute("PRAGMA user_version = 0") { throw error(code) }
  }

  private func set(_ pragma: String, _ value: String, reads expected: String) throws(PosternError) {
    if let code = execute("PRAGMA \(pragma) = \(value)") { throw error(code) }
    guard try self.value(of: pragma) == expected else {
      throw PosternError(
        .indexUnsafe, "SQLite did not take the setting \(pragma) = \(value).",
        advice: "Use the system's SQLite of the supported distribution.")
    }
  }

  private func value(of pragma: String) throws(PosternError) -> String? {
    try Query(database, "PRAGMA \(pragma)").first { $0.text(0) }
  }

  private func rollBack() throws(PosternError) {
    // SQLite may have rolled back on its own, and then answers an error that says so.
    _ = execute("ROLLBACK")
    guard !database.isInsideTransaction else {
      throw unknownOutcome(error(sqlite3_extended_errcode(database.sqliteConnection)))
    }
  }

  /// Runs a statement without rows; nil when it went well, else SQLite's extended result code.
  private func execute(_ sql: String) -> CInt? {
    let code = sqlite3_exec(database.sqliteConnection, sql, nil, nil, nil)
    return code == SQLITE_OK ? nil : sqlite3_extended_errcode(database.sqliteConnection)
  }

  private func error(_ code: CInt) -> PosternError {
    indexError(
      code, database.lastErrorMessage ?? "no message",
      systemError: sqlite3_system_errno(database.sqliteConnection))
  }

  private func unknownOutcome(_ cause: PosternError) -> PosternError {
    PosternError(
      .indexUnknownOutcome, "It is not known whether the last commit is on the disk: \(cause.message)",
      advice: "The archive ends itself; check the disk, then start it again: it reads what was committed.")
  }
}
