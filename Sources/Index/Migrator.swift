internal import Bulk
import Core
import GRDB
internal import Migrations

/// Brings an index to this program's schema, one transaction a step.
struct Migrator {
  let migrations: [Migration]

  /// Takes the steps that the index has not taken.
  ///
  /// - Throws: `index.newer`, `index.changed`, `index.foreign`; what SQLite answers.
  func run(_ connection: Connection) throws(PosternError) {
    let taken = try self.taken(connection.database)
    guard taken.count <= migrations.count else {
      throw PosternError(
        .indexNewer,
        "The archive's index has schema \(taken.count), and this program knows up to \(migrations.count).",
        advice: "Run the newer program that wrote it; a schema is never taken back.")
    }
    for (migration, digest) in zip(migrations, taken) where SHA256.hash(migration.sql) != digest {
      throw PosternError(
        .indexChanged, "Migration \(migration.number) is not the one that the archive's index has taken.",
        advice: "Run an unchanged release of the program.", index: migration.number)
    }
    for migration in migrations.dropFirst(taken.count) {
      try connection.transaction { (database) throws(PosternError) in
        try apply(migration, to: database)
      }
    }
  }

  /// The digests of the steps taken, in order.
  private func taken(_ database: Database) throws(PosternError) -> [Digest] {
    let tables = try Query(database, "SELECT name FROM sqlite_schema WHERE type = 'table'").all { query in
      query.text(0)
    }
    if tables.isEmpty { return [] }
    guard tables.contains("migration") else {
      throw PosternError(
        .indexForeign, "The index file is a database of another program.",
        advice: "Check the path of the data folder.")
    }
    let steps = try Query(database, "SELECT number, digest FROM migration ORDER BY number").all {
      (query) throws(PosternError) in (query.number(0), try query.digest(1))
    }
    for (position, step) in steps.enumerated() where step.0 != UInt64(position + 1) {
      throw .damagedIndex("its list of migrations has a gap")
    }
    return steps.map(\.1)
  }

  private func apply(_ migration: Migration, to database: Database) throws(PosternError) {
    do {
      try database.execute(sql: String(decoding: migration.sql, as: UTF8.self))
    } catch {
      throw indexError(error)
    }
    try Query(database, "INSERT INTO migration (number, digest) VALUES (?1, ?2)")
      .run(UInt64(migration.number), SHA256.hash(migration.sql))
  }
}
