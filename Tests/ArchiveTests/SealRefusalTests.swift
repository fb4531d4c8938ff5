import Archive
import Bulk
import Core
import Dump
import Envelope
import Fixtures
import Foundation
import Index
import Merkle
import Packs
import Records
import Sodium
import Synchronization
import Testing

/// Seals that are wrong, whether by the record or by its bodies.
@Suite struct SealRefusalTests {
  @Test func aStateVersionNeverGoesBack() async throws {
    let scene = try await RefusalScene()
    let older = try scene.application.epoch(2, after: scene.first.leafHash, stateVersion: 9)
    try await scene.expectRefused([(older, .epochVersion)])
  }

  /// What committed state refuses is told before anything is looked for: nothing of the dump is here.
  @Test func whatCannotBeAdmittedCostsNoWalk() async throws {
    let scene = try await RefusalScene()
    let (application, archive) = (scene.application, scene.archive)
    let older = try application.epoch(2, after: scene.first.leafHash, stateVersion: 9)
    let veil = try EpochFixture(
      2, after: scene.first.leafHash, of: application.charter,
      in: try GenerationFixture(1, under: application.charter, seed: 5), state: scene.second.state, stateVersion: 11,
      signedBy: application.council.uploader())
    let token = try await application.begin(scene.second, in: archive)
    for (record, code) in [
      (older, PosternError.Code.epochVersion), (veil, .epochVeil), (scene.second, .pushIncomplete),
    ] {
      try await scene.expect(code) {
        try await archive.sealAndShow(leaf: record.leaf, bodies: record.epochBodies, token: token)
      }
    }
    _ = try await archive.send(scene.second.state.objects, in: token)
    _ = try await archive.sealAndShow(leaf: scene.second.leaf, bodies: scene.second.epochBodies, token: token)
    try archive.expectWhole(scene.second, of: application)
  }

  /// Bodies that cannot be right do not wait in memory until the push has time for them.
  @Test func junkDoesNotWaitForThePushsTurn() async throws {
    let scene = try await RefusalScene()
    let (archive, second) = (scene.archive, scene.second)
    let token = try await scene.application.begin(second, in: archive)
    let batch = HeldBatch(second.state.objects)
    let upload = Task { try await archive.upload(batch, to: token) }
    try await batch.untilHeld()
    for (bodies, code) in [
      (EpochBodies(envelope: second.envelope, veil: second.veil, capsule: []), PosternError.Code.pushBody),
      (EpochBodies(envelope: second.envelope + [0], veil: second.veil, capsule: second.capsule), .pushBody),
    ] {
      try await scene.expect(code) { try await archive.seal(leaf: second.leaf, bodies: bodies, token: token) }
    }
    #expect(batch.letGo(), "the seals were answered after the upload")
    try await upload.value
    _ = try await archive.sealAndShow(leaf: second.leaf, bodies: second.epochBodies, token: token)
    try archive.expectWhole(second, of: scene.application)
  }

  @Test func aSealIsOfTheEpochThatWasBegun() async throws {
    let scene = try await RefusalScene()
    let application = scene.application
    let next = try GenerationFixture(2, under: application.charter)
    let key = try application.council.uploader()
    try await scene.expectRefused(
      [
        (try application.epoch(3, after: scene.first.leafHash), .pushOtherEpoch),
        (try application.epoch(2, after: .zero), .pushOtherEpoch),
        (try application.epoch(2, after: scene.first.leafHash, in: next), .pushOtherEpoch),
        (try application.epoch(2, after: scene.first.leafHash, uploader: 1), .pushOtherEpoch),
        (scene.second.with(scene.second.fields.changing(charter: .zero), signedBy: key), .charterSuperseded),
      ])
  }

  @Test func bodiesAreThoseOfTheRecord() async throws {
    let scene = try await RefusalScene()
    let (archive, second) = (scene.archive, scene.second)
    let token = try await scene.application.begin(second, in: archive)
    _ = try await archive.send(second.state.objects, in: token)
    for bodies in [
      EpochBodies(envelope: second.envelope + [0], veil: second.veil, capsule: second.capsule),
      EpochBodies(envelope: second.envelope, veil: second.envelope, capsule: second.capsule),
      EpochBodies(envelope: second.envelope, veil: second.veil, capsule: []),
    ] {
      try await scene.expect(.pushBody) {
        try await archive.sealAndShow(leaf: second.leaf, bodies: bodies, token: token)
      }
    }
    // One body in all three places matches its digests, and is no envelope.
    let same = second.with(
      second.fields.changing(envelope: second.fields.capsule, veil: second.fields.capsule),
      signedBy: try scene.application.council.uploader())
    try await scene.expect(.veilEncoding) {
      try await archive.sealAndShow(
        leaf: same.leaf,
        bodies: EpochBodies(envelope: second.capsule, veil: second.capsule, capsule: second.capsule), token: token)
    }
    _ = try await archive.sealAndShow(leaf: second.leaf, bodies: second.epochBodies, token: token)
    try archive.expectWhole(second, of: scene.application)
  }

  /// A body of a length that no record can name well is told as that, and not as another body.
  @Test func bodiesOfAWrongLengthAreToldAsThat() async throws {
    let scene = try await RefusalScene()
    let (archive, second) = (scene.archive, scene.second)
    let key = try scene.application.council.uploader()
    let token = try await scene.application.begin(second, in: archive)
    _ = try await archive.send(second.state.objects, in: token)
    let long = [UInt8](repeating: 7, count: PackFormat.bodyByteLimit + 1)
    let veil = second.with(second.fields.changing(veil: SHA256.hash(long)), signedBy: key)
    let short = Array(second.capsule.dropLast())
    let capsule = second.with(second.fields.changing(capsule: SHA256.hash(short)), signedBy: key)
    for (leaf, bodies, what) in [
      (veil.leaf, EpochBodies(envelope: second.envelope, veil: long, capsule: second.capsule), "The veil has 2097153"),
      (
        capsule.leaf, EpochBodies(envelope: second.envelope, veil: second.veil, capsule: short),
        "The capsule has \(short.count) bytes instead of \(second.capsule.count)"
      ),
      (
        second.leaf, EpochBodies(envelope: second.envelope, veil: second.envelope, capsule: second.capsule),
        "does not match the digest \(second.fields.veil)"
      ),
    ] {
      let error = await refusal { try await archive.seal(leaf: leaf, bodies: bodies, token: token) }
      #expect(error?.code == .pushBody && error?.message.contains(what) == true, "\(error?.message ?? "admitted")")
    }
    _ = try await archive.sealAndShow(leaf: second.leaf, bodies: second.epochBodies, token: token)
  }

  @Test func envelopesAreOfThisEpochAndWhole() async throws {
    let scene = try await RefusalScene()
    let (archive, second) = (scene.archive, scene.second)
    let key = try scene.application.council.uploader()
    let token = try await scene.application.begin(second, in: archive)
    _ = try await archive.send(second.state.objects, in: token)
    var tampered = second.envelope
    tampered[tampered.count - 1] ^= 1
    for envelope in [tampered, scene.first.envelope, Array(second.envelope.dropLast())] {
      let record = second.with(second.fields.changing(envelope: SHA256.hash(envelope)), signedBy: key)
      let before = try archive.checkpoint()
      let error = await refusal {
        try await archive.sealAndShow(
          leaf: record.leaf, bodies: EpochBodies(envelope: envelope, veil: second.veil, capsule: second.capsule),
          token: token)
      }
      #expect(error?.code.rawValue.hasPrefix("envelope.") == true)
      #expect(try archive.checkpoint() == before)
    }
    // The second form of a point that libsodium alone would take for the first: bit 255 of the root's commitment.
    var doubled = second.envelope
    doubled[2 + 31] |= 0x80
    let record = second.with(second.fields.changing(envelope: SHA256.hash(doubled)), signedBy: key)
    let doubledBodies = EpochBodies(envelope: doubled, veil: second.veil, capsule: second.capsule)
    try await scene.expect(.envelopeEncoding) {
      try await archive.sealAndShow(leaf: record.leaf, bodies: doubledBodies, token: token)
    }
    let forged = Array(second.leaf.dropLast()) + [second.leaf[second.leaf.count - 1] ^ 1]
    try await scene.expect(.recordSignature) {
      try await archive.sealAndShow(leaf: forged, bodies: second.epochBodies, token: token)
    }
    try await scene.expect(.recordUnknown) {
      try await archive.sealAndShow(
        leaf: scene.application.registration.record.leaf, bodies: second.epochBodies, token: token)
    }
    try await scene.expect(.recordMalformed) {
      try await archive.sealAndShow(leaf: [], bodies: second.epochBodies, token: token)
    }
    _ = try await archive.sealAndShow(leaf: second.leaf, bodies: second.epochBodies, token: token)
    try archive.expectWhole(second, of: scene.application)
  }

  @Test func aVeilIsTheGenerationsOwnAndFresh() async throws {
    let scene = try await RefusalScene()
    let application = scene.application
    // Another veil in the running generation.
    let other = try GenerationFixture(1, under: application.charter, seed: 5)
    let stolen = try EpochFixture(
      2, after: scene.first.leafHash, of: application.charter, in: other, state: scene.second.state, stateVersion: 11,
      signedBy: application.council.uploader())
    try await scene.expectRefused([(stolen, .epochVeil)])
    // The old one for the next generation.
    let third = try application.epoch(3, after: scene.second.leafHash, stateVersion: 11)
    let reused = try EpochFixture(
      3, after: scene.second.leafHash, of: application.charter, in: application.generation.claiming(2),
      state: third.state, stateVersion: 11, signedBy: application.council.uploader())
    let token = try await application.begin(reused, in: scene.archive)
    _ = try await scene.archive.send(reused.state.objects, in: token)
    try await scene.expect(.epochVeil) {
      try await scene.archive.sealAndShow(leaf: reused.leaf, bodies: reused.epochBodies, token: token)
    }
    try await application.push(third, to: scene.archive)
    try scene.archive.expectWhole(third, of: application)
  }

  @Test func oneOfTwoUploadersWinsAndTheOtherGoesOn() async throws {
    let scene = try await RefusalScene()
    let (archive, application) = (scene.archive, scene.application)
    let other = try application.epoch(
      2, after: scene.first.leafHash, state: Application.state(5), stateVersion: 12, uploader: 1)
    let token = try await application.begin(scene.second, in: archive)
    let otherToken = try await application.begin(other, in: archive, uploader: 1)
    _ = try await archive.send(scene.second.state.objects, in: token)
    _ = try await archive.send(other.state.objects, in: otherToken)
    _ = try await archive.sealAndShow(leaf: scene.second.leaf, bodies: scene.second.epochBodies, token: token)
    try await scene.expect(.epochTaken) {
      try await archive.sealAndShow(leaf: other.leaf, bodies: other.epochBodies, token: otherToken)
    }
    // Linked to what won, nothing of the state has to be sent twice.
    let third = try application.epoch(
      3, after: scene.second.leafHash, state: Application.state(5), stateVersion: 12, uploader: 1)
    let pushed = try await application.push(third, to: archive, uploader: 1)
    #expect(pushed.sent.isEmpty)
    try archive.expectGood(pushed.receipt, of: third.leaf)
    for epoch in [scene.first, scene.second, third] { try archive.expectWhole(epoch, of: application) }
    #expect(try files(in: "\(scene.new.path)/incoming").isEmpty)
  }
}

/// A batch that keeps its push's turn, once its objects are being stored, until it is let go or ten seconds are over.
private final class HeldBatch: IncomingBatch {
  private struct State {
    /// How often the bytes were asked for: for their number, for their ids, and to be stored.
    var useCount = 0
    var isLetGo = false
    var isOver = false
  }

  private let batch: MemoryBatch
  private let state = Mutex(State())

  init(_ objects: [StoredObject]) { batch = MemoryBatch(objects) }

  var objects: [BatchObject] { batch.objects }

  func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    let isStored = state.withLock { state in
      state.useCount += 1
      return state.useCount == 3
    }
    if isStored {
      // The push's own queue, which nobody else needs.
      for _ in 0..<1_000 where !state.withLock(\.isLetGo) { usleep(10_000) }
      state.withLock { $0.isOver = true }
    }
    return try batch.withUnsafeBytes(body)
  }

  func untilHeld() async throws {
    for _ in 0..<10_000 where state.withLock({ $0.useCount < 3 }) { try await Task.sleep(for: .milliseconds(1)) }
    try #require(state.withLock(\.useCount) >= 3, "the upload was not held")
  }

  /// Lets the push go on.
  ///
  /// - Returns: whether it was held until now.
  func letGo() -> Bool {
    state.withLock { state in
      state.isLetGo = true
      return !state.isOver
    }
  }
}
