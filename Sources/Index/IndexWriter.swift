public import Core
import GRDB

/// The only way to change the index: one transaction after the other, in the order of the calls.
///
/// A call runs to its end on the writer's own queue, whatever happens to the task that waits for it: the
/// transaction is a synchronous piece of code without a suspension in it, so that cancellation cannot roll
/// it back. (GRDB's asynchronous writes look at the calling task, and do roll back.) Nor does a long write
/// hold a thread that other tasks need.
///
/// Every call either did all of what it says, durably (write-ahead log, `synchronous` FULL), or threw and
/// changed nothing, with one exception: `index.unknown-outcome`. After it the writer refuses everything, and
/// the process has to end; the next start reads what was committed.
public actor IndexWriter {
  private let pool: DatabasePool
  private let queue = SerialQueue(label: "postern.index.writer")
  /// The unknown outcome that ended this writer's work.
  private var failure: PosternError?

  init(pool: DatabasePool) {
    self.pool = pool
  }

  /// The writer's own queue.
  public nonisolated var unownedExecutor: UnownedSerialExecutor {
    queue.asUnownedSerialExecutor()
  }

  /// Keeps a value under a name, in place of the one before.
  ///
  /// - Throws: `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func setMeta(_ key: String, _ value: [UInt8]) throws(PosternError) {
    try transaction { (database) throws(PosternError) in
      let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
      _ = try Query(database, sql).run(key, value)
    }
  }

  /// Runs `body` in one transaction; see ``Connection/transaction(_:)``.
  func transaction<Result>(
    _ body: (Database) throws(PosternError) -> Result
  ) throws(PosternError) -> Result {
    if let failure { throw failure }
    do throws(PosternError) {
      return try pool.writing { (connection) throws(PosternError) in try connection.transaction(body) }
    } catch {
      if error.code == .indexUnknownOutcome { failure = error }
      throw error
    }
  }
}
