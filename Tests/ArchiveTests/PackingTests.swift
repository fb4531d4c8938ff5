import Archive
import Core
import Fixtures
import Foundation
import Index
import Packs
import Records
import Testing

/// How what a push brings becomes packs and rows.
@Suite struct PackingTests {
  private let new: NewArchive
  private let application: Application
  private let epoch: EpochFixture

  init() async throws {
    new = try await NewArchive(inMemory: true)
    application = try Application(home: new.archive.home)
    _ = try await application.register(in: new.archive)
    epoch = try application.epoch(1)
  }

  /// Objects that no tree names: an archive keeps chunks without asking what they are for.
  private func noise(_ count: Int, byteCount: Int, seed: UInt64) -> [StoredObject] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
      StoredObject(kind: 1, bytes: generator.bytes(16) + [UInt8](repeating: 0, count: byteCount - 16))
    }
  }

  private func upload(_ objects: [StoredObject], in token: PushToken) async throws {
    for start in stride(from: 0, to: objects.count, by: 4_096) {
      try await new.archive.upload(
        MemoryBatch(objects[start..<min(objects.count, start + 4_096)]), to: token)
    }
  }

  /// More rows than a commit takes along are entered before it.
  @Test func manySmallObjectsAreAllFound() async throws {
    let archive = new.archive
    let objects = noise(9_000, byteCount: 533, seed: 1)
    let token = try await application.begin(epoch, in: archive)
    try await upload(objects, in: token)
    try await upload(epoch.state.objects, in: token)
    _ = try await archive.seal(leaf: epoch.leaf, bodies: epoch.epochBodies, token: token)
    try archive.expectWhole(epoch, of: application)
    for start in [0, 4_096, 8_192] {
      let some = Array(objects[start..<min(objects.count, start + 4_096)])
      #expect(try archive.storedObjects(some.map(\.id), app: application.app, generation: 1) == some)
    }
    #expect(try files(in: "\(new.path)/packs").count == 2)
  }

  /// What a long push has sent is known after a crash but for the last of it.
  @Test func aLongPushIsTakenUpAfterACrash() async throws {
    let archive = new.archive
    let objects = noise(20_000, byteCount: 4_117, seed: 2)
    let token = try await application.begin(epoch, in: archive)
    for start in stride(from: 0, to: objects.count, by: 250) {
      try await archive.upload(MemoryBatch(objects[start..<start + 250]), to: token)
    }
    let copy = new.folder.path("copy")
    try FileManager.default.copyItem(atPath: new.path, toPath: copy)

    let restarted = try await openArchive(at: copy)
    let next = try await application.begin(epoch, in: restarted)
    var missingCount = 0
    for start in [0, 10_000] {
      let missing = try await restarted.missing(objects[start..<start + 10_000].map(\.id), for: next)
      missingCount += missing.reduce(0) { $0 + $1.nonzeroBitCount }
    }
    #expect((1...5_000).contains(missingCount))
    let sent = try await restarted.send(Array(objects.suffix(8_000)) + epoch.state.objects, in: next)
    #expect(sent.count == missingCount + epoch.state.objects.count)
    _ = try await restarted.seal(leaf: epoch.leaf, bodies: epoch.epochBodies, token: next)
    try restarted.expectWhole(epoch, of: application)
    let last = Array(objects.suffix(4_000))
    #expect(try restarted.storedObjects(last.map(\.id), app: application.app, generation: 1) == last)
    #expect(try files(in: "\(copy)/incoming").isEmpty)
  }

  /// Two uploaders bring the same objects and bodies in the same order: one footer, one name, one pack.
  @Test func twinsAreOnePack() async throws {
    let archive = new.archive
    try await application.push(epoch, to: archive)
    let second = try application.epoch(2, after: epoch.leafHash)
    let other = second.with(
      second.fields.changing(stateVersion: 0), signedBy: try application.council.uploader(1))
    let otherToken = try await application.begin(other, in: archive, uploader: 1)
    try await upload(other.state.objects, in: otherToken)
    let error = await refusal {
      try await archive.seal(leaf: other.leaf, bodies: other.epochBodies, token: otherToken)
    }
    #expect(error?.code == .epochVersion)
    let token = try await application.begin(second, in: archive)
    try await upload(second.state.objects, in: token)
    _ = try await archive.seal(leaf: second.leaf, bodies: second.epochBodies, token: token)
    // A second pack keeps the first one as it is when the next begin adopts both.
    let more = noise(1, byteCount: 533, seed: 3)
    try await upload(more, in: otherToken)
    let next = try application.epoch(3, after: second.leafHash, uploader: 1)
    let pushed = try await application.push(next, to: archive, uploader: 1)
    try archive.expectGood(pushed.receipt, of: next.leaf)
    for epoch in [epoch, second, next] { try archive.expectWhole(epoch, of: application) }
    #expect(try archive.storedObjects(more.map(\.id), app: application.app, generation: 1) == more)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
    #expect(try files(in: "\(new.path)/packs").count == 4)
  }
}
