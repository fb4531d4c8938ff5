import Bulk
import Core
import Envelope
import Fixtures
import Merkle
import Records
import Sodium
import Testing

@Suite struct CheckTests {
  private let setting: Setting
  private let registration: Registration
  private let epoch: EpochFixture

  init() throws {
    setting = try Setting()
    registration = try setting.council.registration(of: setting.charter)
    epoch = try setting.epoch()
  }

  private func refusalOf(
    _ leaf: [UInt8], _ bodies: [Digest: [UInt8]], under charter: Charter?
  ) async -> PosternError? {
    await refusal { try await check(leaf: leaf, bodies: Bodies(bodies.values), charter: charter) }
  }

  // MARK: Charters

  @Test func aRegistrationPasses() async throws {
    let checked = try await check(
      leaf: registration.record.leaf, bodies: Bodies(registration.bodies.values), charter: nil)
    guard case .charter(let charter) = checked else {
      Issue.record("no charter")
      return
    }
    #expect(charter.charter == setting.charter)
    #expect(charter.leafHash == TreeHash.leaf(registration.record.leaf))
    #expect(charter.fields.body == setting.app)
  }

  @Test func aRegistrationIsTheFirstMembersAndOfTheFirstVersion() async throws {
    let leaf = registration.record.leaf
    let first = try setting.council.member(0).signingKey()
    let second = try setting.council.member(1).signingKey()
    for change in [
      { (leaf: inout [UInt8]) in leaf[67 + 7] = 2 },
      { leaf in leaf[67 + 8] = 1 },
      { leaf in leaf[2] ^= 1 },
    ] {
      let changed = signedAgain(leaf, label: "charter", by: first, change)
      #expect(await refusalOf(changed, registration.bodies, under: nil)?.code == .charterMalformed)
    }
    let bySecond = Record(app: setting.app, role: .member, fields: registration.record.fields, signedBy: second)
    #expect(await refusalOf(bySecond.leaf, registration.bodies, under: nil)?.code == .recordAuthor)
    let asUploader = Record(app: setting.app, role: .uploader, fields: registration.record.fields, signedBy: first)
    #expect(await refusalOf(asUploader.leaf, registration.bodies, under: nil)?.code == .recordAuthor)
    let forged = signedAgain(leaf, label: "epoch", by: first) { _ in }
    #expect(await refusalOf(forged, registration.bodies, under: nil)?.code == .recordSignature)
  }

  @Test func aRegistrationNeedsItsVeryBodies() async throws {
    let leaf = registration.record.leaf
    for digest in registration.bodies.keys {
      var bodies = registration.bodies
      bodies[digest] = nil
      #expect(await refusalOf(leaf, bodies, under: nil)?.code == .bodyDigest)
      bodies[digest] = registration.bodies[digest].map { $0 + [0] }
      #expect(await refusalOf(leaf, bodies, under: nil)?.code == .bodyDigest)
    }
  }

  @Test func aRegistrationsCharterIsJudgedAndSignedByAll() async throws {
    var charter = setting.charter
    charter.uploaders = []
    let nobody = try setting.council.registration(of: charter)
    #expect(await refusalOf(nobody.record.leaf, nobody.bodies, under: nil)?.code == .charterNobody)

    let two = CharterSignatures(Array(try CharterSignatures(parsing: registration.signatures).signatures.prefix(2)))
      .body
    let fields = CharterFields(genesis: setting.app, signatures: SHA256.hash(two))
    let record = Record(
      app: setting.app, role: .member, fields: .charter(fields), signedBy: try setting.council.member(0).signingKey())
    let error = await refusalOf(
      record.leaf, [setting.app: registration.charter, SHA256.hash(two): two], under: nil)
    #expect(error?.code == .charterSignature && error?.index == 2)
  }

  // MARK: Epochs

  @Test func anEpochPasses() async throws {
    let checked = try await check(leaf: epoch.leaf, bodies: Bodies(epoch.bodies.values), charter: setting.charter)
    guard case .epoch(let passed) = checked else {
      Issue.record("no epoch")
      return
    }
    #expect(passed.fields == epoch.fields && passed.leafHash == TreeHash.leaf(epoch.leaf))
    #expect(passed.veilCommit.bytes == Array(epoch.veil.prefix(32)))
    #expect(passed.policy == setting.charter.policyDigest)
  }

  /// Pruned and withheld things may not make history invalid, so check never asks for a capsule.
  @Test func anEpochPassesWithoutItsCapsule() async throws {
    var bodies = epoch.bodies
    bodies[epoch.fields.capsule] = nil
    _ = try await check(leaf: epoch.leaf, bodies: Bodies(bodies.values), charter: setting.charter)
    for digest in epoch.record.checkedBodies {
      var without = epoch.bodies
      without[digest] = nil
      #expect(await refusalOf(epoch.leaf, without, under: setting.charter)?.code == .bodyDigest)
      without[digest] = [1, 2, 3]
      #expect(await refusalOf(epoch.leaf, without, under: setting.charter)?.code == .bodyDigest)
    }
  }

  @Test func oneDoorIsEnough() async throws {
    for change in [
      { (charter: inout Charter) in charter.kms = nil },
      { charter in
        charter.recovery = nil
        charter.requesters = []
      },
    ] {
      var charter = setting.charter
      change(&charter)
      try charter.validate()
      let generation = try GenerationFixture(1, under: charter)
      let state = try SealedState([1, 2, 3], in: generation)
      let epoch = try EpochFixture(
        1, of: charter, in: generation, state: state, signedBy: setting.council.uploader())
      _ = try await check(leaf: epoch.leaf, bodies: Bodies(epoch.bodies.values), charter: charter)
    }
  }

  @Test func anEpochNeedsTheCharterInForce() async throws {
    #expect(await refusalOf(epoch.leaf, epoch.bodies, under: nil)?.code == .epochUnknownApplication)
    let other = try setting.council.charter(home: setting.home, nonce: 2)
    #expect(await refusalOf(epoch.leaf, epoch.bodies, under: other)?.code == .charterSuperseded)
    // Bodies dealt under another charter do not become this one's by naming it.
    let moved = epoch.with(
      epoch.fields.changing(charter: other.digest), signedBy: try setting.council.uploader())
    #expect(await refusalOf(moved.leaf, moved.bodies, under: other)?.code.rawValue.hasPrefix("envelope.") == true)
  }

  @Test func anEpochIsByAListedUploader() async throws {
    _ = try await check(
      leaf: epoch.with(epoch.fields, signedBy: try setting.council.uploader(1)).leaf,
      bodies: Bodies(epoch.bodies.values),
      charter: setting.charter)
    let strange = epoch.with(epoch.fields, signedBy: try setting.council.uploader(2))
    #expect(await refusalOf(strange.leaf, epoch.bodies, under: setting.charter)?.code == .recordAuthor)
    let requester = Record(
      app: setting.app, role: .requester, fields: .epoch(epoch.fields), signedBy: try setting.council.uploader())
    #expect(await refusalOf(requester.leaf, epoch.bodies, under: setting.charter)?.code == .recordAuthor)
    let forged = Array(epoch.leaf.dropLast()) + [epoch.leaf[epoch.leaf.count - 1] ^ 1]
    #expect(await refusalOf(forged, epoch.bodies, under: setting.charter)?.code == .recordSignature)
  }

  /// The same record with another body in one's place, signed again.
  private func replacing(envelope: [UInt8]? = nil, veil: [UInt8]? = nil) throws -> (EpochFixture, [Digest: [UInt8]]) {
    let envelope = envelope ?? epoch.envelope
    let veil = veil ?? epoch.veil
    let changed = epoch.with(
      epoch.fields.changing(envelope: SHA256.hash(envelope), veil: SHA256.hash(veil)),
      signedBy: try setting.council.uploader())
    return (changed, [SHA256.hash(envelope): envelope, SHA256.hash(veil): veil])
  }

  @Test func everyTamperedByteOfAnEnvelopeIsRefused() async throws {
    var codes: [PosternError.Code: Set<Int?>] = [:]
    for position in stride(from: 0, to: epoch.envelope.count, by: 5) {
      var tampered = epoch.envelope
      tampered[position] ^= 1
      let (changed, bodies) = try replacing(envelope: tampered)
      let error = try #require(await refusalOf(changed.leaf, bodies, under: setting.charter), "\(position)")
      #expect(error.code.rawValue.hasPrefix("envelope."), "\(position)")
      codes[error.code, default: []].insert(error.index)
    }
    // Which gate or leaf is named, so that its holder can be asked.
    #expect(codes[.envelopeLeaf]?.contains(2) == true)
    #expect(codes[.envelopeGate] == [0] || codes[.envelopeGate] == nil)
    #expect(codes[.envelopeKMS] != nil)
  }

  @Test func anEnvelopeOfAnotherContextIsRefused() async throws {
    let generation = try GenerationFixture(1, under: setting.charter)
    let fields = epoch.fields
    let foreign = try EpochFixture(
      2, of: setting.charter, in: generation, state: epoch.state, signedBy: setting.council.uploader())
    let (changed, bodies) = try replacing(envelope: foreign.envelope)
    #expect(await refusalOf(changed.leaf, bodies, under: setting.charter)?.code.rawValue.hasPrefix("envelope.") == true)
    // The same with the epoch's number, the generation's, or the veil's commitment.
    for other in [fields.changing(number: 2), fields.changing(generation: 2)] {
      let changed = epoch.with(other, signedBy: try setting.council.uploader())
      let error = await refusalOf(changed.leaf, epoch.bodies, under: setting.charter)
      #expect(error?.code.rawValue.hasPrefix("envelope.") == true)
    }
    var veil = epoch.veil
    veil[0] ^= 1
    let (withVeil, withVeilBodies) = try replacing(veil: veil)
    let error = await refusalOf(withVeil.leaf, withVeilBodies, under: setting.charter)
    #expect(error?.code.rawValue.hasPrefix("envelope.") == true)
  }

  @Test func aVeilHasACopyAHolder() async throws {
    for veil in [[], Array(epoch.veil.dropLast()), epoch.veil + [0], Array(epoch.veil.dropLast(1_168))] {
      let (changed, bodies) = try replacing(veil: veil)
      #expect(await refusalOf(changed.leaf, bodies, under: setting.charter)?.code == .veilEncoding, "\(veil.count)")
    }
  }

  @Test func motionsAndBallotsAreFiles() async throws {
    for (kind, record) in try setting.records() where kind == "motion" || kind == "ballot" {
      #expect(await refusalOf(record.leaf, [:], under: setting.charter)?.code == .recordUnknown)
    }
    #expect(await refusalOf([1, 2, 3], [:], under: setting.charter)?.code == .recordMalformed)
  }
}
