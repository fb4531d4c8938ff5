import Archive
import Bulk
import Core
import Fixtures
import Foundation
import Index
import Packs
import Testing

/// Packs that are written anew while a push begins or is sealed.
@Suite struct CompactionTests {
  private let template: TemporaryFolder
  private let scene: CollectionScene
  private static let shared = (0..<300).map { UInt64($0) }

  /// Two epochs of which one is kept: what only the other needed is hidden, and no pack is written anew yet.
  init() async throws {
    template = try TemporaryFolder(inMemory: true)
    let path = template.path("archive")
    _ = try Archive.create(at: path, origin: "example.org/log")
    let files = FaultyFiles()
    let archive = try await Archive.open(at: path, files: files) { Issue.record("stopped: \($0)") }
    var scene = try await CollectionScene(archive, at: path, retention: 1)
    let blocking = try await scene.application.begin(try scene.next([1]), in: archive, uploader: 1)
    for extra: UInt64 in [1_000, 2_000] {
      try await scene.push(try scene.next(Self.shared + (0..<200).map { extra + $0 }), to: archive)
    }
    files.fail([.write], with: ENOSPC)
    try await archive.abandon(blocking)
    let reports = await archive.collect()
    // Twice where the end of the last push is dealt with as late as that of the one that was abandoned.
    #expect(reports.allSatisfy { $0.error?.code == .storageFull })
    #expect(reports.contains { ($0.deadByteCount ?? 0) > 500_000 })
    await archive.finish()
    self.scene = scene
  }

  private func open(
    _ folder: TemporaryFolder, _ files: FaultyFiles, limits: ArchiveLimits = ArchiveLimits()
  ) async throws -> (archive: Archive, scene: CollectionScene) {
    let path = folder.path("archive")
    try FileManager.default.copyItem(atPath: scene.path, toPath: path)
    let archive = try await Archive.open(at: path, limits: limits, files: files) { Issue.record("stopped: \($0)") }
    return (archive, scene.moved(to: path))
  }

  private func waitUntilPaused(_ files: FaultyFiles) async throws {
    while !files.isPaused { try await Task.sleep(for: .milliseconds(1)) }
  }

  /// A seal that found nodes in a pack looks for them anew when that is gone.
  @Test(.timeLimit(.minutes(1))) func aSealFollowsToTheNewPack() async throws {
    let epoch = try scene.next(Self.shared + (0..<200).map { 2_000 + $0 } + [7_777])
    let dry = try TemporaryFolder(inMemory: true)
    let files = FaultyFiles()
    let (archive, scene) = try await open(dry, files)
    let token = try await scene.application.begin(epoch, in: archive)
    _ = try await archive.send(epoch.state.objects, in: token)
    let before = files.calls.count
    _ = try await archive.sealAndShow(leaf: epoch.leaf, bodies: epoch.epochBodies, token: token)
    let calls = files.calls[before...].prefix { $0 != .syncData }
    #expect(calls.count { $0 == .read } > 4)
    for call in calls.indices { try await collect(duringCall: call - before, ofSealing: epoch) }
  }

  private func collect(duringCall call: Int, ofSealing epoch: EpochFixture) async throws {
    let folder = try TemporaryFolder(inMemory: true)
    let files = FaultyFiles()
    let (archive, moved) = try await open(folder, files)
    var scene = moved
    let token = try await scene.application.begin(epoch, in: archive)
    _ = try await archive.send(epoch.state.objects, in: token)
    files.pause(at: call)
    let sealing = Task { try await archive.seal(leaf: epoch.leaf, bodies: epoch.epochBodies, token: token) }
    try await waitUntilPaused(files)
    try archive.noteAllForCollection()
    #expect((await archive.collect().first?.freedByteCount ?? 0) > 500_000)
    files.goOn()
    scene.admitted(epoch, try await sealing.value)
    await archive.finish()
    for retained in scene.retained { try archive.expectWhole(retained, of: scene.application) }
  }

  /// What a compaction frees is given to whoever counted it, and not again to a begin that came after it was gone.
  @Test(.timeLimit(.minutes(1))) func aBeginDuringACompactionGetsTheRoomOnce() async throws {
    var limits = ArchiveLimits()
    limits.applicationByteCount = UInt64(try scene.diskByteCount()) + 100_000
    let dry = try TemporaryFolder(inMemory: true)
    let files = FaultyFiles()
    let (archive, _) = try await open(dry, files, limits: limits)
    let before = files.calls.count
    try archive.noteAllForCollection()
    #expect((await archive.collect().first?.freedByteCount ?? 0) > 500_000)
    await archive.finish()
    let calls = files.calls[before...]
    #expect(calls.contains(.rename) && calls.contains(.remove))
    for call in calls.indices { try await begin(duringCall: call - before, limits) }
  }

  private func begin(duringCall call: Int, _ limits: ArchiveLimits) async throws {
    let folder = try TemporaryFolder(inMemory: true)
    let files = FaultyFiles()
    let (archive, scene) = try await open(folder, files, limits: limits)
    files.pause(at: call)
    try archive.noteAllForCollection()
    let collecting = Task { await archive.collect() }
    try await waitUntilPaused(files)
    let token = try await scene.application.begin(try scene.next([1]), in: archive)
    files.goOn()
    #expect((await collecting.value.first?.freedByteCount ?? 0) > 500_000)
    await archive.finish()
    let left = try #require(limits.applicationByteCount) - UInt64(try scene.diskByteCount())
    #expect(try await fill(archive, token) <= left, "call \(call)")
  }

  /// Sends chunks until no more are taken, and says how many bytes were.
  private func fill(_ archive: Archive, _ token: PushToken) async throws -> UInt64 {
    var byteCount: UInt64 = 0
    for round in 0..<1_000 {
      let objects = (0..<100).map { number in
        var bytes = [UInt8](repeating: 0, count: 533)
        withUnsafeBytes(of: round * 100 + number) { bytes.replaceSubrange(0..<8, with: $0) }
        return StoredObject(kind: 1, bytes: bytes)
      }
      if let error = await refusal({ try await archive.upload(MemoryBatch(objects), to: token) }) {
        #expect(error.code == .pushApplicationFull)
        return byteCount
      }
      byteCount += UInt64(objects.count * (533 + 256))
    }
    return .max
  }
}
