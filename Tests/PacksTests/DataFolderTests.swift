import Bulk
import Core
import Glibc
import Packs
import Testing

@Suite struct DataFolderTests {
  @Test func aFolderIsMadeOnceAndHeldByOne() throws {
    let temporary = TemporaryFolder()
    let path = "\(temporary.path)/data"
    expect(.storageMissing) { () throws(PosternError) in try DataFolder.open(at: path) }
    var folder: DataFolder? = try DataFolder.create(at: path)
    expect(.storageInUse) { () throws(PosternError) in try DataFolder.create(at: path) }
    expect(.storageInUse) { () throws(PosternError) in try DataFolder.open(at: path) }
    #expect(try SystemFiles().names(path).sorted() == ["incoming", "keys", "lock", "log", "packs"])
    folder = nil
    // Half made: the key is what makes it an archive.
    folder = try DataFolder.create(at: path)
    let keyPath = try #require(folder?.logKeyPath)
    try DurableFile.write([1], to: keyPath, permissions: 0o600)
    folder = nil
    expect(.storageExists) { () throws(PosternError) in try DataFolder.create(at: path) }
    folder = try DataFolder.open(at: path)
    expect(.storageInUse) { () throws(PosternError) in try DataFolder.open(at: path) }
    var status = stat()
    #expect(stat("\(path)/keys", &status) == 0 && status.st_mode & 0o777 == 0o700)
    _ = folder
  }

  @Test func makingAFolderGoesOnAfterEveryFailure() throws {
    let temporary = TemporaryFolder()
    let healthy = FaultyFiles(failing: 0)
    _ = try DataFolder.create(at: "\(temporary.path)/healthy", files: healthy)
    for position in 1...healthy.calls.count {
      let path = "\(temporary.path)/\(position)"
      let refusal = code { () throws(PosternError) in
        try DataFolder.create(at: path, files: FaultyFiles(failing: position, number: ENOSPC))
      }
      #expect(refusal == .storageFull, "call \(position)")
      let folder = try DataFolder.create(at: path)
      try folder.publish([LogFile(path: "checkpoint", bytes: [1])])
    }
  }

  @Test func temporaryFilesGoAndPacksStay() throws {
    let temporary = TemporaryFolder()
    let path = "\(temporary.path)/data"
    var folder: DataFolder? = try DataFolder.create(at: path)
    let foreign = ["03.pack", "log-", "log-0ab", "log-x", "thesis.tex", "x.pack"]
    for name in ["12.pack", "3.pack", "log-abc"] + foreign {
      try DurableFile.write([1], to: "\(path)/incoming/\(name)")
    }
    folder = nil
    folder = try DataFolder.open(at: path)
    // Whether the folder is this program's is not known yet.
    #expect(try SystemFiles().names("\(path)/incoming").count == 9)
    try folder?.removeLeftovers()
    #expect(try SystemFiles().names("\(path)/incoming").sorted() == (foreign + ["12.pack", "3.pack"]).sorted())
    #expect(try folder?.incomingPacks() == [3, 12])
    try folder?.removePack(number: 3)
    try folder?.removePack(number: 3)
    #expect(try folder?.incomingPacks() == [12])
  }

  /// A crash between a key's temporary file and its name, in a folder half made and in one that is an archive.
  @Test func aCrashLeavesNoSecretAmongTheKeys() throws {
    let temporary = TemporaryFolder()
    let path = "\(temporary.path)/data"
    var folder: DataFolder? = try DataFolder.create(at: path)
    for makesWhole in [true, false] {
      folder = nil
      // Nothing else may lie in a folder of which an archive is made.
      let others = ["keys/other.key", "keys/.mine.tmp", "log/checkpoint", ".tmp.txt"]
      let kept = makesWhole ? [] : others.map { "\(path)/\($0)" }
      let left = ["\(path)/keys/.log.key.1f.tmp", "\(path)/keys/.log.key.ffffffffffffffff.tmp"]
      for name in kept + left { try DurableFile.write([7, 7, 7], to: name, permissions: 0o600, replacing: true) }
      // A second name of the same file shows what became of its bytes.
      let witness = "\(temporary.path)/witness-\(makesWhole)"
      #expect(link(left[0], witness) == 0)
      folder = makesWhole ? try DataFolder.create(at: path) : try DataFolder.open(at: path)
      if !makesWhole { try folder?.removeLeftovers() }
      for name in kept { #expect(try DurableFile.read(name, byteLimit: 3) == [7, 7, 7]) }
      for name in left {
        expect(.storageMissing) { () throws(PosternError) in try DurableFile.read(name, byteLimit: 3) }
      }
      #expect(try DurableFile.read(witness, byteLimit: 3) == [0, 0, 0])
    }
    _ = folder
  }

  /// An archive is made in an empty folder, and what lies in another stays as it is.
  @Test func aFolderOfOtherThingsIsLeftAlone() throws {
    for name in [
      ".draft.tmp", "README", "incoming/thesis.tex", "incoming/7.pack", "keys/.mine.tmp", "keys/my.key",
      "log/checkpoint", "packs/a", "runs/1.run",
    ] {
      let temporary = TemporaryFolder()
      let path = "\(temporary.path)/data"
      mkdir(path, 0o755)
      if let slash = name.firstIndex(of: "/") { mkdir("\(path)/\(name[..<slash])", 0o755) }
      try DurableFile.write([7], to: "\(path)/\(name)")
      expect(.storageExists) { () throws(PosternError) in try DataFolder.create(at: path) }
      #expect(try DurableFile.read("\(path)/\(name)", byteLimit: 1) == [7])
      #expect(try SystemFiles().names(path).count == 1, "\(name)")
    }
    let temporary = TemporaryFolder()
    // What a file system's own root has.
    mkdir("\(temporary.path)/lost+found", 0o700)
    _ = try DataFolder.create(at: temporary.path)
  }

  /// Nothing is made, written or removed through a link.
  @Test func linkedFoldersAreRefused() throws {
    for name in ["keys", "incoming", "log", "packs"] {
      let temporary = TemporaryFolder()
      let path = "\(temporary.path)/data"
      for folder in [path, "\(temporary.path)/elsewhere"] { mkdir(folder, 0o755) }
      symlink("../elsewhere", "\(path)/\(name)")
      expect(.storageKind) { () throws(PosternError) in try DataFolder.create(at: path) }
      #expect(try SystemFiles().names("\(temporary.path)/elsewhere").isEmpty)
    }
    let temporary = TemporaryFolder()
    let folder = try DataFolder.create(at: "\(temporary.path)/data")
    let elsewhere = "\(temporary.path)/elsewhere"
    mkdir(elsewhere, 0o755)
    symlink(elsewhere, folder.layout.log("tile"))
    expect(.storageKind) { () throws(PosternError) in
      try folder.publish([LogFile(path: "tile/0/000", bytes: [1])])
    }
    unlink(folder.layout.log("tile"))
    try folder.publish([LogFile(path: "tile/0/000", bytes: [1]), LogFile(path: "tile/0/001", bytes: [1])])
    // What is no partial tile stays, and what a link leads to does.
    for name in ["7", "seven"] { try DurableFile.write([1], to: "\(elsewhere)/\(name)") }
    symlink(elsewhere, folder.layout.log("tile/0/000.p"))
    expect(.storageKind) { () throws(PosternError) in try folder.removePartials(of: "tile/0/000") }
    try folder.publish([LogFile(path: "tile/0/001.p/7", bytes: [1]), LogFile(path: "tile/0/001.p/x", bytes: [1])])
    expect(.storageExists) { () throws(PosternError) in try folder.removePartials(of: "tile/0/001") }
    #expect(try SystemFiles().names(folder.layout.log("tile/0/001.p")) == ["x"])
    #expect(try SystemFiles().names(elsewhere).sorted() == ["7", "seven"])
    let (_, placement) = try makePack(1, in: folder)
    symlink(elsewhere, folder.layout.packs(app: app))
    expect(.storageKind) { () throws(PosternError) in try folder.place([placement]) }
    #expect(try SystemFiles().names(elsewhere).count == 2)
  }

  @Test func aPackOfAnotherProcessIsCheckedBeforeItGetsItsName() throws {
    let temporary = TemporaryFolder()
    let folder = try DataFolder.create(at: "\(temporary.path)/data")
    let (pack, placement) = try makePack(1, in: folder)
    let incoming = "\(temporary.path)/data/incoming/1.pack"
    let bytes = try DurableFile.read(incoming, byteLimit: 1_000)
    let misplaced = PackPlacement(number: 1, app: app, generation: 3, name: pack.name)
    expect(.packWrongSpace) { () throws(PosternError) in try folder.place([misplaced], checking: true) }
    let misnamed = PackPlacement(number: 1, app: app, generation: 2, name: app)
    expect(.packWrongName) { () throws(PosternError) in try folder.place([misnamed], checking: true) }
    try DurableFile.write(Array(bytes.dropLast()), to: incoming, replacing: true)
    expect(.packDamaged) { () throws(PosternError) in try folder.place([placement], checking: true) }
    #expect(try SystemFiles().names(folder.layout.packs).isEmpty)
    try DurableFile.write(bytes, to: incoming, replacing: true)
    // Twice: a crash can come before the index knows.
    for _ in 0..<2 { try folder.place([placement], checking: true) }
    #expect(try folder.incomingPacks().isEmpty)
    let lost = PackPlacement(number: 9, app: app, generation: 2, name: app)
    expect(.storageMissing) { () throws(PosternError) in try folder.place([lost], checking: true) }
  }

  @Test func aPackIsFoundBeforeAndAfterItIsPlaced() throws {
    let temporary = TemporaryFolder()
    let folder = try DataFolder.create(at: "\(temporary.path)/data")
    let (pack, placement) = try makePack(1, in: folder)
    func read(_ name: Digest?) -> PosternError.Code? {
      code { () throws(PosternError) in
        let file = try folder.openPack(number: 1, app: app, generation: 2, name: name)
        let bytes = try file.read(offset: 64, length: 3)
        #expect(bytes == [1, 2, 3])
      }
    }
    #expect(read(nil) == nil && read(pack.name) == nil)
    try folder.place([placement])
    #expect(read(pack.name) == nil && read(nil) == .storageMissing)
    // Again, after a crash before the index knew.
    try folder.place([placement])
    #expect(read(pack.name) == nil)
    let path = "\(temporary.path)/data/packs/\(app.hex)/2/\(pack.name.hex).pack"
    let count = try PackReader(path, name: pack.name).footer.count
    #expect(count == 1)
    expect(.storageMissing) { () throws(PosternError) in
      try folder.place([PackPlacement(number: 9, app: app, generation: 2, name: app)])
    }
  }

  @Test func placingCostsASyncForEachFolder() throws {
    let temporary = TemporaryFolder()
    let files = FaultyFiles(failing: 0)
    let folder = try DataFolder.create(at: "\(temporary.path)/data", files: files)
    for round in 0..<2 {
      let placements = try (1...3).map { try makePack(UInt64(round * 3 + $0), in: folder).1 }
      let before = files.calls.count
      try folder.place(placements)
      let syncs = files.calls.dropFirst(before).count { $0 == .sync }
      // The first time, those of `packs` and the two folders above the packs as well.
      #expect(syncs == (round == 0 ? 4 : 1))
    }
  }

  /// Generations are opened by anyone who pushes: that a folder is durable is forgotten after a thousand others.
  @Test func foldersAreForgotten() throws {
    let temporary = TemporaryFolder()
    let files = FaultyFiles(failing: 0)
    let folder = try DataFolder.create(at: "\(temporary.path)/data", files: files)
    func cost(_ generation: UInt64) throws -> Int {
      let before = files.calls.count
      try folder.makeFolder(folder.layout.packs(app: app, generation: generation))
      return files.calls.count - before
    }
    #expect(try cost(1) > 0)
    #expect(try cost(1) == 0)
    for generation in 2...1_030 { #expect(try cost(UInt64(generation)) > 0) }
    #expect(try cost(1_030) == 0)
    #expect(try cost(1) > 0)
  }

  @Test func finishingAndPlacingSurvivesAFailureOfEveryCall() throws {
    let healthy = FaultyFiles(failing: 0)
    try run(healthy)
    let count = healthy.calls.count
    #expect(count > 20)
    for (number, expected) in [(EIO, PosternError.Code.storageFailed), (ENOSPC, .storageFull)] {
      for position in 1...count {
        let files = FaultyFiles(failing: position, number: number)
        let refusal = code { () throws(PosternError) in try run(files) }
        let failed = try #require(files.calls.dropFirst(position - 1).first)
        let isSync = failed == .sync || failed == .syncData
        #expect(refusal == (isSync && number == EIO ? .storageSyncFailed : expected), "call \(position) \(failed)")
      }
    }
  }

  /// Makes, fills, finishes, places and reads a pack; and when a call fails on the way, does again what a start does.
  private func run(_ files: FaultyFiles) throws(PosternError) {
    let temporary = TemporaryFolder()
    let path = "\(temporary.path)/data"
    var known: [PackEntry] = []
    var knownByteCount: UInt64 = 0
    var finished: FinishedPack?
    let objects: [[UInt8]] = [[1, 2, 3], Array(repeating: 5, count: 2_000_000), [7]]
    do throws(PosternError) {
      let folder = try DataFolder.create(at: path, files: files)
      var writer = try folder.createPack(number: 1, app: app, generation: 2)
      try writer.append(objects[0])
      try writer.append(objects[1])
      known += try writer.sync()
      knownByteCount = writer.byteCount
      try writer.append(objects[2])
      let pack = try writer.finish()
      finished = pack
      try folder.place([PackPlacement(number: 1, app: app, generation: 2, name: pack.name)])
      let file = try folder.openPack(number: 1, app: app, generation: 2, name: pack.name)
      let bytes = try file.read(offset: 64, length: 3)
      #expect(bytes == objects[0])
    } catch {
      try goOn(path, known, knownByteCount, finished, objects)
      throw error
    }
  }

  private func goOn(
    _ path: String, _ known: [PackEntry], _ knownByteCount: UInt64, _ finished: FinishedPack?, _ objects: [[UInt8]]
  ) throws(PosternError) {
    // Where there is a pack, there was a key before it, which this test does without.
    let layout = FolderLayout(root: path)
    let isMade = [layout.incoming, layout.packs].contains { (try? SystemFiles().names($0).isEmpty) == false }
    let folder = isMade ? try DataFolder.open(at: path) : try DataFolder.create(at: path)
    // A pack lies under its name only when its whole file is durable.
    let placed = (try? SystemFiles().names(folder.layout.packs(app: app, generation: 2))) ?? []
    #expect(finished != nil || placed.isEmpty)
    if let finished {
      try folder.place([PackPlacement(number: 1, app: app, generation: 2, name: finished.name)])
      let path = folder.layout.pack(app: app, generation: 2, name: finished.name)
      let reader = try PackReader(path, name: finished.name)
      for bytes in objects {
        let read = try reader.read(SHA256.hash(bytes))
        #expect(read == bytes)
      }
    } else if !known.isEmpty {
      var writer = try folder.adoptPack(
        number: 1, app: app, generation: 2, entries: known, byteCount: knownByteCount)
      try writer.append(objects[2])
      let pack = try writer.finish()
      #expect(pack.entries.count == objects.count)
    }
  }

  /// A sixteenth of the file system, and 64 MiB at most, is not for objects; half of it is not for what is written
  /// anew.
  @Test func objectsLeaveAReserve() throws {
    let temporary = TemporaryFolder()
    let files = FaultyFiles(failing: 0)
    let folder = try DataFolder.create(at: "\(temporary.path)/data", files: files)
    var writer = try folder.createPack(number: 1, app: app, generation: 1)
    let bytes = [UInt8](repeating: 1, count: 100_000)
    try writer.append(bytes)
    let pack = try writer.finish()
    let placement = PackPlacement(number: 1, app: app, generation: 1, name: pack.name)
    var all = Bitmap(count: 1)
    all[0] = true
    for (byteCount, reserve) in [(160, 10), (1_024, 64), (1 << 20, 64)] as [(UInt64, UInt64)] {
      for (kind, least) in [(Reserve.whole, reserve << 20), (.half, reserve << 19)] {
        files.say(FileSystemRoom(byteCount: byteCount << 20, freeByteCount: least + 10))
        try folder.requireReserve(kind, besides: 10)
        expect(.storageFull) { () throws(PosternError) in try folder.requireReserve(kind, besides: 11) }
      }
      files.say(FileSystemRoom(byteCount: byteCount << 20, freeByteCount: reserve << 19 | UInt64(bytes.count - 1)))
      expect(.storageFull) { () throws(PosternError) in
        try folder.copyPack(number: 1, name: pack.name, to: 2) { _ in true }.byteCount
      }
      let source = PackSource(placement, deadPositions: Bitmap(count: 0))
      expect(.storageFull) { () throws(PosternError) in try folder.mergePacks([source], to: 2)?.byteCount }
      // What keeps nothing needs no room.
      files.say(FileSystemRoom(byteCount: byteCount << 20, freeByteCount: 0))
      #expect(try folder.mergePacks([PackSource(placement, deadPositions: all)], to: 2) == nil)
      #expect(try SystemFiles().names(folder.layout.incoming) == ["1.pack"])
    }
  }

  /// What waits in memory takes its room as soon as it is taken.
  @Test func theReserveCountsWhatWaits() throws {
    let temporary = TemporaryFolder()
    let files = FaultyFiles(failing: 0)
    let folder = try DataFolder.create(at: "\(temporary.path)/data", files: files)
    let free: UInt64 = 10 << 20 | 100
    files.say(FileSystemRoom(byteCount: 160 << 20, freeByteCount: free))
    var first = try folder.createPack(number: 1, app: app, generation: 1)
    var second: PackWriter? = try folder.createPack(number: 2, app: app, generation: 1)
    func refusal() -> PosternError.Code? {
      code { () throws(PosternError) in try folder.requireReserve(.whole, besides: 10) }
    }
    // Two headers wait already, of 64 bytes each.
    #expect(refusal() == .storageFull)
    _ = try first.sync()
    #expect(refusal() == nil)
    try first.append([UInt8](repeating: 1, count: 50))
    #expect(refusal() == .storageFull)
    second = nil
    #expect(second == nil && refusal() == nil)
    try first.append([UInt8](repeating: 2, count: 3 << 20))
    #expect(refusal() == .storageFull)
    _ = try first.sync()
    #expect(refusal() == nil)
    try first.append([UInt8](repeating: 3, count: 100))
    #expect(refusal() == .storageFull)
    _ = try first.finish()
    #expect(refusal() == nil)
  }

  @Test func aWriterIsUselessAfterAFailure() throws {
    let temporary = TemporaryFolder()
    let files = FaultyFiles(failing: 1, only: .write, number: ENOSPC)
    var writer = try PackWriter(creating: "\(temporary.path)/pack", app: app, generation: 1, files: files)
    try writer.append([1])
    expect(.storageFull) { () throws(PosternError) in try writer.append(Array(repeating: 1, count: 2 << 20)) }
    expect(.storageFull) { () throws(PosternError) in try writer.append([2]) }
    expect(.storageFull) { () throws(PosternError) in try writer.sync().count }
    let refusal = finishing(writer)
    #expect(refusal == .storageFull)
  }

  private func finishing(_ writer: consuming PackWriter) -> PosternError.Code? {
    do throws(PosternError) {
      _ = try writer.finish()
      return nil
    } catch {
      return error.code
    }
  }

  @Test func theLogIsPublishedWhole() throws {
    let temporary = TemporaryFolder()
    let files = FaultyFiles(failing: 0)
    let folder = try DataFolder.create(at: "\(temporary.path)/data", files: files)
    let tile = LogFile(path: "tile/0/x001/234.p/7", bytes: [1, 2])
    try folder.publish([tile, LogFile(path: "tile/entries/000.p/1", bytes: [3])])
    try folder.publish([LogFile(path: "checkpoint", bytes: [4])])
    let before = files.calls.count
    try folder.publish([LogFile(path: "checkpoint", bytes: [5])])
    #expect(files.calls.dropFirst(before).count { $0 == .sync || $0 == .syncData } == 2)
    #expect(try folder.readLog("tile/0/x001/234.p/7", byteLimit: 2) == [1, 2])
    #expect(try folder.readLog("checkpoint", byteLimit: 1) == [5])
    #expect(try folder.readLog("tile/1/000", byteLimit: 1) == nil)
    expect(.storageTooLong) { () throws(PosternError) in try folder.readLog(tile.path, byteLimit: 1) }
    #expect(try SystemFiles().names(folder.layout.incoming).isEmpty)
  }

  @Test func partialTilesGoWhenTheFullOneIsThere() throws {
    let temporary = TemporaryFolder()
    let folder = try DataFolder.create(at: "\(temporary.path)/data")
    let full = "tile/0/x001/234"
    let partials = [1, 7, 255].map { LogFile(path: "\(full).p/\($0)", bytes: [UInt8($0)]) }
    let other = LogFile(path: "tile/0/x001/235.p/1", bytes: [9])
    try folder.publish(partials + [other])
    expect(.storageMissing) { () throws(PosternError) in try folder.removePartials(of: full) }
    #expect(try folder.readLog(partials[1].path, byteLimit: 1) == [7])
    try folder.publish([LogFile(path: full, bytes: [5])])
    for _ in 0..<2 { try folder.removePartials(of: full) }
    #expect(try SystemFiles().names(folder.layout.log("tile/0/x001")).sorted() == ["234", "235.p"])
    #expect(try folder.readLog(full, byteLimit: 1) == [5])
    #expect(try folder.readLog(other.path, byteLimit: 1) == [9])
    // A start that publishes anew what a crash left half done makes the folder again.
    try folder.publish([partials[0]])
    #expect(try folder.readLog(partials[0].path, byteLimit: 1) == [1])
  }

  private func makePack(
    _ number: UInt64, in folder: DataFolder
  ) throws(PosternError) -> (FinishedPack, PackPlacement) {
    var writer = try folder.createPack(number: number, app: app, generation: 2)
    try writer.append([UInt8(number), 2, 3])
    let pack = try writer.finish()
    return (pack, PackPlacement(number: number, app: app, generation: 2, name: pack.name))
  }
}
