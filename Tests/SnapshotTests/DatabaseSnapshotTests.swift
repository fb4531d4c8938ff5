import Core
import Fixtures
import Foundation
import Glibc
import Snapshot
import Testing

@Suite struct DatabaseSnapshotTests {
  /// A folder with a database in it, made by SQLite's own program.
  private final class Fixture {
    let folder: TemporaryFolder
    var database: String { folder.path("ledger.db") }

    init(_ setup: String = "") throws {
      folder = try TemporaryFolder()
      try sqlite(setup + "CREATE TABLE entry (n INTEGER PRIMARY KEY, bytes BLOB); " + Fixture.rows(1...500))
    }

    static func rows(_ numbers: ClosedRange<Int>) -> String {
      """
      WITH RECURSIVE n(i) AS (SELECT \(numbers.lowerBound) UNION ALL SELECT i + 1 FROM n WHERE i < \(numbers.upperBound))
        INSERT INTO entry SELECT i, randomblob(1000) FROM n;
      """
    }

    @discardableResult
    func sqlite(_ text: String, _ path: String? = nil) throws -> String {
      let process = try start(path)
      process.input.fileHandleForWriting.write(Data(text.utf8))
      return try process.end()
    }

    func start(_ path: String? = nil) throws -> Running {
      try Running(path ?? database)
    }

    func names() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() }

    func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: folder.path(name)))) }
  }

  /// SQLite's program at work.
  private final class Running {
    let process = Process()
    let input = Pipe()
    private let output = Pipe()

    init(_ path: String) throws {
      process.executableURL = URL(filePath: "/usr/bin/sqlite3")
      process.arguments = ["-bail", path]
      process.standardInput = input
      process.standardOutput = output
      try process.run()
    }

    func say(_ text: String) { input.fileHandleForWriting.write(Data((text + "\n").utf8)) }

    /// Waits until something was printed.
    func answer() -> String { String(decoding: output.fileHandleForReading.availableData, as: UTF8.self) }

    @discardableResult
    func end() throws -> String {
      try input.fileHandleForWriting.close()
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      try #require(process.terminationStatus == 0)
      return text.trimmingCharacters(in: .newlines)
    }
  }

  /// The bytes of a snapshot, which has no name, and which only its owner could open.
  private func snapshot(_ path: String) throws -> [UInt8] {
    let descriptor = try DatabaseSnapshot.take(of: path)
    var status = stat()
    #expect(fstat(descriptor.number, &status) == 0 && status.st_nlink == 0 && status.st_mode & 0o777 == 0o600)
    return Array(FileHandle(fileDescriptor: descriptor.number, closeOnDealloc: false).readDataToEndOfFile())
  }

  /// Which bytes differ.
  private func differences(_ one: [UInt8], _ other: [UInt8]) -> [Int] {
    zip(one, other).enumerated().filter { $0.element.0 != $0.element.1 }.map(\.offset)
  }

  @Test(arguments: ["", "PRAGMA journal_mode = WAL; ", "PRAGMA page_size = 1024; ", "PRAGMA page_size = 65536; "])
  func snapshotsAreTheSameAndInPlace(_ setup: String) throws {
    let fixture = try Fixture(setup)
    let database = try fixture.bytes("ledger.db")
    let first = try snapshot(fixture.database)
    #expect(try snapshot(fixture.database) == first)
    #expect(first.count == database.count)
    // Only the counters of the first page's header may differ from the database's own.
    let counters = Set([24..<28, 40..<44, 92..<100].joined())
    #expect(Set(differences(first, database)).isSubset(of: counters))
    #expect(try fixture.bytes("ledger.db") == database)
    // One row more changes few pages of the snapshot.
    try fixture.sqlite("UPDATE entry SET bytes = randomblob(1000) WHERE n = 250")
    let second = try snapshot(fixture.database)
    let pageByteCount = setup.contains("65536") ? 65_536 : setup.contains("1024") ? 1_024 : 4_096
    #expect(second.count == first.count)
    #expect(Set(differences(first, second).map { $0 / pageByteCount }).count <= 3)
    #expect(try fixture.names().allSatisfy { $0.hasPrefix("ledger.db") })
  }

  /// What lies in the write-ahead log is in the snapshot, and stays in the log.
  @Test func theLogIsReadAndLeftAlone() throws {
    let fixture = try Fixture("PRAGMA journal_mode = WAL; ")
    let writer = try fixture.start()
    writer.say("PRAGMA wal_autocheckpoint = 0; " + Fixture.rows(501...900) + " SELECT 'written';")
    while !writer.answer().contains("written") {}
    let (database, log) = (try fixture.bytes("ledger.db"), try fixture.bytes("ledger.db-wal"))
    let first = try snapshot(fixture.database)
    #expect(try snapshot(fixture.database) == first)
    #expect(try fixture.bytes("ledger.db") == database && fixture.bytes("ledger.db-wal") == log)
    #expect(first.count > database.count)
    // As after a crash: the log is there, and what indexes it is gone.
    let crashed = fixture.folder.path("crashed")
    try FileManager.default.createDirectory(atPath: crashed, withIntermediateDirectories: false)
    try Data(database).write(to: URL(filePath: crashed + "/l.db"))
    try Data(log).write(to: URL(filePath: crashed + "/l.db-wal"))
    #expect(try snapshot(crashed + "/l.db") == first)
    #expect(try Array(Data(contentsOf: URL(filePath: crashed + "/l.db-wal"))) == log)
    try writer.end()
    try Data(first).write(to: URL(filePath: fixture.folder.path("copy.db")))
    let answer = try fixture.sqlite(
      "PRAGMA integrity_check; SELECT count(*), max(n) FROM entry;", fixture.folder.path("copy.db"))
    #expect(answer == "ok\n900|900")
  }

  /// A transaction that is open is not in it, and one that is open for long does not stand in its way.
  @Test(arguments: ["DELETE", "WAL"]) func whatIsNotCommittedIsNotThere(mode: String) throws {
    let fixture = try Fixture("PRAGMA journal_mode = \(mode); ")
    let before = try snapshot(fixture.database)
    let writer = try fixture.start()
    writer.say("BEGIN IMMEDIATE; " + Fixture.rows(501...510) + " SELECT 'written';")
    while !writer.answer().contains("written") {}
    #expect(try snapshot(fixture.database) == before)
    writer.say("COMMIT;")
    try writer.end()
    #expect(try snapshot(fixture.database) != before)
  }

  @Test func whatIsNoDatabaseIsRefused() throws {
    let fixture = try Fixture()
    func code(_ name: String) -> PosternError.Code? {
      refusal { _ = try DatabaseSnapshot.take(of: fixture.folder.path(name)) }?.code
    }
    #expect(code("none") == .snapshotMissing && code("ledger.db/none") == .snapshotMissing)
    try FileManager.default.createDirectory(atPath: fixture.folder.path("folder"), withIntermediateDirectories: false)
    let folder = refusal { _ = try DatabaseSnapshot.take(of: fixture.folder.path("folder")) }
    #expect(folder?.code == .snapshotNotADatabase && folder?.message.contains("is a directory") == true)
    let database = try fixture.bytes("ledger.db")
    try Data((0..<9_000).map { UInt8(truncatingIfNeeded: $0 * 7) }).write(
      to: URL(filePath: fixture.folder.path("junk")))
    #expect(code("junk") == .snapshotNotADatabase)
    // SQLite itself takes a file of less than a page for an empty database.
    for byteCount in [1, 511] {
      try Data(repeating: 0x78, count: byteCount).write(to: URL(filePath: fixture.folder.path("junk")))
      #expect(code("junk") == .snapshotNotADatabase)
    }
    // As an encrypted one looks.
    try Data(database.map { $0 ^ 0x5a }).write(to: URL(filePath: fixture.folder.path("sealed.db")))
    #expect(code("sealed.db") == .snapshotNotADatabase)
    try Data(database.prefix(database.count / 2)).write(to: URL(filePath: fixture.folder.path("half.db")))
    #expect(code("half.db") == .snapshotDamaged)
    // The log cannot be opened.
    let blocked = database[..<18] + [2, 2] + database[20...]
    try Data(blocked).write(to: URL(filePath: fixture.folder.path("blocked.db")))
    try FileManager.default.createDirectory(
      atPath: fixture.folder.path("blocked.db-wal"), withIntermediateDirectories: false)
    #expect(code("blocked.db") == .snapshotUnreadable)
    #expect(
      try fixture.names() == ["blocked.db", "blocked.db-wal", "folder", "half.db", "junk", "ledger.db", "sealed.db"])
  }

  @Test func aNameWithOddCharactersAndALinkAreTheDatabase() throws {
    let fixture = try Fixture()
    let expected = try snapshot(fixture.database)
    for name in ["file:odd?mode=memory", ":memory:", "with space", "ü"] {
      try Data(fixture.bytes("ledger.db")).write(to: URL(filePath: fixture.folder.path(name)))
      #expect(try snapshot(fixture.folder.path(name)) == expected, "\(name)")
    }
    try FileManager.default.createSymbolicLink(
      atPath: fixture.folder.path("link"), withDestinationPath: fixture.database)
    #expect(try snapshot(fixture.folder.path("link")) == expected)
  }

  /// Who keeps a database locked is waited for, but not for ever.
  @Test func aLockedDatabaseIsWaitedFor() async throws {
    let fixture = try Fixture()
    let writer = try fixture.start()
    writer.say("BEGIN EXCLUSIVE; SELECT 'locked';")
    while !writer.answer().contains("locked") {}
    let start = ContinuousClock.now
    let code = refusal { _ = try DatabaseSnapshot.take(of: fixture.database) }?.code
    #expect(code == .snapshotBusy)
    #expect(start.duration(to: .now) > .seconds(9))
    let path = fixture.database
    let waiting = Task.detached { _ = try DatabaseSnapshot.take(of: path) }
    try await Task.sleep(for: .milliseconds(300))
    writer.say("COMMIT;")
    try await waiting.value
    try writer.end()
  }
}
