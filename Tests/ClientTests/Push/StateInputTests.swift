import Client
import Core
import Fixtures
import Foundation
import Glibc
import Testing

@Suite struct StateInputTests {
  /// A file of holes in memory, under a name that this process can open; it ends with the value.
  private struct HollowFile: ~Copyable {
    private let descriptor: Int32

    init(byteCount: Int) throws {
      let name = "/postern-\(UUID().uuidString)"
      descriptor = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0o600)
      shm_unlink(name)
      try #require(descriptor >= 0 && ftruncate(descriptor, byteCount) == 0)
    }

    deinit { close(descriptor) }

    var path: String { "/proc/self/fd/\(descriptor)" }
  }

  @Test func whatIsLongerThanADumpIsRefused() async throws {
    for byteCount in [1 << 50 + 1, 9_100_000_000_000_000_000, Int.max] {
      let file = try HollowFile(byteCount: byteCount)
      let path = file.path
      let error = await refusal { try await StateInput.open(.file(path: path)) }
      #expect(error?.code == "dump.too-large" && error?.message.contains("\(byteCount)") == true)
    }
    let longest = try HollowFile(byteCount: 1 << 50)
    #expect(try await StateInput.open(.file(path: longest.path)).byteCount == 1 << 50)
  }

  @Test func whatIsRefusedIsNotKeptOpen() async throws {
    let folder = try TemporaryFolder()
    try Data([1, 2, 3]).write(to: URL(filePath: folder.path("state")))
    let code = await refusal {
      try await StateInput.open(.file(path: folder.path("state")), expectedByteCount: 4)
    }?.code
    #expect(code == .pushLength)
    try FileManager.default.createDirectory(atPath: folder.path("inner"), withIntermediateDirectories: false)
    #expect(mkfifo(folder.path("inner/pipe"), 0o600) == 0)
    #expect(await refusal { try await StateInput.open(.file(path: folder.path)) }?.code == .pushEntry)
    #expect(try openFiles().allSatisfy { !$0.hasPrefix(folder.path) })
    let input = try await StateInput.open(.file(path: folder.path("state")))
    #expect(try openFiles().contains { $0.hasPrefix(folder.path) })
    _ = consume input
    #expect(try openFiles().allSatisfy { !$0.hasPrefix(folder.path) })
  }

  /// The file of a database alone lacks what its write-ahead log holds, so it goes in through a snapshot.
  @Test func aDatabaseIsNotPushedWithoutItsLog() async throws {
    let folder = try TemporaryFolder()
    let (database, link) = (folder.path("ledger.db"), folder.path("link.db"))
    let sqlite = try Writer("/usr/bin/sqlite3", database)
    try sqlite.run("PRAGMA journal_mode = WAL; CREATE TABLE entry (n); INSERT INTO entry VALUES (1);")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "ledger.db")
    for path in [database, link] {
      let error = await refusal { try await StateInput.open(.file(path: path)) }
      #expect(error?.code == .pushDatabase && error?.advice.contains("--sqlite") == true, "\(path)")
      // The log lies beside the database, and not beside a link to it.
      #expect(error?.message.contains("/ledger.db-wal”") == true, "\(path)")
    }
    #expect(try await StateInput.open(.database(path: database)).byteCount != nil)
    #expect(try await StateInput.open(.file(path: folder.path)).byteCount != nil)
    // Once its last user is gone, so is the log; and what only has such a neighbour is no database.
    try sqlite.end()
    #expect(try await StateInput.open(.file(path: database)).byteCount != nil)
    for name in ["text", "text-wal"] { try Data([1, 2, 3]).write(to: URL(filePath: folder.path(name))) }
    #expect(try await StateInput.open(.file(path: folder.path("text"))).byteCount == 3)
  }

  /// What a transaction left half done in a database's file is undone by its journal, and by nothing else.
  @Test func aDatabaseIsNotPushedWithoutItsJournal() async throws {
    let folder = try TemporaryFolder()
    let (database, link, crashed) = (folder.path("ledger.db"), folder.path("link.db"), folder.path("crashed.db"))
    let sqlite = try Writer("/usr/bin/sqlite3", database)
    try sqlite.run(
      """
      PRAGMA cache_size = 5; CREATE TABLE entry (n INTEGER PRIMARY KEY, bytes);
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
        INSERT INTO entry SELECT i, randomblob(1000) FROM n;
      """)
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "ledger.db")
    func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }
    // Of a transaction that still fits into memory nothing is in the file.
    let before = try bytes(database)
    try sqlite.run("BEGIN; UPDATE entry SET bytes = 1 WHERE n = 250;")
    #expect(try bytes(database) == before && !bytes(database + "-journal").isEmpty)
    #expect(try await StateInput.open(.file(path: database)).byteCount == before.count)
    try sqlite.run("UPDATE entry SET bytes = randomblob(1000);")
    #expect(try bytes(database) != before)
    for suffix in ["", "-journal"] { try bytes(database + suffix).write(to: URL(filePath: crashed + suffix)) }
    for (path, journal) in [(database, "ledger"), (link, "ledger"), (crashed, "crashed")] {
      let error = await refusal { try await StateInput.open(.file(path: path)) }
      #expect(error?.code == .pushDatabase && error?.message.contains("/\(journal).db-journal”") == true, "\(path)")
    }
    // A snapshot cannot mend what it may only read, so the application is to.
    #expect(await refusal { try await StateInput.open(.database(path: crashed)) }?.code == "snapshot.unreadable")
    try sqlite.run("ROLLBACK; PRAGMA journal_mode = PERSIST; UPDATE entry SET bytes = 1 WHERE n = 250;")
    #expect(try !bytes(database + "-journal").isEmpty)
    #expect(try await StateInput.open(.file(path: link)).byteCount == bytes(database).count)
    try sqlite.end()
  }

  /// Who writes to a database that is pushed as a file is told of the flag that is made for that.
  @Test func aDatabaseThatChangesIsToldOfSnapshots() async throws {
    try await ArchiveFixture.run { fixture, archive in
      for (start, isDatabase) in [("SQLite format 3\0", true), ("SQLite format 4\0", false)] {
        let path = fixture.file("state")
        try (Data(start.utf8) + Data(count: 1 << 20)).write(to: URL(filePath: path))
        let error = await refusal {
          try await Pusher.push(fixture.options(.file(path: path)), key: fixture.uploader(), over: archive) { _ in
            _ = utimes(path, nil)
          }
        }
        #expect(error?.code == .pushChanged && error?.message.contains(path) == true)
        #expect(error?.advice.contains("--sqlite") == isDatabase)
      }
    }
  }

  /// A file that was longer or shorter when its turn came is named, though what shows it is the directory's length.
  @Test func whatChangedInADirectoryIsNamed() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let tree = fixture.file("tree")
      try FileManager.default.createDirectory(atPath: tree, withIntermediateDirectories: false)
      for byteCount in [0, 9_000] {
        try Data(count: 4_000).write(to: URL(filePath: "\(tree)/file"))
        // Long enough that “file” is not open yet when the first of it is sent.
        try Data().write(to: URL(filePath: "\(tree)/early"))
        #expect(truncate("\(tree)/early", 200 << 20) == 0)
        let error = await refusal {
          try await Pusher.push(fixture.options(.file(path: tree)), key: fixture.uploader(), over: archive) { _ in
            truncate("\(tree)/file", byteCount)
          }
        }
        #expect(error?.code == .pushChanged && error?.message.contains("tree/file” changed") == true)
      }
    }
  }

  /// A snapshot of a volume is a block device; here it is a file that looks like one.
  @Test(.enabled(if: geteuid() == 0 && access("/dev/loop-control", R_OK | W_OK) == 0))
  func aBlockDeviceIsPushed() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let state = sampleState(byteCount: 3 << 20)
      try Data(state).write(to: URL(filePath: fixture.file("volume")))
      let device = try run("losetup", "--find", "--show", "--read-only", fixture.file("volume"))
      defer { _ = try? run("losetup", "--detach", device) }
      let report = try await Pusher.push(
        fixture.options(.file(path: device)), key: fixture.uploader(), over: archive)
      #expect(report.epoch == 1 && report.traffic.readByteCount == state.count)
      #expect(report.traffic.totalByteCount == state.count)
      let (sealed, door) = try await fixture.open(over: archive)
      let output = fixture.file("recovered")
      let options = RecoverOptions(output: .file(path: output))
      _ = try await Recoverer.recover(options, opening: door.opening, capsule: sealed.capsule, from: archive)
      #expect(try Array(Data(contentsOf: URL(filePath: output))) == state)
    }
  }

  /// What this process has open.
  private func openFiles() throws -> [String] {
    let files = FileManager.default
    return try files.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
      try? files.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
    }
  }
}

/// SQLite's own program, which has a database open.
private struct Writer {
  private let process = Process()
  private let input = Pipe()
  private let output = Pipe()

  init(_ program: String, _ database: String) throws {
    process.executableURL = URL(filePath: program)
    process.arguments = ["-bail", database]
    process.standardInput = input
    process.standardOutput = output
    try process.run()
  }

  /// Runs statements, and waits until they are done.
  func run(_ statements: String) throws {
    try input.fileHandleForWriting.write(contentsOf: Data((statements + " SELECT 'done';\n").utf8))
    var said = Data()
    while !said.suffix(5).elementsEqual(Data("done\n".utf8)) {
      let more = output.fileHandleForReading.availableData
      try #require(!more.isEmpty)
      said += more
    }
  }

  /// Lets it close the database.
  func end() throws {
    try input.fileHandleForWriting.close()
    _ = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
  }
}

/// Runs a program, and returns what it printed.
private func run(_ words: String...) throws -> String {
  let process = Process()
  process.executableURL = URL(filePath: "/usr/bin/env")
  process.arguments = words
  process.environment = ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"]
  let output = Pipe()
  process.standardOutput = output
  try process.run()
  let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  process.waitUntilExit()
  try #require(process.terminationStatus == 0)
  return text.trimmingCharacters(in: .newlines)
}
