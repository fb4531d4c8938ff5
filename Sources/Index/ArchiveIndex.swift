public import Core
import GRDB
package import Migrations
import Synchronization

/// The index of an archive: the log's entries and where everything else lies, in one SQLite file.
///
/// Reads are synchronous, short and bounded, each on a consistent snapshot beside whatever is being written.
/// Writes go through ``writer``, one after the other.
public final class ArchiveIndex: Sendable {
  /// The most rows that one page answers: a page of the protocol, and one that says whether there is another.
  public static let pageLimit = ProtocolLimits.pageRowCount + 1
  /// The most entries that one read answers: a full bundle.
  public static let entryLimit = 256

  /// How many reads go on side by side.
  ///
  /// More than there are processors: short reads shall find a connection beside long pages of lists. A connection holds
  /// at most 2 MiB of pages and two descriptors.
  private static let readerCount = 32

  /// The one way to change the index.
  public let writer: IndexWriter
  private let pool: DatabasePool
  private let nextPack: Mutex<UInt64>
  private let nextRun: Mutex<UInt64>

  /// Opens an index, makes it where there is none, and takes the migrations that are due.
  ///
  /// The caller holds the data folder's lock, and syncs the folder after the first open: SQLite syncs it
  /// with its write-ahead log alone. All that an opened index shows is durable, whatever the process before
  /// left behind; on a full disk, too, unless a migration is due or nothing was ever written since the index was
  /// closed.
  ///
  /// - Parameter path: the file; its write-ahead log and shared memory lie beside it.
  /// - Throws: `index.newer`, `index.changed`, `index.foreign`, `index.damaged`, `index.unsafe`,
  ///   `index.busy`, `storage.full`, `storage.failed`.
  public static func open(path: String) throws(PosternError) -> ArchiveIndex {
    try open(path: path, migrations: Migration.all)
  }

  /// Opens an index with a program's list of migrations.
  package static func open(path: String, migrations: [Migration]) throws(PosternError) -> ArchiveIndex {
    var configuration = Configuration()
    configuration.maximumReaderCount = readerCount
    configuration.busyMode = .timeout(5)
    configuration.label = "postern.index"
    let pool: DatabasePool
    do {
      pool = try DatabasePool(path: path, configuration: configuration)
    } catch {
      throw indexError(error)
    }
    let next = try pool.writing { (connection) throws(PosternError) in
      try connection.makeDurable()
      try Migrator(migrations: migrations).run(connection)
      do throws(PosternError) {
        try connection.checkpoint()
        try connection.beginLog()
      } catch let error where error.code == .storageFull {
        // It can be read as it is, once that is durable.
        try WriteAheadLog(of: path).makeDurable()
      }
      let next = try Query(connection.database, "SELECT max(seq) + 1 FROM sqlite_sequence WHERE name = ?1")
      let pack = try next.first("pack") { (query) throws(PosternError) in
        query.isNull(0) ? 1 : try query.number(0, in: 1...PackRow.numberLimit - 1)
      }
      let run = try next.first("run") { (query) throws(PosternError) in query.isNull(0) ? 1 : try query.ordinal(0) }
      return (pack: pack ?? 1, run: run ?? 1)
    }
    return ArchiveIndex(pool: pool, nextPack: next.pack, nextRun: next.run)
  }

  private init(pool: DatabasePool, nextPack: UInt64, nextRun: UInt64) {
    self.pool = pool
    self.nextPack = Mutex(nextPack)
    self.nextRun = Mutex(nextRun)
    writer = IndexWriter(pool: pool)
  }

  /// Answers questions on one consistent snapshot of what is committed.
  ///
  /// The call blocks its thread for the length of `body`, which does nothing but ask, and before that until a
  /// connection is free.
  ///
  /// - Throws: what `body` throws; `index.damaged`, `index.busy`, `storage.failed`.
  public func read<Result>(
    _ body: (borrowing IndexSnapshot) throws(PosternError) -> Result
  ) throws(PosternError) -> Result {
    do {
      return try pool.read { database in try body(IndexSnapshot(database: database)) }
    } catch {
      throw indexError(error)
    }
  }

  /// The number of a new pack, which names its file in `incoming/`.
  ///
  /// Nothing is written: the pack's row is made by its first batch or by the commit that seals it. A number
  /// is never given twice while a row of it was ever made; a file of that number in `incoming/` without a
  /// row was left by a crash, and goes at start.
  public func reservePack() -> UInt64 {
    nextPack.withLock { next in
      defer { next += 1 }
      return next
    }
  }

  /// The number of a new run, which names its file in `runs/`.
  ///
  /// As with packs, nothing is written, and a file of that number without a row was left by a crash.
  public func reserveRun() -> UInt64 {
    nextRun.withLock { next in
      defer { next += 1 }
      return next
    }
  }

  /// Closes every connection; a call after it is an error.
  ///
  /// - Throws: `index.busy` when a read or write is under way.
  public func close() throws(PosternError) {
    do {
      try pool.close()
    } catch {
      throw indexError(error)
    }
  }
}

extension DatabasePool {
  /// Runs `body` on the writing connection, on the calling thread.
  ///
  /// GRDB's synchronous access does not look at the task that calls it: cancellation never interrupts a
  /// statement here, as it would in the asynchronous one.
  func writing<Result>(
    _ body: (Connection) throws(PosternError) -> Result
  ) throws(PosternError) -> Result {
    do {
      return try writeWithoutTransaction { database in try body(Connection(database: database)) }
    } catch {
      throw indexError(error)
    }
  }
}
