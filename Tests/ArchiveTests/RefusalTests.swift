import Archive
import Bulk
import Core
import Dump
import Dump
import Envelope
import Fixtures
import Index
import Merkle
import Packs
import Records
import Sodium
import Testing

/// Begins and uploads that are wrong: their code, that nothing changed, and that the right one still goes through.
@Suite struct RefusalTests {
  // MARK: Begins

  @Test func beginsOutOfTurnAreRefused() async throws {
    let scene = try await RefusalScene()
    let (archive, application) = (scene.archive, scene.application)
    let stranger = try Application(home: archive.home, seed: 9)
    let twice = try application.epoch(1)
    let skipped = try application.epoch(3, after: scene.first.leafHash)
    let unlinked = try application.epoch(2, after: .zero)
    let far = try application.epoch(
      2, after: scene.first.leafHash, in: try GenerationFixture(3, under: application.charter))
    try await scene.expect(.epochUnknownApplication) { try await stranger.begin(try stranger.epoch(1), in: archive) }
    try await scene.expect(.beginAuthor) { try await application.begin(scene.second, in: archive, uploader: 2) }
    try await scene.expect(.epochTaken) { try await application.begin(twice, in: archive) }
    try await scene.expect(.epochSkipped) { try await application.begin(skipped, in: archive) }
    try await scene.expect(.epochPrevious) { try await application.begin(unlinked, in: archive) }
    try await scene.expect(.epochGeneration) { try await application.begin(far, in: archive) }
    try await scene.expect(.beginMalformed) { try await archive.begin([1, 2, 3], from: "here") }
    var forged = scene.second.begin(
      nonce: archive.challenge(app: application.app), signedBy: try application.council.uploader()
    ).bytes
    forged[200] ^= 1
    try await scene.expect(.beginSignature) { try await archive.begin(forged, from: "here") }
    try await scene.expectSecondGoesThrough()
  }

  @Test func noncesAreOfThisArchiveAndGoodOnce() async throws {
    let scene = try await RefusalScene()
    let (archive, application) = (scene.archive, scene.application)
    let key = try application.council.uploader()
    let other = try await NewArchive()
    for nonce in [Digest.zero, archive.challenge(app: .zero), other.archive.challenge(app: application.app)] {
      try await scene.expect(.pushNonce) {
        try await archive.begin(scene.second.begin(nonce: nonce, signedBy: key).bytes, from: "here")
      }
    }
    let nonce = archive.challenge(app: application.app)
    let begin = scene.second.begin(nonce: nonce, signedBy: key).bytes
    _ = try await archive.begin(begin, from: "here")
    try await scene.expect(.pushNonce) { try await archive.begin(begin, from: "here") }
    try await scene.expectSecondGoesThrough()
  }

  /// Many applications are no way around what one address may hold open; and giving up makes room.
  @Test func anAddressHasSoManyOpenPushes() async throws {
    var limits = ArchiveLimits()
    limits.openPushesPerAddress = 2
    let new = try await NewArchive(limits: limits)
    let archive = new.archive
    var applications: [Application] = []
    for seed in UInt64(1)...4 {
      applications.append(try Application(home: archive.home, seed: seed))
      _ = try await applications[applications.count - 1].register(in: archive)
    }
    func begin(_ number: Int, from address: String) async throws -> PushToken {
      let application = applications[number]
      return try await application.begin(try application.epoch(1), in: archive, from: address)
    }
    let first = try await begin(0, from: "one")
    _ = try await begin(1, from: "one")
    #expect(await refusal { try await begin(2, from: "one") }?.code == .pushTooMany)
    let elsewhere = try await begin(2, from: "two")
    // An older push that came from elsewhere gives no room here; and is as it was.
    #expect(await refusal { try await begin(2, from: "one") }?.code == .pushTooMany)
    #expect(await refusal { try await archive.missing([], for: elsewhere) } == nil)
    // Who has an open push may begin it again, from where it has room.
    let again = try await begin(0, from: "one")
    #expect(await refusal { try await archive.missing([], for: first) }?.code == .pushFenced)
    try await archive.abandon(again)
    _ = try await begin(2, from: "one")
    #expect(await refusal { try await begin(3, from: "one") }?.code == .pushTooMany)
    _ = try await begin(3, from: "two")
    _ = try await begin(0, from: "two")
    #expect(await refusal { try await begin(1, from: "two") }?.code == .pushTooMany)
  }

  @Test func limitsHold() async throws {
    var limits = ArchiveLimits()
    limits.pushByteCount = 1 << 30
    limits.openPushes = 1
    let scene = try await RefusalScene(limits: limits)
    let (archive, application) = (scene.archive, scene.application)
    try await scene.expect(.pushBudget) {
      try await application.begin(scene.second, in: archive, budgetByteCount: 1 << 30 + 1)
    }
    let token = try await application.begin(scene.second, in: archive)
    try await scene.expect(.pushTooMany) {
      try await application.begin(scene.second, in: archive, uploader: 1)
    }
    // Who has the open push may begin again.
    let again = try await application.begin(scene.second, in: archive)
    try await scene.expect(.pushFenced) { try await archive.missing([], for: token) }
    try await archive.abandon(again)
    let other = try await application.begin(scene.second, in: archive, uploader: 1)
    try await archive.abandon(other)
    try await scene.expect(.archiveRequest) {
      try archive.storedObjects([Digest](repeating: .zero, count: 4_097), app: application.app, generation: 1)
    }
    #expect(try files(in: "\(scene.new.path)/incoming").isEmpty)
  }

  /// All pushes of an application share what it may store; what was stored stays, and so does who was there first.
  @Test func anApplicationKeepsToItsBytes() async throws {
    var limits = ArchiveLimits()
    limits.applicationByteCount = 220_000
    let scene = try await RefusalScene(limits: limits)
    let (archive, application) = (scene.archive, scene.application)
    var generator = SeededGenerator(seed: 6)
    let large = try application.epoch(2, after: scene.first.leafHash, state: generator.bytes(200_000))
    let token = try await application.begin(large, in: archive)
    let other = try await application.begin(large, in: archive, uploader: 1)
    let half = large.state.objects.count / 3
    try await archive.upload(MemoryBatch(large.state.objects.prefix(half)), to: token)
    try await scene.expect(.pushApplicationFull) {
      try await archive.upload(MemoryBatch(large.state.objects.dropFirst(half)), to: other)
    }
    #expect(try await archive.missing([large.state.objects[0].id], for: token) == [0])
    try await archive.abandon(other)
    try await archive.abandon(token)
    // The room is whole again, and a small epoch fits.
    try await scene.expectSecondGoesThrough()
    let third = try application.epoch(3, after: scene.second.leafHash, state: generator.bytes(400_000))
    let last = try await application.begin(third, in: archive)
    try await scene.expect(.pushApplicationFull) {
      for start in stride(from: 0, to: third.state.objects.count, by: 3) {
        try await archive.upload(MemoryBatch(third.state.objects[start...].prefix(3)), to: last)
      }
    }
    try await archive.abandon(last)
    try archive.expectWhole(scene.second, of: application)
  }

  // MARK: Objects

  @Test func objectsAreWhatTheyClaim() async throws {
    let scene = try await RefusalScene()
    let (archive, application) = (scene.archive, scene.application)
    let token = try await application.begin(scene.second, in: archive)
    let objects = scene.second.state.objects
    var swapped = Array(objects.prefix(3))
    swapped[1] = StoredObject(id: swapped[1].id, kind: 1, bytes: swapped[1].bytes.dropLast() + [0])
    try await scene.expect(.pushObjectId, index: 1) { try await archive.upload(MemoryBatch(swapped), to: token) }
    // Nothing of a refused batch is stored.
    let bitmap = try await archive.missing([objects[0].id], for: token)
    #expect(try await archive.missing(scene.first.state.objects.map(\.id), for: token).allSatisfy { $0 == 0 })
    #expect(bitmap == [objects[0].id == scene.first.state.objects[0].id ? 0 : 1])

    let noise = StoredObject(kind: 3, bytes: [1, 2, 3])
    let zero = StoredObject(kind: 0, bytes: [1, 2, 3])
    let empty = StoredObject(kind: 1, bytes: [])
    let huge = StoredObject(kind: 1, bytes: [UInt8](repeating: 0, count: DumpLimits.sealedChunkByteCount + 1))
    let tiny = StoredObject(kind: 2, bytes: [1, 2, 3])
    for object in [noise, zero, empty, huge, tiny] {
      try await scene.expect(.pushObjectShape) { try await archive.upload(MemoryBatch([object]), to: token) }
    }
    for byteCount in [2, 4, -1, .max] {
      let batch = MemoryBatch(
        [BatchObject(id: SHA256.hash([1, 2, 3]), kind: 1, byteCount: byteCount)], bytes: [1, 2, 3])
      try await scene.expect(.pushObjectShape) { try await archive.upload(batch, to: token) }
    }
    let many = MemoryBatch(
      [BatchObject](repeating: BatchObject(id: .zero, kind: 1, byteCount: 1), count: 16_385), bytes: [])
    try await scene.expect(.archiveRequest) { try await archive.upload(many, to: token) }
    try await scene.expect(.archiveRequest) {
      try await archive.missing([Digest](repeating: .zero, count: 16_385), for: token)
    }
    try await archive.abandon(token)
    try await scene.expectSecondGoesThrough()
  }

  @Test func aPushKeepsToItsBudget() async throws {
    let scene = try await RefusalScene()
    let (archive, application) = (scene.archive, scene.application)
    let objects = scene.second.state.objects
    // What all objects take, and the three bodies of the epoch with them.
    let bodies = scene.second.epochBodies
    let bodiesByteCount = bodies.envelope.count + bodies.capsule.count + 2 * Begin.objectOverheadByteCount
    let total = UInt64(objects.reduce(0) { $0 + $1.bytes.count + Begin.objectOverheadByteCount })
    let token = try await application.begin(scene.second, in: archive, budgetByteCount: total - 1)
    try await scene.expect(.pushBudget) { try await archive.upload(MemoryBatch(objects), to: token) }
    try await archive.upload(MemoryBatch(objects.dropLast()), to: token)
    try await scene.expect(.pushBudget) { try await archive.upload(MemoryBatch(objects.suffix(1)), to: token) }
    // A larger budget goes on with what came.
    let larger = try await application.begin(
      scene.second, in: archive, budgetByteCount: total + UInt64(bodiesByteCount))
    let sent = try await archive.send(objects, in: larger)
    #expect(sent.map(\.id) == objects.suffix(1).map(\.id))
    _ = try await archive.sealAndShow(leaf: scene.second.leaf, bodies: scene.second.epochBodies, token: larger)
    try archive.expectWhole(scene.second, of: application)
  }

  @Test func unknownTokensAreRefused() async throws {
    let scene = try await RefusalScene()
    let archive = scene.archive
    let token = PushToken.random()
    let batch = MemoryBatch(scene.second.state.objects.prefix(1))
    try await scene.expect(.pushUnknown) { try await archive.missing([], for: token) }
    try await scene.expect(.pushUnknown) { try await archive.upload(batch, to: token) }
    try await scene.expect(.pushUnknown) {
      try await archive.sealAndShow(leaf: scene.second.leaf, bodies: scene.second.epochBodies, token: token)
    }
    try await scene.expect(.epochNotAdmitted) {
      try await archive.sealAndShow(leaf: scene.second.leaf, bodies: scene.second.epochBodies, token: nil)
    }
    try await scene.expect(.pushEnded) { try await archive.abandon(token) }
    try await scene.expectSecondGoesThrough()
  }
}
