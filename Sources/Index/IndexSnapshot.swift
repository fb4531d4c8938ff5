public import Core
import GRDB

/// One consistent view of the index, for the length of ``ArchiveIndex/read(_:)``.
///
/// Every query throws `index.damaged`, `index.busy` or `storage.failed` when SQLite cannot answer it.
public struct IndexSnapshot: ~Copyable {
  let database: Database

  init(database: Database) {
    self.database = database
  }

  /// Refuses a question for too much.
  ///
  /// - Throws: `index.limit`.
  func check(_ count: Int, limit: Int) throws(PosternError) {
    guard (0...limit).contains(count) else {
      throw PosternError(
        .indexLimit, "\(count) rows were asked for, and one call answers at most \(limit).",
        advice: "Ask in smaller pieces.")
    }
  }
}

// The log.
extension IndexSnapshot {
  /// The newest checkpoint; nil before the first.
  public borrowing func newestCheckpoint() throws(PosternError) -> CheckpointRow? {
    try Query(database, "SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1").first {
      CheckpointRow(size: $0.number(0), note: $0.bytes(1))
    }
  }

  /// The checkpoint of one size; nil where the log was never signed at it.
  public borrowing func checkpoint(size: UInt64) throws(PosternError) -> CheckpointRow? {
    try Query(database, "SELECT size, note FROM checkpoint WHERE size = ?1").first(size) {
      CheckpointRow(size: $0.number(0), note: $0.bytes(1))
    }
  }

  /// The entry at one index; nil beyond the log's end.
  public borrowing func entry(_ index: UInt64) throws(PosternError) -> EntryRow? {
    try Query(database, "SELECT number, leaf_hash, kind, app, bytes FROM entry WHERE number = ?1")
      .first(index, row: EntryRow.init(row:))
  }

  /// The entries of a range, in order; fewer where the log ends.
  ///
  /// - Throws: `index.limit` beyond ``ArchiveIndex/entryLimit``.
  public borrowing func entries(_ range: Range<UInt64>) throws(PosternError) -> [EntryRow] {
    try check(Int(clamping: range.upperBound - range.lowerBound), limit: ArchiveIndex.entryLimit)
    return try Query(
      database,
      "SELECT number, leaf_hash, kind, app, bytes FROM entry WHERE number >= ?1 AND number < ?2 ORDER BY number"
    )
    .all(Int64(clamping: range.lowerBound), Int64(clamping: range.upperBound), row: EntryRow.init(row:))
  }

  /// The hashes of a tile so far, 32 bytes each; nil where the tile has none yet.
  public borrowing func tile(level: UInt8, number: UInt64) throws(PosternError) -> [UInt8]? {
    try Query(database, "SELECT hashes FROM tile WHERE level = ?1 AND number = ?2")
      .first(UInt64(level), number) { $0.bytes(0) }
  }
}

extension EntryRow {
  init(row query: borrowing Query) throws(PosternError) {
    self.init(
      index: query.number(0), leafHash: try query.digest(1), kind: try query.number(2, as: UInt8.self),
      app: try query.digest(3), bytes: query.bytes(4))
  }
}
