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

  /// Objects that no tree names: a push takes chunks without asking what they are for.
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

  /// Says that none of the objects is served, nor passes for held in another push.
  private func expectGone(_ objects: [StoredObject], after epoch: EpochFixture, in archive: Archive) async throws {
    for object in [objects.first, objects.last].compactMap(\.self) {
      let error = refusal {
        try archive.storedObjects([object.id], app: application.app, generation: epoch.fields.generation)
      }
      #expect(error?.code == .archiveNotFound)
    }
    let next = try application.epoch(epoch.fields.number + 1, after: epoch.leafHash)
    let token = try await application.begin(next, in: archive)
    for start in stride(from: 0, to: objects.count, by: 10_000) {
      let some = objects[start..<min(objects.count, start + 10_000)]
      let missing = try await archive.missing(some.map(\.id), for: token)
      #expect(missing.reduce(0) { $0 + $1.nonzeroBitCount } == some.count)
    }
    try await archive.abandon(token)
  }

  /// Says that the footers of all published packs list what the archive serves, and nothing else.
  private func expectFootersAreRows(in archive: Archive, at path: String) throws {
    let root = "\(path)/packs"
    for file in try FileManager.default.subpathsOfDirectory(atPath: root) where file.hasSuffix(".pack") {
      let parts = file.dropLast(5).split(separator: "/").map(String.init)
      let (app, generation, name) = (Digest(hex: parts[0]), UInt64(parts[1]), Digest(hex: parts[2]))
      let footer = try PackReader("\(root)/\(file)", name: try #require(name)).footer
      for start in stride(from: 0, to: footer.count, by: ProtocolLimits.requestedIdCount) {
        let ids = (start..<min(footer.count, start + ProtocolLimits.requestedIdCount)).map { footer[$0].id }
        let error = refusal { _ = try archive.objects(ids, app: app ?? .zero, generation: generation ?? 0) }
        #expect(error == nil)
      }
    }
  }

  /// More rows than a commit takes along are entered before it.
  @Test func manyObjectsAreAllFound() async throws {
    let archive = new.archive
    let large = try application.epoch(1, state: Application.state(1, chunkCount: 5_000))
    let token = try await application.begin(large, in: archive)
    try await upload(large.state.objects, in: token)
    _ = try await archive.sealAndShow(leaf: large.leaf, bodies: large.epochBodies, token: token)
    for start in [0, 4_096] {
      let some = Array(large.state.objects[start...].prefix(4_096))
      #expect(try archive.storedObjects(some.map(\.id), app: application.app, generation: 1) == some)
    }
    #expect(try files(in: "\(new.path)/packs").count == 2)
  }

  /// What no tree names is not served, whether its rows were in the index, on their way, or both.
  @Test(arguments: [1, 500, 9_000]) func whatNoTreeNamesIsNotServed(_ count: Int) async throws {
    let archive = new.archive
    let objects = noise(count, byteCount: 533, seed: 1)
    let token = try await application.begin(epoch, in: archive)
    try await upload(objects, in: token)
    try await upload(epoch.state.objects, in: token)
    _ = try await archive.sealAndShow(leaf: epoch.leaf, bodies: epoch.epochBodies, token: token)
    try archive.expectWhole(epoch, of: application)
    try expectFootersAreRows(in: archive, at: new.path)
    try await expectGone(objects, after: epoch, in: archive)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
    #expect(try files(in: "\(new.path)/packs").count == 2)
  }

  /// A refused seal forgets nothing that its tree reaches; and what it stored for itself goes with the next.
  @Test func bodiesOfARefusedSealAreNotServed() async throws {
    let archive = new.archive
    try await application.push(epoch, to: archive)
    let second = try application.epoch(2, after: epoch.leafHash)
    let stale = second.with(
      second.fields.changing(stateVersion: 0), signedBy: try application.council.uploader())
    let token = try await application.begin(second, in: archive)
    try await upload(second.state.objects, in: token)
    #expect(
      await refusal { try await archive.sealAndShow(leaf: stale.leaf, bodies: stale.epochBodies, token: token) }?.code
        == .epochVersion)
    let third = try application.epoch(2, after: epoch.leafHash, state: Application.state(9))
    try await upload(third.state.objects, in: token)
    _ = try await archive.sealAndShow(leaf: third.leaf, bodies: third.epochBodies, token: token)
    try archive.expectWhole(third, of: application)
    try expectFootersAreRows(in: archive, at: new.path)
    let kept = Set(third.state.objects.map(\.id)).union(epoch.state.objects.map(\.id))
    try await expectGone(second.state.objects.filter { !kept.contains($0.id) }, after: third, in: archive)
    for (digest, _) in stale.bodies where third.bodies[digest] == nil && epoch.bodies[digest] == nil {
      let error = refusal { try archive.body(digest, app: application.app, generation: 1) }
      #expect(error?.code == .archiveNotFound)
    }
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
    _ = try await restarted.sealAndShow(leaf: epoch.leaf, bodies: epoch.epochBodies, token: next)
    try restarted.expectWhole(epoch, of: application)
    #expect(try files(in: "\(copy)/incoming").isEmpty)
    try await expectGone(objects, after: epoch, in: restarted)
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
      try await archive.sealAndShow(leaf: other.leaf, bodies: other.epochBodies, token: otherToken)
    }
    #expect(error?.code == .epochVersion)
    let token = try await application.begin(second, in: archive)
    try await upload(second.state.objects, in: token)
    _ = try await archive.sealAndShow(leaf: second.leaf, bodies: second.epochBodies, token: token)
    // A second pack keeps the first one as it is when the next begin adopts both.
    let more = noise(1, byteCount: 533, seed: 3)
    try await upload(more, in: otherToken)
    let next = try application.epoch(3, after: second.leafHash, uploader: 1)
    let pushed = try await application.push(next, to: archive, uploader: 1)
    try archive.expectGood(pushed.receipt, of: next.leaf)
    for epoch in [epoch, second, next] { try archive.expectWhole(epoch, of: application) }
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
    #expect(try files(in: "\(new.path)/packs").count == 4)
  }

  /// An uploader seals what another has finished before it, and its tree reaches nothing of it: whoever needs it, and
  /// has a receipt, gets it.
  @Test func whatOneTreeDoesNotReachAnotherKeeps() async throws {
    let archive = new.archive
    try await application.push(epoch, to: archive)
    let second = try application.epoch(2, after: epoch.leafHash, state: Application.state(1))
    let third = try application.epoch(2, after: epoch.leafHash, state: Application.state(9), uploader: 1)
    let stale = second.with(
      second.fields.changing(stateVersion: 0, root: third.fields.root, rootByteCount: third.fields.rootByteCount),
      signedBy: try application.council.uploader(1))
    let otherToken = try await application.begin(stale, in: archive, uploader: 1)
    let sent = try await archive.send(third.state.objects, in: otherToken)
    let error = await refusal {
      try await archive.sealAndShow(leaf: stale.leaf, bodies: stale.epochBodies, token: otherToken)
    }
    #expect(error?.code == .epochVersion && !sent.isEmpty)
    let token = try await application.begin(second, in: archive)
    #expect(try await archive.send(third.state.objects, in: token) == sent)
    _ = try await archive.sealAndShow(leaf: second.leaf, bodies: second.epochBodies, token: token)

    var state = Application.state(9)
    var random = SeededGenerator(seed: 4_242)
    state.replaceSubrange(20 * 4_096..<21 * 4_096, with: random.bytes(4_096))
    let next = try application.epoch(3, after: second.leafHash, state: state, uploader: 1)
    _ = try await archive.send(next.state.objects, in: otherToken)
    let pushed = try await application.push(next, to: archive, uploader: 1)
    try archive.expectGood(pushed.receipt, of: next.leaf)
    let honest = try application.epoch(4, after: next.leafHash, state: state)
    try archive.expectGood(try await application.push(honest, to: archive).receipt, of: honest.leaf)
    for epoch in [epoch, second, next, honest] { try archive.expectWhole(epoch, of: application) }
    try expectFootersAreRows(in: archive, at: new.path)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
  }
  /// A refused seal leaves packs with footers; begins that go on in them may come any number of times.
  @Test func whatARefusedSealLeftIsKeptThroughManyBegins() async throws {
    let archive = new.archive
    try await application.push(epoch, to: archive)
    let second = try application.epoch(2, after: epoch.leafHash, state: Application.state(9))
    let stale = second.with(
      second.fields.changing(stateVersion: 0), signedBy: try application.council.uploader())
    var token = try await application.begin(stale, in: archive)
    let sent = try await archive.send(second.state.objects, in: token)
    let error = await refusal {
      try await archive.sealAndShow(leaf: stale.leaf, bodies: stale.epochBodies, token: token)
    }
    #expect(error?.code == .epochVersion && !sent.isEmpty)
    for _ in 0..<4 {
      token = try await application.begin(second, in: archive)
      let missing = try await archive.missing(second.state.objects.map(\.id), for: token)
      #expect(missing.allSatisfy { $0 == 0 })
    }
    let admitted = try await archive.sealAndShow(leaf: second.leaf, bodies: second.epochBodies, token: token)
    try archive.expectGood(admitted, of: second.leaf)
    try archive.expectWhole(second, of: application)
    try expectFootersAreRows(in: archive, at: new.path)
  }
}
