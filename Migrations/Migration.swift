/// One numbered step of the index's schema, as its file in this folder spells it.
///
/// A released file never changes: an index records the digest of each step that it has taken, and refuses a
/// program whose step of that number reads otherwise.
public struct Migration: Sendable {
  /// 1, 2, 3…: the file's number.
  public let number: Int
  /// The file's bytes: SQL in UTF-8.
  public let sql: [UInt8]

  package init(number: Int, sql: [UInt8]) {
    self.number = number
    self.sql = sql
  }

  /// Every step, in order.
  public static let all = [
    Migration(number: 1, sql: PackageResources._001_initial_sql),
    Migration(number: 2, sql: PackageResources._002_pack_space_sql),
    Migration(number: 3, sql: PackageResources._003_runs_sql),
    Migration(number: 4, sql: PackageResources._004_collection_sql),
  ]
}
