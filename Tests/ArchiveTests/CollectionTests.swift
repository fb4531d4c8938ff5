import Archive
import Bulk
import Core
import Fixtures
import Foundation
import Index
import Packs
import Records
import Testing

/// What no retained epoch needs is found no more and freed, and nothing else is touched.
@Suite struct CollectionTests {
  /// Random histories against a model: pages that are shared, change and come back; pushes that are left open, given up
  /// or adopted; new generations, and restarts.
  @Test func randomHistoriesAgainstAModel() async throws {
    var generator = SeededGenerator.printing()
    var deadCount = 0
    for _ in 0..<6 { deadCount += try await runHistory(&generator) }
    #expect(deadCount > 0)
  }

  private func runHistory(_ generator: inout SeededGenerator) async throws -> Int {
    let folder = try TemporaryFolder(inMemory: true)
    let path = folder.path("archive")
    _ = try Archive.create(at: path, origin: "example.org/log")
    var archive: Archive? = try await openArchive(at: path)
    var scene = try await CollectionScene(
      try #require(archive), at: path, retention: Int.random(in: 1...6, using: &generator))
    var hasOpenPush = false
    var pages = (0..<UInt64(30)).map { $0 }
    var deadCount = 0
    for _ in 0..<25 {
      let step = Int.random(in: 0..<12, using: &generator)
      if step == 0 {
        await archive?.finish()
        archive = nil
        archive = try await openArchive(at: path)
        try archive?.noteAllForCollection()
        try scene.collected(await archive?.collect() ?? [])
      }
      let open = try #require(archive)
      switch step {
      case 0: break
      case 1 where scene.isGenerationUsed: try scene.openGeneration()
      case 2:
        // Another uploader's push that stays open: nothing of its generation is collected until it is idle for too
        // long.
        let epoch = try scene.next(pages.map { $0 + 1_000 })
        let token = try await scene.application.begin(epoch, in: open, uploader: 1)
        _ = try await open.send(Array(epoch.state.objects.prefix(9)), in: token)
        hasOpenPush = true
      case 3:
        try await open.collectIdlePushes(nowSeconds: .max)
        hasOpenPush = false
      default:
        change(&pages, &generator)
        try await scene.push(try scene.next(pages), to: open)
        try scene.collected(await open.collect())
        if !hasOpenPush { try scene.expectBounded() }
      }
      try scene.expectSound(open)
      deadCount = max(deadCount, scene.deadCount)
    }
    return deadCount
  }

  private func change(_ pages: inout [UInt64], _ generator: inout SeededGenerator) {
    switch Int.random(in: 0..<7, using: &generator) {
    case 0: break
    case 1: pages = pages.map { _ in UInt64.random(in: 0..<60, using: &generator) }
    case 2: pages.removeLast(min(pages.count - 5, 7))
    case 3: pages.removeLast(pages.count - 5)
    default:
      for _ in 0..<Int.random(in: 1...12, using: &generator) {
        let value = UInt64.random(in: 0..<60, using: &generator)
        if Bool.random(using: &generator) {
          pages[Int.random(in: pages.indices, using: &generator)] = value
        } else {
          pages.append(value)
        }
      }
    }
  }

  /// Ten states that share nothing take the room of those that are kept, and one more at most.
  @Test func whatIsFreedCanBeStoredAgain() async throws {
    var limits = ArchiveLimits()
    limits.applicationByteCount = 1_200_000
    let new = try await NewArchive(limits: limits, inMemory: true)
    var scene = try await CollectionScene(new.archive, at: new.path, retention: 2)
    for number: UInt64 in 1...10 {
      try await scene.push(try scene.next((0..<60).map { number * 100 + $0 }), to: new.archive)
      try scene.collected(await new.archive.collect())
      try scene.expectSound(new.archive)
      #expect(try scene.diskByteCount() < 800_000)
    }
  }

  /// Where states become small, the large ones before them go, though next to nothing is added.
  @Test(arguments: [1, 2, 7]) func largeStatesGoWhereSmallOnesFollow(retention: Int) async throws {
    let new = try await NewArchive(inMemory: true)
    var scene = try await CollectionScene(new.archive, at: new.path, retention: retention)
    for number in 0..<UInt64(retention) {
      try await scene.push(try scene.next((0..<60).map { number * 100 + $0 }), to: new.archive)
    }
    let before = try scene.diskByteCount()
    // The last large state is kept for so many epochs, and may stay for a quarter of them more.
    for _ in 0..<retention + (retention - 1) / 4 {
      try await scene.push(try scene.next([1]), to: new.archive)
      try scene.collected(await new.archive.collect())
      try scene.expectBounded()
      try scene.expectSound(new.archive)
    }
    let after = try scene.diskByteCount()
    #expect(after < before / 2 && after < 60 * 4_096, "\(after) of \(before)")
  }

  /// A new generation's open push finds the room that the collection of an older one made.
  @Test func anOpenPushOfAnotherGenerationGetsTheRoom() async throws {
    var limits = ArchiveLimits()
    limits.applicationByteCount = 800_000
    let new = try await NewArchive(limits: limits, inMemory: true)
    let archive = new.archive
    var scene = try await CollectionScene(new.archive, at: new.path, retention: 1)
    let blocking = try await scene.application.begin(try scene.next([1]), in: archive, uploader: 1)
    for number: UInt64 in 1...2 {
      try await scene.push(try scene.next((0..<60).map { number * 100 + $0 }), to: archive)
    }
    #expect(await archive.collect().isEmpty)
    try scene.openGeneration()
    let next = try scene.next((0..<90).map { 1_000 + $0 })
    let token = try await scene.application.begin(next, in: archive)
    let first = await refusal { try await archive.send(next.state.objects, in: token) }
    #expect(first?.code == .pushApplicationFull)
    try await archive.abandon(blocking)
    try scene.collected(await archive.collect())
    _ = try await archive.send(next.state.objects, in: token)
    let receipt = try await archive.sealAndShow(leaf: next.leaf, bodies: next.epochBodies, token: token)
    scene.admitted(next, receipt)
    try scene.expectSound(archive)
  }

  /// A generation without a retained epoch keeps what `check` reads and nothing else.
  @Test func anOldGenerationKeepsItsEnvelopesAlone() async throws {
    let new = try await NewArchive(inMemory: true)
    var scene = try await CollectionScene(new.archive, at: new.path, retention: 2)
    for number: UInt64 in 1...3 {
      try await scene.push(try scene.next((0..<20).map { number * 100 + $0 }), to: new.archive)
      try scene.collected(await new.archive.collect())
    }
    try scene.openGeneration()
    for number: UInt64 in 4...5 {
      try await scene.push(try scene.next((0..<20).map { number * 100 + $0 }), to: new.archive)
      try scene.collected(await new.archive.collect())
    }
    try scene.expectSound(new.archive)
    let folder = "\(scene.path)/packs/\(scene.app.hex)/1"
    let packs = try files(in: folder)
    let footers = try packs.map { pack in
      try PackReader("\(folder)/\(pack)", name: try #require(Digest(hex: String(pack.dropLast(5))))).footer
    }
    let kept = footers.flatMap { footer in (0..<footer.count).map { footer[$0].id } }
    #expect(Set(kept) == scene.live(in: 1) && kept.count == 4)
    // And no mark is due again.
    try new.archive.noteAllForCollection()
    #expect(await new.archive.collect().isEmpty)
  }

  /// With nothing said of retention every epoch stays.
  @Test func allIsKeptWhereTheCharterKeepsAll() async throws {
    let new = try await NewArchive(inMemory: true)
    var scene = try await CollectionScene(new.archive, at: new.path, retention: 0)
    for number: UInt64 in 1...4 {
      try await scene.push(try scene.next((0..<20).map { number * 100 + $0 }), to: new.archive)
    }
    try new.archive.noteAllForCollection()
    #expect(await new.archive.collect().isEmpty)
    for epoch in scene.epochs { try new.archive.expectWhole(epoch, of: scene.application) }
  }

  // MARK: Pushes beside it

  @Test func anOpenPushStopsItAndItsEndLetsItGoOn() async throws {
    let new = try await NewArchive(inMemory: true)
    let archive = new.archive
    var scene = try await CollectionScene(new.archive, at: new.path, retention: 1)
    try await scene.push(try scene.next((0..<30).map { $0 }), to: archive)
    let other = try await scene.application.begin(
      try scene.next((0..<30).map { $0 }), in: archive, uploader: 1)
    try await scene.push(try scene.next((100..<130).map { $0 }), to: archive)
    #expect(await archive.collect().isEmpty)
    try archive.expectWhole(scene.epochs[0], of: scene.application)
    try await archive.abandon(other)
    let reports = await archive.collect()
    #expect(reports.count == 1 && (reports.first?.freedByteCount ?? 0) > 100_000)
    try scene.collected(reports)
    #expect(scene.deadCount > 30)
    try scene.expectSound(archive)
  }

  /// A mark that has just begun to read, of three epochs of which one is kept.
  private func paused(
    _ files: FaultyFiles, at path: String
  ) async throws -> (archive: Archive, scene: CollectionScene) {
    _ = try Archive.create(at: path, origin: "example.org/log")
    let archive = try await Archive.open(at: path, files: files) { Issue.record("stopped: \($0)") }
    var scene = try await CollectionScene(archive, at: path, retention: 1)
    let blocking = try await scene.application.begin(try scene.next([1]), in: archive, uploader: 1)
    for number: UInt64 in 1...3 {
      try await scene.push(try scene.next((0..<30).map { number * 100 + $0 }), to: archive)
    }
    #expect(await archive.collect().isEmpty)
    files.pause(at: 3)
    try await archive.abandon(blocking)
    while !files.isPaused { try await Task.sleep(for: .milliseconds(1)) }
    return (archive, scene)
  }

  @Test(.timeLimit(.minutes(1))) func aBeginDoesNotWaitForAMark() async throws {
    let folder = try TemporaryFolder(inMemory: true)
    let files = FaultyFiles()
    let (archive, made) = try await paused(files, at: folder.path("archive"))
    var scene = made
    // Not even what is dead has to be sent: the mark is in vain.
    let next = try scene.next((0..<30).map { 100 + $0 })
    let token = try await scene.application.begin(next, in: archive)
    #expect(try await archive.send(next.state.objects, in: token).isEmpty)
    files.goOn()
    #expect(await archive.collect().isEmpty)
    for epoch in scene.epochs { try archive.expectWhole(epoch, of: scene.application) }
    scene.admitted(next, try await archive.sealAndShow(leaf: next.leaf, bodies: next.epochBodies, token: token))
    try scene.collected(await archive.collect())
    #expect(scene.deadCount > 60)
    try scene.expectSound(archive)
  }

  @Test(.timeLimit(.minutes(1))) func anEpochThatIsAdmittedDuringAMarkIsWhole() async throws {
    let folder = try TemporaryFolder(inMemory: true)
    let files = FaultyFiles()
    let (archive, made) = try await paused(files, at: folder.path("archive"))
    var scene = made
    let next = try scene.next((0..<30).map { 200 + $0 })
    let token = try await scene.application.begin(next, in: archive)
    #expect(try await archive.send(next.state.objects, in: token).isEmpty)
    // Sealed, and its push ended, before the mark goes on.
    scene.admitted(next, try await archive.seal(leaf: next.leaf, bodies: next.epochBodies, token: token))
    files.goOn()
    try scene.collected(await archive.collect())
    #expect(scene.deadCount > 60)
    try scene.expectSound(archive)
  }

  /// Who ends a collection ends also those that wait for it: of two applications that are due, one is collected at
  /// most.
  @Test(.timeLimit(.minutes(1)), arguments: [true, false]) func whoWaitsForACollectionThatEndsDoesNotGoOn(
    isCancelled: Bool
  ) async throws {
    let folder = try TemporaryFolder(inMemory: true)
    let path = folder.path("archive")
    _ = try Archive.create(at: path, origin: "example.org/log")
    let files = FaultyFiles()
    let archive = try await openArchive(at: path, files: files)
    var scenes: [CollectionScene] = []
    for seed: UInt64 in 1...2 {
      var scene = try await CollectionScene(archive, at: path, retention: 1, seed: seed)
      _ = try await scene.application.begin(try scene.next([1]), in: archive, uploader: 1)
      for number: UInt64 in 1...3 {
        try await scene.push(try scene.next((0..<30).map { number * 100 + $0 }), to: archive)
      }
      scenes.append(scene)
    }
    #expect(await archive.collect().isEmpty)
    try await archive.collectIdlePushes(nowSeconds: .max)
    files.pause(atNext: .syncData)
    let first = Task { await archive.collect() }
    while !files.isPaused { try await Task.sleep(for: .milliseconds(1)) }
    let second = Task { await archive.collect() }
    // Nothing shows that one waits, nor that an end was asked for; each takes less than a millisecond.
    try await Task.sleep(for: .milliseconds(300))
    let end = Task { if !isCancelled { await archive.finish() } }
    if isCancelled { second.cancel() } else { try await Task.sleep(for: .milliseconds(300)) }
    files.goOn()
    let reports = await first.value + second.value
    await end.value
    #expect(reports.count == 1)
    // Which is not forgotten, but done later.
    let later = await archive.collect()
    #expect(later.count == 1 && Set((reports + later).map(\.app)) == Set(scenes.map(\.app)))
    for scene in scenes {
      for epoch in scene.retained { try archive.expectWhole(epoch, of: scene.application) }
    }
  }

  /// What comes back after it was collected is sent again, in packs like those that are gone.
  @Test func aStateThatComesBackIsStoredAgain() async throws {
    let new = try await NewArchive(inMemory: true)
    let archive = new.archive
    var scene = try await CollectionScene(new.archive, at: new.path, retention: 1)
    for round in 0..<6 {
      let pages = (0..<30).map { UInt64(round % 2 * 100 + $0) }
      let epoch = try scene.next(pages)
      let token = try await scene.application.begin(epoch, in: archive)
      #expect(try await archive.send(epoch.state.objects, in: token).count == epoch.state.objects.count)
      scene.admitted(
        epoch, try await archive.sealAndShow(leaf: epoch.leaf, bodies: epoch.epochBodies, token: token))
      try scene.collected(await archive.collect())
      try scene.expectSound(archive)
    }
  }

  /// Begins, pushes and readers go on while epochs are collected all the time.
  @Test func pushesAndReadersGoOnMeanwhile() async throws {
    let new = try await NewArchive(inMemory: true)
    let archive = new.archive
    var scene = try await CollectionScene(new.archive, at: new.path, retention: 2)
    try await scene.push(try scene.next((0..<200).map { $0 }), to: archive)
    for round: UInt64 in 0..<12 {
      let pages = (0..<200).map { (page: UInt64) in page % 3 == round % 3 ? page + round * 1_000 : page }
      let epoch = try scene.next(pages)
      let readable = try #require(scene.epochs.last)
      try archive.noteAllForCollection()
      async let collected = archive.collect()
      // Two readers: one located everything before, one does meanwhile.
      let reader = try archive.objects(readable.state.objects.map(\.id), app: scene.app, generation: 1)
      let receipt = try await scene.application.push(epoch, to: archive).receipt
      scene.admitted(epoch, receipt)
      #expect(Set(try reader.readAll()) == Set(readable.state.objects))
      try archive.expectWhole(readable, of: scene.application)
      _ = await collected
      _ = await archive.collect()
    }
    try scene.expectSound(archive)
  }

  /// A reader that located objects in a pack that was written anew finds them where they are now, or hears that they
  /// are collected.
  @Test func aReaderFollowsToTheNewPack() async throws {
    let new = try await NewArchive(inMemory: true)
    let archive = new.archive
    var scene = try await CollectionScene(new.archive, at: new.path, retention: 1)
    let shared = (0..<20).map { UInt64($0) }
    try await scene.push(try scene.next(shared + (100..<150).map { $0 }), to: archive)
    let first = scene.epochs[0].state.objects
    let blocking = try await scene.application.begin(try scene.next([1]), in: archive, uploader: 1)
    try await scene.push(try scene.next(shared + (200..<250).map { $0 }), to: archive)
    let kept = Set(scene.epochs[1].state.objects.map(\.id))
    let both = first.filter { kept.contains($0.id) }.map(\.id)
    #expect(both.count >= 20)
    let reader = try archive.objects(both, app: scene.app, generation: 1)
    let lost = try archive.objects(first.map(\.id), app: scene.app, generation: 1)
    try await archive.abandon(blocking)
    try scene.collected(await archive.collect())
    #expect(Set(try reader.readAll()) == Set(scene.epochs[1].state.objects.filter { both.contains($0.id) }))
    do {
      _ = try lost.readAll()
      Issue.record("what was collected was read")
    } catch let error as PosternError {
      #expect(error.code == .archiveNotFound)
    }
  }

  // MARK: Damage

  /// Where a pack cannot be read nobody knows what is dead: then nothing is.
  @Test func nothingIsCollectedWhereAPackIsGone() async throws {
    let temporary = try TemporaryFolder(inMemory: true)
    let path = temporary.path("archive")
    _ = try Archive.create(at: path, origin: "example.org/log")
    var archive: Archive? = try await openArchive(at: path)
    var scene = try await CollectionScene(try #require(archive), at: path, retention: 2)
    // Nothing is collected while the archive is open for the first time.
    _ = try await scene.application.begin(try scene.next([1]), in: try #require(archive), uploader: 1)
    for number: UInt64 in 1...3 {
      try await scene.push(try scene.next((0..<20).map { number * 100 + $0 }), to: try #require(archive))
    }
    await archive?.finish()
    archive = nil
    let folder = "\(path)/packs/\(scene.app.hex)/1"
    let before = try files(in: folder)
    let capsule = scene.epochs[2].fields.capsule
    let third = try before.first { pack in
      guard let name = Digest(hex: String(pack.dropLast(5))) else { return false }
      return try PackReader("\(folder)/\(pack)", name: name).footer.entry(capsule) != nil
    }
    let lost = "\(folder)/\(try #require(third))"
    try FileManager.default.moveItem(atPath: lost, toPath: "\(path)/aside")
    archive = try await openArchive(at: path)
    try await archive?.collectIdlePushes(nowSeconds: .max)
    try archive?.noteAllForCollection()
    let reports = await archive?.collect() ?? []
    #expect(reports.count == 1 && reports.first?.deadByteCount == nil && reports.first?.error != nil)
    try archive?.expectWhole(scene.epochs[0], of: scene.application)
    await archive?.finish()
    archive = nil
    try FileManager.default.moveItem(atPath: "\(path)/aside", toPath: lost)
    #expect(try files(in: folder) == before)
    // Once it is there again, all goes on.
    archive = try await openArchive(at: path)
    try archive?.noteAllForCollection()
    try scene.collected(await archive?.collect() ?? [])
    #expect(scene.deadCount > 20)
    try scene.expectSound(try #require(archive))
  }

  /// A process that may open no more files for a while says nothing of its packs.
  @Test func aFailureThatGoesByStopsNoLaterMark() async throws {
    let folder = try TemporaryFolder(inMemory: true)
    let path = folder.path("archive")
    _ = try Archive.create(at: path, origin: "example.org/log")
    let files = FaultyFiles()
    let archive = try await openArchive(at: path, files: files)
    var scene = try await CollectionScene(archive, at: path, retention: 1)
    _ = try await scene.application.begin(try scene.next([1]), in: archive, uploader: 1)
    for number: UInt64 in 1...3 {
      try await scene.push(try scene.next((0..<30).map { number * 100 + $0 }), to: archive)
    }
    #expect(await archive.collect().isEmpty)
    try await archive.collectIdlePushes(nowSeconds: .max)
    files.fail([.open, .read], with: EMFILE)
    let reports = await archive.collect()
    #expect(reports.map { $0.error?.code } == [.storageExhausted] && reports.first?.deadByteCount == nil)
    files.fail([.open, .read], with: nil)
    try archive.noteAllForCollection()
    try scene.collected(await archive.collect())
    #expect(scene.deadCount > 60)
    try scene.expectSound(archive)
  }

  /// Of two packs that are due together one cannot be read: the other is freed all the same.
  @Test func aPackThatHasRottenStopsNoOther() async throws {
    let folder = try TemporaryFolder(inMemory: true)
    let path = folder.path("archive")
    _ = try Archive.create(at: path, origin: "example.org/log")
    var archive: Archive? = try await openArchive(at: path)
    var scene = try await CollectionScene(try #require(archive), at: path, retention: 1)
    // Nothing is collected while the archive is open for the first time.
    _ = try await scene.application.begin(try scene.next([1]), in: try #require(archive), uploader: 1)
    for number: UInt64 in 1...3 {
      try await scene.push(try scene.next([1, 2] + (0..<20).map { number * 100 + $0 }), to: try #require(archive))
    }
    await archive?.finish()
    archive = nil
    let before = try scene.diskByteCount()
    let rotten = try scene.rot(
      try #require(scene.epochs[0].state.objects.first { $0.kind == ObjectKind.chunk.rawValue }?.id))
    archive = try await openArchive(at: path)
    try await archive?.collectIdlePushes(nowSeconds: .max)
    try archive?.noteAllForCollection()
    let reports = await archive?.collect() ?? []
    let report = try #require(reports.first)
    #expect(reports.count == 1 && (report.deadByteCount ?? 0) > 0 && report.error?.code == .packObjectDamaged)
    let freed = before - (try scene.diskByteCount())
    #expect(freed > 60_000 && freed == Int(report.freedByteCount))
    #expect(FileManager.default.fileExists(atPath: rotten))
  }

  /// Where the charter cannot be read, nobody knows what is retained: that is said, and nothing is collected.
  @Test func anApplicationWhoseCharterIsGoneIsReported() async throws {
    let folder = try TemporaryFolder(inMemory: true)
    let path = folder.path("archive")
    _ = try Archive.create(at: path, origin: "example.org/log")
    var archive: Archive? = try await openArchive(at: path)
    var scene = try await CollectionScene(try #require(archive), at: path, retention: 1)
    try await scene.push(try scene.next([1]), to: try #require(archive))
    await archive?.finish()
    archive = nil
    try FileManager.default.removeItem(atPath: "\(path)/packs/\(scene.app.hex)/0")
    archive = try await openArchive(at: path)
    try archive?.noteAllForCollection()
    let reports = await archive?.collect() ?? []
    #expect(reports.count == 1 && reports.first?.app == scene.app && reports.first?.generation == 0)
    #expect(reports.first?.error?.code == .storageMissing && reports.first?.deadByteCount == nil)
  }
}
