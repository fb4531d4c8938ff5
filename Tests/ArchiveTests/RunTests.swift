import Archive
import Core
import Fixtures
import Foundation
import GRDBSQLite
import Index
import Packs
import Records
import Testing
import Trust

/// The index's runs: built when packs are many, merged, lost, damaged, and interrupted at every step.
@Suite struct RunTests {
  private let new: NewArchive
  private let application: Application

  init() async throws {
    new = try await NewArchive(inMemory: true)
    application = try Application(home: new.archive.home)
    _ = try await application.register(in: new.archive)
  }

  private func push(
    to count: UInt64, after epochs: [EpochFixture] = [], _ archive: Archive
  ) async throws -> [EpochFixture] {
    var epochs = epochs
    while UInt64(epochs.count) < count {
      let epoch = try application.epoch(UInt64(epochs.count + 1), after: epochs.last?.leafHash ?? .zero)
      try await application.push(epoch, to: archive)
      epochs.append(epoch)
    }
    await archive.finish()
    return epochs
  }

  private func runs(at path: String) throws -> [String] { try files(in: "\(path)/runs") }

  private func expectAll(_ epochs: [EpochFixture], in archive: Archive) throws {
    for epoch in epochs { try archive.expectWhole(epoch, of: application) }
  }

  @Test func manyPacksGetARunAndRunsAreMerged() async throws {
    var epochs = try await push(to: 15, new.archive)
    #expect(try runs(at: new.path).isEmpty)
    epochs = try await push(to: 16, after: epochs, new.archive)
    #expect(try runs(at: new.path) == ["1.run"])
    try expectAll(epochs, in: new.archive)
    epochs = try await push(to: 33, after: epochs, new.archive)
    #expect(try runs(at: new.path) == ["3.run"])
    try expectAll(epochs, in: new.archive)
    // All that an unchanged state needs is found, in runs and in what is loose.
    let token = try await application.begin(try application.epoch(34, after: epochs[32].leafHash), in: new.archive)
    for epoch in epochs {
      let missing = try await new.archive.missing(epoch.state.objects.map(\.id), for: token)
      #expect(missing.allSatisfy { $0 == 0 })
    }
  }

  @Test func lostRunsAreBuiltAgain() async throws {
    let epochs = try await push(to: 17, new.archive)
    let copy = new.folder.path("copy")
    try FileManager.default.copyItem(atPath: new.path, toPath: copy)
    try FileManager.default.removeItem(atPath: "\(copy)/runs")
    try expectAll(epochs, in: try await openArchive(at: copy))
    #expect(try runs(at: copy) == ["2.run"])

    // What a stop left of a run that no row names.
    let other = new.folder.path("other")
    try FileManager.default.copyItem(atPath: new.path, toPath: other)
    try Data([1, 2, 3]).write(to: URL(filePath: "\(other)/runs/77.run"))
    try expectAll(epochs, in: try await openArchive(at: other))
    #expect(try runs(at: other) == ["1.run"])
  }

  /// A run that cannot be read, and one of an earlier version, are made again at a start.
  @Test func aDamagedRunIsBuiltAgain() async throws {
    let epochs = try await push(to: 16, new.archive)
    let copy = new.folder.path("copy")
    try FileManager.default.copyItem(atPath: new.path, toPath: copy)
    let path = "\(copy)/runs/1.run"
    let run = try Data(contentsOf: URL(filePath: path))
    var older = run
    older.replaceSubrange(0..<14, with: Array("postern/run/v1".utf8))
    var rotten = run
    rotten[4_096] ^= 1
    for (count, bytes) in [Data(repeating: 0, count: 9_000), older, rotten].enumerated() {
      let name = try #require(try runs(at: copy).first)
      try bytes.write(to: URL(filePath: "\(copy)/runs/\(name)"))
      try expectAll(epochs, in: try await openArchive(at: copy))
      #expect(try runs(at: copy) == ["\(count + 2).run"])
    }
  }

  /// What rots under an open archive hides nothing: who asks is told, and the others find theirs.
  @Test func aRunThatRotsIsTold() async throws {
    let epochs = try await push(to: 16, new.archive)
    try expectAll(epochs, in: new.archive)
    let lost = epochs[0].state.objects[0]
    let kept = try #require(epochs[1].state.objects.first { $0 != lost })
    let (archive, app) = (new.archive, application.app)
    let questions = [[lost.id], [kept.id, lost.id], [lost.id, Digest(Array(repeating: 7, count: 32)) ?? .zero]]
    for (count, ids) in questions.enumerated() {
      #expect(try archive.storedObjects([kept.id], app: app, generation: 1) == [kept])
      let name = try #require(try runs(at: new.path).first)
      try rot(lost.id, in: name)
      #expect(refusal { try archive.storedObjects(ids, app: app, generation: 1) }?.code == .storageRunDamaged)
      // Told, and mended behind the answer: the packs have all.
      try await waitUntilMade(besides: name)
      try expectAll(epochs, in: archive)
      #expect(try runs(at: new.path) == ["\(count + 2).run"])
    }
    let token = try await application.begin(try application.epoch(17, after: epochs[15].leafHash), in: archive)
    #expect(try await archive.missing(epochs.map(\.fields.root), for: token).allSatisfy { $0 == 0 })
  }

  /// Changes the place that a run has for an object.
  private func rot(_ id: Digest, in name: String) throws {
    let path = "\(new.path)/runs/\(name)"
    var bytes = try Data(contentsOf: URL(filePath: path))
    let place = try #require(bytes[4_096...].firstRange(of: Data(id.bytes.prefix(8))))
    bytes[place.lowerBound + 7] ^= 1
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.write(contentsOf: bytes)
    try file.close()
  }

  /// Waits until a run is gone and all is done that was made of its packs.
  private func waitUntilMade(besides name: String) async throws {
    for _ in 0..<1_000 where try runs(at: new.path).contains(name) { try await Task.sleep(for: .milliseconds(10)) }
    await new.archive.finish()
  }

  /// A run that is gone under an open archive is made again, and one that was put back is read by its name.
  @Test func aRunThatIsLostOrPutBackIsFoundAgain() async throws {
    let epochs = try await push(to: 16, new.archive)
    let (archive, app, lost) = (new.archive, application.app, epochs[0].state.objects[0])
    let path = "\(new.path)/runs/1.run"
    try expectAll(epochs, in: archive)
    let sound = try Data(contentsOf: URL(filePath: path))
    try rot(lost.id, in: "1.run")
    try sound.write(to: URL(filePath: path), options: .atomic)
    // What is open is still the damaged one, until that is met.
    #expect(refusal { try archive.storedObjects([lost.id], app: app, generation: 1) }?.code == .storageRunDamaged)
    for _ in 0..<1_000 where refusal({ try archive.storedObjects([lost.id], app: app, generation: 1) }) != nil {
      try await Task.sleep(for: .milliseconds(10))
    }
    await archive.finish()
    #expect(try runs(at: new.path) == ["1.run"])
    try expectAll(epochs, in: archive)

    let copy = new.folder.path("copy")
    try FileManager.default.copyItem(atPath: new.path, toPath: copy)
    let other = try await openArchive(at: copy)
    try FileManager.default.removeItem(atPath: "\(copy)/runs/1.run")
    #expect(refusal { try other.storedObjects([lost.id], app: app, generation: 1) }?.code == .storageMissing)
    for _ in 0..<1_000 where try runs(at: copy) != [] && runs(at: copy) != ["2.run"] {
      try await Task.sleep(for: .milliseconds(10))
    }
    await other.finish()
    try expectAll(epochs, in: other)
    #expect(try runs(at: copy) == ["2.run"])
  }

  /// A run that rotted is not merged with others: all are made again.
  @Test func aRunThatRotsIsNotMerged() async throws {
    var epochs = try await push(to: 31, new.archive)
    #expect(try runs(at: new.path) == ["1.run"])
    let run = "\(new.path)/runs/1.run"
    let file = try FileHandle(forUpdating: URL(filePath: run))
    try file.seek(toOffset: 4_096 + 12)
    try file.write(contentsOf: [0xff, 0xff])
    try file.close()
    // One in fifty of what is new looks like what the damaged page has: that push is told, and tries again.
    while epochs.count < 33 {
      do {
        epochs = try await push(to: UInt64(epochs.count + 1), after: epochs, new.archive)
      } catch let error as PosternError where error.code == .storageRunDamaged {
        try await waitUntilMade(besides: "1.run")
      }
    }
    try await waitUntilMade(besides: "1.run")
    try expectAll(epochs, in: new.archive)
    #expect(try runs(at: new.path).count == 1)
  }

  /// A run that the index does not take leaves no file, whether it is new or merged; and all goes on once it takes them.
  @Test func aRunThatIsNotTakenLeavesNoFile() async throws {
    var index: OpaquePointer?
    #expect(sqlite3_open("\(new.path)/index.sqlite", &index) == SQLITE_OK)
    defer { sqlite3_close(index) }
    // The archive writes as well.
    sqlite3_busy_timeout(index, 5_000)
    func execute(_ statement: String) { #expect(sqlite3_exec(index, statement, nil, nil, nil) == SQLITE_OK) }
    func refuse(_ action: String) {
      execute("CREATE TRIGGER refusal BEFORE \(action) ON run BEGIN SELECT RAISE(ABORT, 'refused'); END")
    }
    func allow() { execute("DROP TRIGGER refusal") }
    refuse("INSERT")
    var epochs = try await push(to: 17, new.archive)
    #expect(try runs(at: new.path).isEmpty)
    allow()
    epochs = try await push(to: 18, after: epochs, new.archive)
    let first = try runs(at: new.path)
    #expect(first.count == 1)
    epochs = try await push(to: 33, after: epochs, new.archive)
    // What is new is taken, and what both are merged into is not.
    refuse("DELETE")
    epochs = try await push(to: 34, after: epochs, new.archive)
    let both = try runs(at: new.path)
    #expect(both.count == 2 && Set(both).isSuperset(of: first))
    try expectAll(epochs, in: new.archive)
    allow()
    epochs = try await push(to: 35, after: epochs, new.archive)
    let merged = try runs(at: new.path)
    #expect(merged.count == 1 && Set(merged).isDisjoint(with: both))
  }

  /// A disk that does not give a run, or a pack, stops no start: the one is made again, the other waits to be restored.
  @Test func whatTheDiskDoesNotGiveStopsNoStart() async throws {
    let epochs = try await push(to: 20, new.archive)
    for (path, count) in [("runs/1.run", 20), ("packs", 19)] {
      let copy = new.folder.path(path.filter { $0 != "/" })
      try FileManager.default.copyItem(atPath: new.path, toPath: copy)
      var target = "\(copy)/\(path)"
      if path == "packs" {
        // The runs have to be made from it.
        try FileManager.default.removeItem(atPath: "\(copy)/runs")
        let pack = try #require(
          try files(in: target).first { name in
            try Data(contentsOf: URL(filePath: "\(target)/\(name)")).range(of: Data(epochs[19].envelope)) != nil
          })
        target += "/\(pack)"
      }
      let layer = FaultyFiles()
      layer.failReads(of: target)
      let archive = try await Archive.open(at: copy, files: layer) { Issue.record("stopped: \($0)") }
      let whole = epochs.filter { epoch in
        refusal { try archive.expectWhole(epoch, of: application) } == nil
      }
      #expect(whole.count == count)
      await archive.finish()
    }
  }

  /// Who has no descriptor left does not say that it holds nothing.
  @Test func whatTheProcessLacksHidesNothing() async throws {
    let epochs = try await push(to: 1, new.archive)
    let copy = new.folder.path("copy")
    try FileManager.default.copyItem(atPath: new.path, toPath: copy)
    let layer = FaultyFiles()
    let archive = try await openArchive(at: copy, files: layer)
    let token = try await application.begin(try application.epoch(2, after: epochs[0].leafHash), in: archive)
    layer.fail([.open], with: EMFILE)
    let ids = epochs[0].state.objects.map(\.id)
    #expect(await refusal { try await archive.missing(ids, for: token) }?.code == .storageExhausted)
    layer.fail([.open], with: nil)
    #expect(try await archive.missing(ids, for: token).allSatisfy { $0 == 0 })
    await archive.finish()
  }

  /// A run is a hint: what it says of packs that are gone, or of other objects, is nothing.
  @Test func whatARunSaysWronglyIsNotBelieved() async throws {
    let epochs = try await push(to: 1, new.archive)
    let copy = new.folder.path("copy")
    try FileManager.default.copyItem(atPath: new.path, toPath: copy)
    let (object, other) = (epochs[0].state.objects[0], Digest(Array(repeating: 7, count: 32)) ?? .zero)
    do {
      let folder = try DataFolder.open(at: copy)
      let index = try ArchiveIndex.open(path: folder.indexPath)
      let pack = try #require(
        try index.read { (s) throws(PosternError) in try s.packs(in: .placed) }.last { $0.generation == 1 })
      var entries = (0..<40).map { RunEntry(prefix: object.id.prefix, pack: 1_000 + UInt64($0), position: $0) }
      entries += (0..<3).flatMap { position in
        [object.id, other].map { RunEntry(prefix: $0.prefix, pack: pack.number, position: position) }
      }
      let space = Space(app: application.app, generation: 1)
      let number = index.reserveRun()
      var writer = try folder.createRun(number: number, app: space.app, generation: 1, entryLimit: entries.count)
      for entry in entries.sorted() { try writer.append(entry) }
      let count = try writer.finish()
      try await index.writer.addRun(RunRow(number: number, entryCount: count), of: space, listing: [])
      try index.close()
    }
    let archive = try await openArchive(at: copy)
    try expectAll(epochs, in: archive)
    #expect(
      refusal { try archive.storedObjects([other], app: application.app, generation: 1) }?.code == .archiveNotFound)
    let token = try await application.begin(try application.epoch(2, after: epochs[0].leafHash), in: archive)
    #expect(try await archive.missing([object.id, other], for: token) == [2])
  }

  /// A question looks up eight bytes once: what is asked twice is answered twice, and what only begins alike is
  /// missing.
  @Test func idsThatBeginAlikeAreToldApart() async throws {
    let epochs = try await push(to: 17, new.archive)
    let token = try await application.begin(try application.epoch(18, after: epochs[16].leafHash), in: new.archive)
    let here = [epochs[0].state.objects[0].id, epochs[16].state.objects[1].id]
    let alike = try here.map { id in try #require(Digest(id.bytes.prefix(8) + [UInt8](repeating: 7, count: 24))) }
    let ids = [here[0], alike[0], here[1], here[0], alike[1], here[1], alike[0], here[0]]
    #expect(try await new.archive.missing(ids, for: token) == [0b0101_0010])
    let found = try new.archive.storedObjects(here + here, app: application.app, generation: 1)
    #expect(found == [epochs[0].state.objects[0], epochs[16].state.objects[1]] + found.prefix(2))
    let error = refusal { try new.archive.storedObjects(ids, app: application.app, generation: 1) }
    #expect(error?.code == .archiveNotFound)
  }

  /// Full packs of an open push are found by their footers, in a run once they are many, and after a crash; given up,
  /// they leave nothing, neither at once nor where a stop came in between.
  @Test func fullPacksOfAPushAreFoundAndForgotten() async throws {
    let epoch = try application.epoch(1)
    let token = try await application.begin(epoch, in: new.archive)
    let count = 3 * ArchiveLimits.packObjectCount + 1_000
    var ids: [Digest] = []
    for start in stride(from: 0, to: count, by: 8_192) {
      let objects = (start..<min(count, start + 8_192)).map { number in
        var bytes = [UInt8](repeating: 0, count: 533)
        withUnsafeBytes(of: number) { bytes.replaceSubrange(0..<8, with: $0) }
        return StoredObject(kind: 1, bytes: bytes)
      }
      ids += objects.map(\.id)
      try await new.archive.upload(MemoryBatch(objects), to: token)
    }
    func missingCount(_ archive: Archive, _ token: PushToken) async throws -> Int {
      var missing = 0
      for start in stride(from: 0, to: count, by: 16_384) {
        let bits = try await archive.missing(Array(ids[start..<min(count, start + 16_384)]), for: token)
        missing += bits.reduce(0) { $0 + $1.nonzeroBitCount }
      }
      return missing
    }
    #expect(try await missingCount(new.archive, token) == 0)
    #expect(try runs(at: new.path) == ["1.run"])
    #expect(refusal { try new.archive.storedObjects([ids[7]], app: application.app, generation: 1) } != nil)
    // What rots is made again, and what the push lists in it is not missing meanwhile.
    try rot(ids[7], in: "1.run")
    #expect(await refusal { try await new.archive.missing([ids[7]], for: token) }?.code == .storageRunDamaged)
    for _ in 0..<10_000 where try runs(at: new.path).contains("1.run") {
      #expect(try await new.archive.missing(Array(ids[8..<108]), for: token).allSatisfy { $0 == 0 })
    }
    await new.archive.finish()
    #expect(try await missingCount(new.archive, token) == 0)
    #expect(try runs(at: new.path).count == 1)

    let copy = new.folder.path("copy")
    try FileManager.default.copyItem(atPath: new.path, toPath: copy)
    do {
      let archive = try await openArchive(at: copy)
      let next = try await application.begin(epoch, in: archive)
      // The last thousand were not noted yet.
      #expect(try await missingCount(archive, next) == 1_000)
      try await archive.abandon(next)
      await archive.finish()
      #expect(try files(in: "\(copy)/incoming").isEmpty && runs(at: copy).isEmpty)
      let again = try await application.begin(epoch, in: archive)
      #expect(try await missingCount(archive, again) == count)
      let epochs = try await push(to: 17, archive)
      try expectAll([epochs[0], epochs[16]], in: archive)
    }
    #expect(try runs(at: copy).count == 1)

    // The packs were given up, and the process ended before their run was.
    let left = new.folder.path("left")
    try FileManager.default.copyItem(atPath: new.path, toPath: left)
    do {
      let index = try ArchiveIndex.open(path: "\(left)/index.sqlite")
      #expect(try await index.writer.closePush(token).count == 3)
      try index.close()
    }
    let archive = try await openArchive(at: left)
    #expect(try runs(at: left).isEmpty)
    await archive.finish()
    // The uploader's next push goes on in these packs, and its seal gives them up: the tree reaches nothing in them.
    try expectAll(try await push(to: 1, new.archive), in: new.archive)
    for _ in 0..<500 where try !runs(at: new.path).isEmpty { try await Task.sleep(for: .milliseconds(10)) }
    #expect(try runs(at: new.path).isEmpty)
  }

  /// A push may fill as many packs as one commit takes, and is told before it sends more.
  @Test func aPushFillsNoMorePacksThanACommitTakes() async throws {
    var limits = ArchiveLimits()
    limits.packsPerPush = 2
    let new = try await NewArchive(limits: limits, inMemory: true)
    let application = try Application(home: new.archive.home)
    _ = try await application.register(in: new.archive)
    let epoch = try application.epoch(1)
    let token = try await application.begin(epoch, in: new.archive)
    var error: PosternError?
    var sentCount = 0
    while error == nil, sentCount < 4 * ArchiveLimits.packObjectCount {
      let objects = (sentCount..<sentCount + 8_192).map { number in
        var bytes = [UInt8](repeating: 0, count: 533)
        withUnsafeBytes(of: number) { bytes.replaceSubrange(0..<8, with: $0) }
        return StoredObject(kind: 1, bytes: bytes)
      }
      error = await refusal { try await new.archive.upload(MemoryBatch(objects), to: token) }
      if error == nil { sentCount += objects.count }
    }
    #expect(error?.code == .pushBudget && sentCount == 2 * ArchiveLimits.packObjectCount)
    try await new.archive.abandon(token)
    try await application.push(epoch, to: new.archive)
    try new.archive.expectWhole(epoch, of: application)
  }

  /// A disk that fails at any call of a start, or while footers and runs are asked and objects read, or that gives no
  /// access: it is told or borne, nobody gets other bytes, and nothing is lost.
  @Test(arguments: [EIO, EACCES]) func aStartOrAReadThatFailsLosesNothing(_ number: CInt) async throws {
    let epochs = try await push(to: 20, new.archive)
    let next = try application.epoch(21, after: epochs[19].leafHash)
    let packs = try files(in: "\(new.path)/packs")
    var refusals: [FileCall: Int] = [:]
    var call = 0
    while true {
      let folder = try TemporaryFolder(inMemory: true)
      let path = folder.path("archive")
      try FileManager.default.copyItem(atPath: new.path, toPath: path)
      let files = FaultyFiles()
      files.arm(.failure(number), at: call)
      let error = await refusal { [call] in
        let archive = try await Archive.open(at: path, files: files) { Issue.record("call \(call): stopped: \($0)") }
        for epoch in [epochs[0], epochs[15], epochs[19]] {
          let ids = epoch.state.objects.map(\.id)
          #expect(try archive.storedObjects(ids, app: application.app, generation: 1) == epoch.state.objects)
        }
        let token = try await application.begin(next, in: archive)
        for epoch in [epochs[1], epochs[18]] {
          let missing = try await archive.missing(epoch.state.objects.map(\.id), for: token)
          // What lies in a pack that cannot be read can be sent again.
          #expect(files.struck != nil || missing.allSatisfy { $0 == 0 })
        }
        try await archive.abandon(token)
        await archive.finish()
      }
      guard let struck = files.struck else { break }
      if let error {
        let codes: Set<PosternError.Code> = [.storageFailed, .storageDenied, .storageSyncFailed, .storageRunDamaged]
        #expect(codes.contains(error.code) && !error.advice.isEmpty, "call \(call), \(struck): \(error)")
        refusals[struck, default: 0] += 1
      }
      #expect(try ArchiveTests.files(in: "\(path)/packs") == packs)
      let archive = try await openArchive(at: path)
      try expectAll([epochs[0], epochs[15], epochs[19]], in: archive)
      try await application.push(next, to: archive)
      try archive.expectWhole(next, of: application)
      call += 1
    }
    print("\(call) calls, refused: \(refusals)")
    // The lock, the key, the published checkpoint; objects of packs. What a run or a footer does not give is borne.
    #expect(refusals[.open, default: 0] > 10 && refusals[.read, default: 0] > 30)
  }

  /// The push that makes a run, merges it with the one before and removes both, stopped at each call in turn.
  @Test(arguments: [FaultyFiles.Fault.death, .failure(EIO), .failure(ENOSPC)])
  func aStopAtAnyCallLosesNothing(_ fault: FaultyFiles.Fault) async throws {
    var generator = SeededGenerator.printing()
    let epochs = try await push(to: 31, new.archive)
    let next = try application.epoch(32, after: epochs[30].leafHash)
    var call = 0
    var merged = 0
    while true {
      let folder = try TemporaryFolder(inMemory: true)
      let path = folder.path("archive")
      try FileManager.default.copyItem(atPath: new.path, toPath: path)
      let files = FaultyFiles()
      let recorder = StopRecorder()
      var error: PosternError?
      do {
        let archive = try await Archive.open(at: path, files: files, stop: recorder.handler)
        files.arm(fault, at: call)
        error = await refusal { try await application.push(next, to: archive) }
        await archive.finish()
      }
      guard files.struck != nil else { break }
      if fault == .death { files.losePower(&generator) }
      let archive = try await openArchive(at: path)
      try expectAll([epochs[0], epochs[15], epochs[30]], in: archive)
      if error == nil {
        try archive.expectWhole(next, of: application)
      } else if try archive.show(application.app).epoch?.leaf != next.leaf {
        try await application.push(next, to: archive)
      }
      await archive.finish()
      try archive.expectWhole(next, of: application)
      #expect(try (1...2).contains(runs(at: path).count))
      if try runs(at: path).count == 1 { merged += 1 }
      call += 1
    }
    print("\(call) calls")
    #expect(call > 60 && merged > 0)
  }
}
