import Bulk
import Core
import Glibc
import Index
import Migrations
import Testing

@Suite struct MigrationTests {
  /// A released migration never changes: a new one gets a new file and a line here.
  @Test func theDigestsAreFrozen() {
    let frozen = [
      "0001": "8ee1205cc485d901ea9c1572d70239df9cb88cffce81776a9869b5199928646a",
      "0002": "ffa190404a5e90ebc01dd38eb6b1a6bd3b5a0718a0b94e5020d901236e8b8a52",
      "0003": "b9717c5a79da30c2b270b1a3ff7aa2b7c156d27b9afc1c92cca0d30009ed5e5b",
      "0004": "937a3da4517a7166c75c8bbe9367478ed701606a12197dc335c59d033e84d964",
    ]
    #expect(Migration.all.map(\.number) == Array(1...frozen.count))
    for migration in Migration.all {
      let name = String("000\(migration.number)".suffix(4))
      #expect(SHA256.hash(migration.sql).hex == frozen[name])
    }
  }

  @Test func anIndexIsMadeAndOpenedAgain() async throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/index.sqlite"
    for round in 0..<3 {
      let index = try ArchiveIndex.open(path: path)
      #expect(try index.everything().checkpoint?.size == (round == 0 ? nil : UInt64(round)))
      var history = History(checkpoint: try index.everything().checkpoint)
      try await history.commit(history.group(), to: index)
      try index.close()
    }
  }

  @Test func aNewerSchemaIsRefused() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/index.sqlite"
    let next = Migration(number: Migration.all.count + 1, sql: Array("CREATE TABLE later (x INTEGER) STRICT;".utf8))
    try ArchiveIndex.open(path: path, migrations: Migration.all + [next]).close()
    #expect(code { () throws(PosternError) in try ArchiveIndex.open(path: path) } == .indexNewer)
    // It was only refused, and the newer program still opens it.
    try ArchiveIndex.open(path: path, migrations: Migration.all + [next]).close()
  }

  @Test func aChangedMigrationIsRefused() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/index.sqlite"
    try ArchiveIndex.open(path: path).close()
    let changed = Migration.all.map { Migration(number: $0.number, sql: $0.sql + [10]) }
    #expect(
      code { () throws(PosternError) in try ArchiveIndex.open(path: path, migrations: changed) } == .indexChanged)
    try ArchiveIndex.open(path: path).close()
  }

  @Test func aMigrationThatFailsLeavesTheOneBefore() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/index.sqlite"
    let failing = Migration(
      number: Migration.all.count + 1, sql: Array("CREATE TABLE later (x INTEGER) STRICT; SELECT * FROM nowhere;".utf8))
    #expect(
      code { () throws(PosternError) in
        try ArchiveIndex.open(path: path, migrations: Migration.all + [failing])
      } != nil)
    let mended = Migration(
      number: Migration.all.count + 1, sql: Array("CREATE TABLE later (x INTEGER) STRICT;".utf8))
    try ArchiveIndex.open(path: path, migrations: Migration.all + [mended]).close()
  }

  @Test func whatIsNoIndexIsRefused() throws {
    let folder = TemporaryFolder()
    let foreign = "\(folder.path)/foreign"
    try write(foreignDatabase, to: foreign)
    #expect(code { () throws(PosternError) in try ArchiveIndex.open(path: foreign) } == .indexForeign)
    let garbage = "\(folder.path)/garbage"
    try write(Array(String(repeating: "this is no database. ", count: 500).utf8), to: garbage)
    #expect(code { () throws(PosternError) in try ArchiveIndex.open(path: garbage) } == .indexDamaged)
    #expect(
      code { () throws(PosternError) in try ArchiveIndex.open(path: "\(folder.path)/no/index") } == .storageDenied)
  }

  /// An SQLite database of two pages with one empty table, `CREATE TABLE other(x)`, by SQLite's file format.
  private var foreignDatabase: [UInt8] {
    let record: [UInt8] = [0x06, 0x17, 0x17, 0x17, 0x01, 0x37]
    let values = Array("tableotherother".utf8) + [2] + Array("CREATE TABLE other(x)".utf8)
    let payload = record + values
    let cell = [UInt8(payload.count), 1] + payload
    var page = [UInt8](repeating: 0, count: 512)
    page.replaceSubrange(0..<16, with: Array("SQLite format 3".utf8) + [0])
    page.replaceSubrange(16..<24, with: [2, 0, 1, 1, 0, 64, 32, 32])
    // Change counter, size in pages; then schema cookie, schema format 4, UTF-8, valid for the change counter.
    for (offset, value) in [(27, 1), (31, 2), (43, 1), (47, 4), (59, 1), (95, 1)] { page[offset] = UInt8(value) }
    let start = 512 - cell.count
    page.replaceSubrange(100..<108, with: [0x0d, 0, 0, 0, 1, UInt8(start >> 8), UInt8(start & 255), 0])
    page.replaceSubrange(108..<110, with: [UInt8(start >> 8), UInt8(start & 255)])
    page.replaceSubrange(start..<512, with: cell)
    var table = [UInt8](repeating: 0, count: 512)
    table.replaceSubrange(0..<8, with: [0x0d, 0, 0, 0, 0, 2, 0, 0])
    return page + table
  }

  private func write(_ bytes: [UInt8], to path: String) throws {
    let file = try #require(fopen(path, "w"))
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }
}
