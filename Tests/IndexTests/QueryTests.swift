import Core
import Index
import Migrations
import Testing

/// SQLite has no checksums: where a bit of a row's number has flipped, the row is read with another number.
@Suite struct QueryTests {
  private let space = Space(app: app, generation: 1)

  /// An index with an application, an epoch and a sealed pack, in which one statement then changed a row.
  private func index(changedBy sql: String, at path: String) async throws -> ArchiveIndex {
    let index = try ArchiveIndex.open(path: path)
    var history = History()
    try await history.commit(history.registration(), to: index)
    let token = PushToken.random()
    _ = try await index.writer.openPush(newPush(token))
    let pack = try await index.add(["object"], push: token)
    var group = try history.epoch()
    group.packs = [PackSealing(pack, "pack")]
    group.pushes = [token]
    try await history.commit(group, to: index)
    try index.close()
    let change = Migration(number: Migration.all.count + 1, sql: Array(sql.utf8))
    return try ArchiveIndex.open(path: path, migrations: Migration.all + [change])
  }

  @Test func numbersOutOfTheirRangeAreDamage() async throws {
    let space = space
    typealias Question = (borrowing IndexSnapshot) throws(PosternError) -> Void
    let application: Question = { (snapshot) throws(PosternError) in _ = try snapshot.application(app) }
    let epochs: Question = { (snapshot) throws(PosternError) in
      _ = try snapshot.epochs(app: app, before: nil, limit: 10)
    }
    let generations: Question = { (snapshot) throws(PosternError) in
      _ = try snapshot.generations(app: app, begunUpTo: .max)
    }
    let generation: Question = { (snapshot) throws(PosternError) in
      _ = try snapshot.generation(app: app, number: 1)
    }
    let loose: Question = { (snapshot) throws(PosternError) in _ = try snapshot.storage(space) }
    let questions: [(table: String, column: String, isSound: Bool, values: [Int64], ask: Question)] = [
      ("app", "epoch", false, [-1, 0, .min, .max], application), ("app", "generation", false, [-1, .max], application),
      ("app", "state_version", true, [-1, 0, .max], application),
      ("epoch", "number", false, [-1, 0, .min], epochs),
      ("generation", "first_epoch", false, [-1, 0, 2, .max - 1], generations),
      ("generation", "first_epoch", false, [-1, 0, .max], generation),
      ("pack", "id", false, [-1, 0, 1 << 46, .max], loose), ("pack", "id", true, [(1 << 46) - 1], loose),
    ]
    for (table, column, isSound, values, ask) in questions {
      for value in values {
        let folder = TemporaryFolder()
        let index = try await index(
          changedBy: "UPDATE \(table) SET \(column) = \(value);", at: "\(folder.path)/index.sqlite")
        let code = code { () throws(PosternError) in try index.read(ask) }
        #expect(code == (isSound ? nil : .indexDamaged), "\(table).\(column) = \(value)")
        try index.close()
      }
    }
  }

  /// The number of the next pack is taken from a table of SQLite's own.
  @Test func numbersThatAreUsedUpAreDamage() async throws {
    for (name, value) in [("pack", Int64(1) << 46), ("pack", -5), ("pack", .max - 1), ("run", -5), ("run", .max - 1)] {
      let folder = TemporaryFolder()
      let path = "\(folder.path)/index.sqlite"
      try ArchiveIndex.open(path: path).close()
      let sql = "INSERT INTO sqlite_sequence (name, seq) VALUES ('\(name)', \(value));"
      let change = Migration(number: Migration.all.count + 1, sql: Array(sql.utf8))
      let code = code { () throws(PosternError) in
        try ArchiveIndex.open(path: path, migrations: Migration.all + [change])
      }
      #expect(code == .indexDamaged, "\(name) \(value)")
    }
  }
}
