import Archive
import Core
import Fixtures
import Foundation
import Packs
import Testing

/// A disk that has no room to put on show what was admitted: nothing is lost, all is read, and it goes on by itself.
@Suite(.timeLimit(.minutes(1))) struct FullDiskTests {
  private let folder: TemporaryFolder
  private let path: String
  private let application: Application

  init() async throws {
    let new = try await NewArchive(inMemory: true)
    folder = new.folder
    path = new.path
    application = try Application(home: new.archive.home)
    _ = try await application.register(in: new.archive)
  }

  private func shown() throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: "\(path)/log/checkpoint")))
  }

  /// Waits for the archive to find that there is room.
  private func waitUntilShown(_ archive: Archive) async throws {
    while try shown() != archive.checkpoint() { try await Task.sleep(for: .milliseconds(20)) }
  }

  private func expectFull(
    _ archive: Archive, at location: SourceLocation = #_sourceLocation, _ body: () async throws -> some Any
  ) async throws {
    let before = try archive.checkpoint()
    let error = await refusal(body)
    #expect(error?.code == .storageFull && error?.advice.isEmpty == false, sourceLocation: location)
    #expect(try archive.checkpoint() == before, sourceLocation: location)
  }

  @Test(arguments: [FileCall.rename, .makeFolder]) func whatCannotBeShownIsReadAndShownLater(
    _ kind: FileCall
  ) async throws {
    let files = FaultyFiles()
    let archive = try await openArchive(at: path, files: files)
    let other = try Application(home: archive.home, seed: 2)
    _ = try await other.register(in: archive)
    let theirs = try other.epoch(1)
    let token = try await other.begin(theirs, in: archive)
    _ = try await archive.send(theirs.state.objects, in: token)
    let before = try shown()

    files.fail([kind], with: ENOSPC)
    let first = try application.epoch(1)
    let receipt = try await application.push(first, to: archive).receipt
    try archive.expectGood(receipt, of: first.leaf)
    try archive.expectWhole(first, of: application)
    #expect(try shown() == before)
    #expect(try await archive.seal(leaf: first.leaf, bodies: first.epochBodies, token: nil) == receipt)
    let second = try application.epoch(2, after: first.leafHash)
    try await expectFull(archive) { try await application.push(second, to: archive) }
    try await expectFull(archive) {
      try await archive.seal(leaf: theirs.leaf, bodies: theirs.epochBodies, token: token)
    }
    let third = try Application(home: archive.home, seed: 3)
    try await expectFull(archive) { try await third.register(in: archive) }

    // With room, a seal does not wait for the next look.
    files.fail([kind], with: nil)
    let late = try await archive.sealAndShow(leaf: theirs.leaf, bodies: theirs.epochBodies, token: token)
    try archive.expectGood(late, of: theirs.leaf)
    try archive.expectWhole(theirs, of: other)
    try expectPublished(archive, at: path)
    // Nor has anybody to come.
    files.fail([kind], with: ENOSPC)
    try await application.push(second, to: archive)
    files.fail([kind], with: nil)
    try await waitUntilShown(archive)
    await archive.finish()
    try expectPublished(archive, at: path)
    _ = try await third.register(in: archive)
    try archive.expectWhole(second, of: application)
    #expect(try ArchiveTests.files(in: "\(path)/incoming").isEmpty)
  }

  /// Objects leave the index its room, so that whoever fills the disk with them is in nobody's way for long.
  @Test func objectsLeaveAReserve() async throws {
    let files = FaultyFiles()
    let archive = try await openArchive(at: path, files: files)
    let first = try application.epoch(1)
    let token = try await application.begin(first, in: archive)
    _ = try await archive.send(first.state.objects, in: token)
    let other = try Application(home: archive.home, seed: 2)
    _ = try await other.register(in: archive)
    let theirs = try other.epoch(1)

    // Of 160 MiB, 10 are the index's.
    files.say(FileSystemRoom(byteCount: 160 << 20, freeByteCount: 10 << 20))
    let begun = try await other.begin(theirs, in: archive)
    let third = try Application(home: archive.home, seed: 3)
    try await expectFull(archive) { try await third.register(in: archive) }
    try await expectFull(archive) { try await archive.send(theirs.state.objects, in: begun) }
    let receipt = try await archive.sealAndShow(leaf: first.leaf, bodies: first.epochBodies, token: token)
    try archive.expectGood(receipt, of: first.leaf)
    try archive.expectWhole(first, of: application)
    // A push that was refused goes on once there is room, or is given up where there is none.
    files.say(FileSystemRoom(byteCount: 160 << 20, freeByteCount: 11 << 20))
    _ = try await archive.send(theirs.state.objects, in: begun)
    files.say(FileSystemRoom(byteCount: 160 << 20, freeByteCount: 0))
    try await archive.collectIdlePushes(nowSeconds: .max)
    await archive.finish()
    #expect(try ArchiveTests.files(in: "\(path)/incoming").isEmpty)
    files.say(nil)
    try await other.push(theirs, to: archive)
    try archive.expectWhole(theirs, of: other)
  }

  @Test func aStartServesWhatIsThereAndGoesOnLater() async throws {
    let first = try application.epoch(1)
    let receipt: [UInt8]
    do {
      let files = FaultyFiles()
      let archive = try await openArchive(at: path, files: files)
      files.fail([.rename], with: ENOSPC)
      receipt = try await application.push(first, to: archive).receipt
    }
    let files = FaultyFiles()
    let kinds: [FileCall] = [.rename, .makeFolder, .write, .truncate]
    files.fail(kinds, with: ENOSPC)
    let archive = try await openArchive(at: path, files: files)
    try archive.expectGood(receipt, of: first.leaf)
    try archive.expectWhole(first, of: application)
    let second = try application.epoch(2, after: first.leafHash)
    try await expectFull(archive) { try await application.push(second, to: archive) }
    let other = try Application(home: archive.home, seed: 2)
    try await expectFull(archive) { try await other.register(in: archive) }
    try archive.noteAllForCollection()
    #expect(await archive.collect().isEmpty)
    await archive.finish()
    #expect(try shown() != archive.checkpoint())

    files.fail(kinds, with: nil)
    try await waitUntilShown(archive)
    await archive.finish()
    try expectPublished(archive, at: path)
    #expect(try ArchiveTests.files(in: "\(path)/incoming").isEmpty)
    try await application.push(second, to: archive)
    _ = try await other.register(in: archive)
    for epoch in [first, second] { try archive.expectWhole(epoch, of: application) }
  }

  /// An archive that stopped before the newest of three epochs, of which one is kept, was on show, and with a push
  /// open.
  private func stoppedOnAFullDisk() async throws -> (scene: CollectionScene, token: PushToken) {
    let files = FaultyFiles()
    let archive = try await openArchive(at: path, files: files)
    var scene = try await CollectionScene(archive, at: path, retention: 1)
    let token = try await scene.application.begin(try scene.next([1]), in: archive, uploader: 1)
    for number: UInt64 in 1...3 {
      if number == 3 { files.fail([.rename], with: ENOSPC) }
      try await scene.push(try scene.next((0..<30).map { number * 100 + $0 }), to: archive)
    }
    return (scene, token)
  }

  /// A push that is given up lets no collection begin before the start has said which packs are there: it removes those
  /// that the index does not know, and a collection's pack is one of them until its commit.
  @Test func nothingIsCollectedBeforeTheStartIsDone() async throws {
    let (made, token) = try await stoppedOnAFullDisk()
    var scene = made
    let files = FaultyFiles()
    files.fail([.rename], with: ENOSPC)
    let archive = try await openArchive(at: path, files: files)
    try archive.noteAllForCollection()
    // Where a pack is written, it waits right before it is durable.
    files.pause(atNext: .syncData)
    try await archive.abandon(token)
    for _ in 0..<60 where !files.isPaused { try await Task.sleep(for: .milliseconds(5)) }
    let isCollecting = files.isPaused
    #expect(!isCollecting)
    files.fail([.rename], with: nil)
    if isCollecting { try await waitUntilShown(archive) }
    files.goOn()
    try await waitUntilShown(archive)
    try scene.collected(await archive.collect())
    #expect(scene.deadCount > 60)
    try scene.expectSound(archive)
    await archive.finish()
    try expectPublished(archive, at: path)
    #expect(try ArchiveTests.files(in: "\(path)/incoming").isEmpty)
  }
}
