import Archive
import Core
import Fixtures
import Foundation
import Index
import Merkle
import Migrations
import Packs
import Records
import Testing

@Suite struct StartTests {
  /// A folder with an application and some epochs, and no archive open over it.
  private struct Closed {
    let folder: TemporaryFolder
    let path: String
    let application: Application
    var epochs: [EpochFixture] = []
    var receipts: [(receipt: [UInt8], leaf: [UInt8])] = []

    init(epochCount: Int) async throws {
      let new = try await NewArchive()
      folder = new.folder
      path = new.path
      application = try Application(home: new.archive.home)
      receipts.append((try await application.register(in: new.archive), application.registration.record.leaf))
      for _ in 0..<epochCount { try await push(to: new.archive) }
    }

    mutating func push(to archive: Archive, state: UInt64? = nil) async throws {
      let number = UInt64(epochs.count + 1)
      let epoch = try application.epoch(
        number, after: epochs.last?.leafHash ?? .zero, state: Application.state(state ?? number))
      receipts.append((try await application.push(epoch, to: archive).receipt, epoch.leaf))
      epochs.append(epoch)
    }

    /// Copies the whole folder, once the tasks of an archive that was open have let it go.
    func copy(_ name: String) async throws -> String {
      while refusal({ try DataFolder.open(at: path).syncRoot() })?.code == .storageInUse {
        try await Task.sleep(for: .milliseconds(10))
      }
      let copy = folder.path(name)
      try FileManager.default.copyItem(atPath: path, toPath: copy)
      return copy
    }

    func expectAll(of archive: Archive) throws {
      for (receipt, leaf) in receipts { try archive.expectGood(receipt, of: leaf) }
      for epoch in epochs { try archive.expectWhole(epoch, of: application) }
      try expectPublished(archive, at: path)
      #expect(try files(in: "\(path)/incoming").isEmpty)
    }
  }

  /// What a folder is refused with; whatever it is, nothing but the index's own files may be touched, a file that this
  /// program knows nothing of included.
  private func refusalOf(_ path: String) async throws -> PosternError.Code? {
    let strays = ["incoming/later.bin", "runs/later.bin", "log/.later.1f.tmp", "keys/.later.2.tmp"]
      .map { URL(filePath: "\(path)/\($0)") }
      .filter { FileManager.default.fileExists(atPath: $0.deletingLastPathComponent().path) }
    for stray in strays { try Data([7]).write(to: stray) }
    let before = try contents(in: path)
    let error = await refusal { try await openArchive(at: path) }
    if let error {
      #expect(try contents(in: path) == before, "\(error.code)")
      #expect(!error.advice.isEmpty)
    }
    for stray in strays { try remove(stray.path) }
    return error?.code
  }

  /// The files of a folder, but for the index's.
  private func contents(in path: String) throws -> [String: Data] {
    try Dictionary(
      uniqueKeysWithValues: files(in: path).filter { !$0.hasPrefix("index.sqlite") }
        .map { ($0, try Data(contentsOf: URL(filePath: "\(path)/\($0)"))) })
  }

  private func remove(_ paths: String...) throws {
    for path in paths where FileManager.default.fileExists(atPath: path) {
      try FileManager.default.removeItem(atPath: path)
    }
  }

  @Test func aNewArchiveShowsAnEmptyLog() async throws {
    let new = try await NewArchive()
    #expect(try new.archive.size() == 0)
    try expectPublished(new.archive, at: new.path)
    #expect(refusal { try new.archive.show(.zero) }?.code == .epochUnknownApplication)
    let attributes = try FileManager.default.attributesOfItem(atPath: "\(new.path)/keys/log.key")
    #expect(attributes[.posixPermissions] as? Int == 0o600)
  }

  @Test func anArchiveIsMadeOnceAndUnderAGoodName() async throws {
    let folder = try TemporaryFolder()
    let path = folder.path("a")
    for origin in ["", "two words", "a+b", String(repeating: "x", count: 256)] {
      #expect(refusal { try Archive.create(at: path, origin: origin) }?.code == .logOrigin)
      #expect(!FileManager.default.fileExists(atPath: path))
    }
    let home = try Archive.create(at: path, origin: "example.org/a")
    #expect(refusal { try Archive.create(at: path, origin: "example.org/a") }?.code == .storageExists)
    #expect(try await openArchive(at: path).home == home)
    #expect(refusal { try Archive.create(at: folder.path("b/c"), origin: "example.org/a") }?.code == .storageMissing)
  }

  @Test func aHalfMadeArchiveIsMadeWhole() async throws {
    let folder = try TemporaryFolder()
    let path = folder.path("a")
    _ = try Archive.create(at: path, origin: "example.org/a")
    try remove("\(path)/keys/log.key")
    #expect(try await refusalOf(path) == .archiveLogKey)
    let home = try Archive.create(at: path, origin: "example.org/a")
    #expect(try await openArchive(at: path).home == home)
  }

  @Test func everythingIsThereAgainAfterAStart() async throws {
    var closed = try await Closed(epochCount: 2)
    for _ in 0..<3 {
      let archive = try await openArchive(at: closed.path)
      try closed.expectAll(of: archive)
      try await closed.push(to: archive)
      try closed.expectAll(of: archive)
    }
  }

  @Test func whatWasNotPublishedIsPublishedAtStart() async throws {
    let closed = try await Closed(epochCount: 3)
    let older = closed.folder.path("older")
    try FileManager.default.copyItem(atPath: "\(closed.path)/log", toPath: older)
    do {
      let archive = try await openArchive(at: closed.path)
      var more = closed
      try await more.push(to: archive)
    }
    // The log as it was an epoch ago, then none at all.
    for log in [older, nil] {
      _ = try await openArchive(at: closed.path)
      try remove("\(closed.path)/log")
      if let log {
        try FileManager.default.copyItem(atPath: log, toPath: "\(closed.path)/log")
      } else {
        try FileManager.default.createDirectory(atPath: "\(closed.path)/log", withIntermediateDirectories: false)
      }
      let archive = try await openArchive(at: closed.path)
      #expect(try archive.size() == 5)
      try closed.expectAll(of: archive)
    }
  }

  @Test func oneProcessHasTheFolder() async throws {
    let new = try await NewArchive()
    let error = await refusal { try await Archive.open(at: new.path) { _ in } }
    #expect(error?.code == .storageInUse)
    #expect(try new.archive.size() == 0)
  }

  @Test func foldersThatAreNoArchiveAreRefused() async throws {
    let folder = try TemporaryFolder()
    #expect(try await refusalOf(folder.path("nothing")) == .storageMissing)
    #expect(try await refusalOf(folder.path) == .storageMissing)
  }

  /// What copies a data folder may leave empty folders and empty files out.
  @Test func whatIsEmptyMayBeMissing() async throws {
    var closed = try await Closed(epochCount: 2)
    try FileManager.default.removeItem(atPath: "\(closed.path)/incoming")
    do {
      let archive = try await openArchive(at: closed.path)
      try await closed.push(to: archive)
      try closed.expectAll(of: archive)
      await archive.finish()
    }
    try FileManager.default.removeItem(atPath: "\(closed.path)/lock")
    let path = closed.path
    let error = await refusal { try await Archive.open(at: path) { _ in } }
    #expect(error?.code == .storageMissing && error?.message.contains("“lock” is gone") == true)
    #expect(FileManager.default.createFile(atPath: "\(path)/lock", contents: nil))
    try closed.expectAll(of: try await openArchive(at: path))
  }

  @Test func theLogKeyHasToBeTheLogs() async throws {
    let closed = try await Closed(epochCount: 1)
    let key = "\(closed.path)/keys/log.key"
    let text = try String(contentsOfFile: key, encoding: .utf8)
    let other = closed.folder.path("other")
    _ = try Archive.create(at: other, origin: "example.org/log")
    let named = closed.folder.path("named")
    _ = try Archive.create(at: named, origin: "example.org/named")
    let foreign = try String(contentsOfFile: "\(other)/keys/log.key", encoding: .utf8)
    let foreignName = try String(contentsOfFile: "\(named)/keys/log.key", encoding: .utf8)
    func write(_ text: String) throws {
      try text.write(toFile: key, atomically: true, encoding: .utf8)
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
    }
    for wrong in [
      "", "\n", "PRIVATE+KEY", String(text.dropLast(9)) + "\n", text.replacingOccurrences(of: "log+", with: "lag+"),
      String(repeating: "x", count: 2_000), foreign, foreignName,
    ] {
      try write(wrong)
      #expect(try await refusalOf(closed.path) == .archiveLogKey, "\(wrong)")
    }
    try remove(key)
    #expect(try await refusalOf(closed.path) == .archiveLogKey)
    try write(text)
    try closed.expectAll(of: try await openArchive(at: closed.path))
  }

  @Test func theLogKeyIsItsOwnersAlone() async throws {
    let closed = try await Closed(epochCount: 1)
    let key = FolderLayout(root: closed.path).logKey
    for permissions in [0o640, 0o604, 0o620] {
      try FileManager.default.setAttributes([.posixPermissions: permissions], ofItemAtPath: key)
      #expect(try await refusalOf(closed.path) == .archiveLogKeyOpen)
    }
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
    try closed.expectAll(of: try await openArchive(at: closed.path))
  }

  /// What a full tile or bundle takes the place of is removed when it is on show, or at the next start.
  @Test func aFullTileTakesThePlaceOfItsPartialOnes() async throws {
    let new = try await NewArchive(inMemory: true)
    let log = "\(new.path)/log/tile"
    for seed in UInt64(1)...258 {
      _ = try await Application(home: new.archive.home, seed: seed).register(in: new.archive)
      if seed == 255 { #expect(try files(in: log).count { $0.hasPrefix("0/000.p/") } == 255) }
    }
    let kept = [
      "0/000", "0/001.p/1", "0/001.p/2", "1/000.p/1", "entries/000", "entries/001.p/1", "entries/001.p/2",
    ]
    #expect(try files(in: log) == kept)
    try expectPublished(new.archive, at: new.path)

    // A stop between the checkpoint and the removal.
    let copy = new.folder.path("copy")
    try FileManager.default.copyItem(atPath: new.path, toPath: copy)
    for place in ["0/000.p", "entries/000.p"] {
      try FileManager.default.createDirectory(atPath: "\(copy)/log/tile/\(place)", withIntermediateDirectories: true)
      try Data([1]).write(to: URL(filePath: "\(copy)/log/tile/\(place)/7"))
    }
    let archive = try await openArchive(at: copy)
    #expect(try files(in: "\(copy)/log/tile") == kept)
    #expect(try archive.size() == 258)
  }

  @Test func anIndexBehindWhatWasShownIsRefused() async throws {
    var closed = try await Closed(epochCount: 1)
    let older = try await closed.copy("older")
    do {
      let archive = try await openArchive(at: closed.path)
      try await closed.push(to: archive)
    }
    let newer = try await closed.copy("newer")
    func restoreIndex(from copy: String) throws {
      for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        try remove("\(closed.path)/\(name)")
        if FileManager.default.fileExists(atPath: "\(copy)/\(name)") {
          try FileManager.default.copyItem(atPath: "\(copy)/\(name)", toPath: "\(closed.path)/\(name)")
        }
      }
    }
    try restoreIndex(from: older)
    for _ in 0..<2 { #expect(try await refusalOf(closed.path) == .archiveIndexBehind) }
    // An index that is gone is one that ends at nothing.
    try restoreIndex(from: closed.folder.path("nowhere"))
    for _ in 0..<2 { #expect(try await refusalOf(closed.path) == .archiveIndexBehind) }
    try restoreIndex(from: newer)
    try closed.expectAll(of: try await openArchive(at: closed.path))
  }

  @Test func twoHistoriesAreRefused() async throws {
    var closed = try await Closed(epochCount: 1)
    let fork = try await closed.copy("fork")
    do {
      let archive = try await openArchive(at: closed.path)
      try await closed.push(to: archive)
    }
    do {
      let archive = try await openArchive(at: fork)
      var other = closed
      other.epochs.removeLast()
      try await other.push(to: archive, state: 9)
      try await other.push(to: archive)
    }
    // The published log of one, the index of the other: of the same size, and shorter.
    let log = "\(closed.path)/log"
    let kept = closed.folder.path("kept")
    try FileManager.default.moveItem(atPath: log, toPath: kept)
    try FileManager.default.copyItem(atPath: "\(fork)/log", toPath: log)
    #expect(try await refusalOf(closed.path) == .archiveIndexBehind)
    try remove("\(fork)/log")
    try FileManager.default.copyItem(atPath: kept, toPath: "\(fork)/log")
    #expect(try await refusalOf(fork) == .archiveTwoHistories)
    try remove(log)
    try FileManager.default.copyItem(atPath: kept, toPath: log)
    try closed.expectAll(of: try await openArchive(at: closed.path))
  }

  @Test func aCheckpointThatIsNoneIsRefused() async throws {
    let closed = try await Closed(epochCount: 1)
    let path = "\(closed.path)/log/checkpoint"
    let good = try Data(contentsOf: URL(filePath: path))
    var unsigned = good
    unsigned[unsigned.count - 5] ^= 1
    for (bytes, code) in [(Data("nonsense".utf8), PosternError.Code.logNote), (unsigned, .logSignature)] {
      try bytes.write(to: URL(filePath: path))
      let found = try await refusalOf(closed.path)
      #expect(found == code || found == .logNote)
    }
    // As the error says: moved away, it is published anew from the index.
    try FileManager.default.removeItem(atPath: path)
    try closed.expectAll(of: try await openArchive(at: closed.path))
    #expect(FileManager.default.fileExists(atPath: path))
    try good.write(to: URL(filePath: path))
    try closed.expectAll(of: try await openArchive(at: closed.path))
  }

  @Test func aNewerSchemaIsRefused() async throws {
    let closed = try await Closed(epochCount: 1)
    let copy = try await closed.copy("newer")
    let next = Migration(
      number: Migration.all.count + 1, sql: Array("CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT;".utf8))
    /// The newest checkpoint, as the newer program reads it.
    func newest() throws -> [UInt8]? {
      let index = try ArchiveIndex.open(path: "\(copy)/index.sqlite", migrations: Migration.all + [next])
      let row = try index.read { (snapshot) throws(PosternError) in try snapshot.newestCheckpoint() }
      try index.close()
      return row?.note
    }
    let before = try newest()
    #expect(before != nil)
    for _ in 0..<2 { #expect(try await refusalOf(copy) == .indexNewer) }
    #expect(try newest() == before)
    let foreign = try await closed.copy("foreign")
    for name in ["index.sqlite-wal", "index.sqlite-shm"] { try remove("\(foreign)/\(name)") }
    try Data("this is no database at all, and long enough to be looked at as one".utf8)
      .write(to: URL(filePath: "\(foreign)/index.sqlite"))
    #expect(try await refusalOf(foreign) == .indexDamaged)
    try closed.expectAll(of: try await openArchive(at: closed.path))
  }

  /// What a crash left goes; what no archive ever wrote stays.
  @Test func leftoversAreRemovedAndNothingElse() async throws {
    let closed = try await Closed(epochCount: 1)
    let left = ["incoming/77.pack", "incoming/log-1234", "keys/.log.key.1f.tmp"]
    var kept = ["keys/.mine.tmp", ".draft.tmp", "log/.a.tmp"]
    kept += ["thesis.tex", "log-book", ".x.tmp"].map { "incoming/\($0)" }
    for name in left + kept { try Data([1, 2, 3]).write(to: URL(filePath: "\(closed.path)/\(name)")) }
    do {
      let archive = try await openArchive(at: closed.path)
      for name in left { #expect(!FileManager.default.fileExists(atPath: "\(closed.path)/\(name)"), "\(name)") }
      for name in kept {
        #expect(FileManager.default.contents(atPath: "\(closed.path)/\(name)") == Data([1, 2, 3]), "\(name)")
        try remove("\(closed.path)/\(name)")
      }
      try closed.expectAll(of: archive)
    }
  }

  /// A link in the place of a folder would have the archive write, and remove, somewhere else.
  @Test func linkedFoldersAreRefused() async throws {
    let closed = try await Closed(epochCount: 1)
    for name in ["incoming", "packs", "log", "keys", "runs"] {
      let path = try await closed.copy("linked-\(name)")
      let elsewhere = "\(path)-elsewhere"
      if FileManager.default.fileExists(atPath: "\(path)/\(name)") {
        try FileManager.default.moveItem(atPath: "\(path)/\(name)", toPath: elsewhere)
      } else {
        try FileManager.default.createDirectory(atPath: elsewhere, withIntermediateDirectories: false)
      }
      try FileManager.default.createSymbolicLink(atPath: "\(path)/\(name)", withDestinationPath: elsewhere)
      #expect(try await refusalOf(path) == .storageKind, "\(name)")
    }
  }
}
