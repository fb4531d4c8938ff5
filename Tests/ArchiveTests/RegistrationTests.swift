import Archive
import Bulk
import Core
import Envelope
import Fixtures
import Merkle
import Records
import Sodium
import Testing
import Trust

@Suite struct RegistrationTests {
  @Test func aRegistrationGetsAReceipt() async throws {
    let new = try await NewArchive()
    let archive = new.archive
    let application = try Application(home: archive.home)
    let receipt = try await application.register(in: archive)
    try archive.expectGood(receipt, of: application.registration.record.leaf)
    #expect(try Receipt(parsing: receipt).proven.index == 0)
    #expect(try archive.size() == 1)

    let shown = try archive.show(application.app)
    #expect(shown.charters.map(\.leaf) == [application.registration.record.leaf])
    #expect(shown.epoch == nil)
    #expect(try archive.body(application.app, app: application.app, generation: 0) == application.registration.charter)
    #expect(
      try archive.body(SHA256.hash(application.registration.signatures), app: application.app, generation: 0)
        == application.registration.signatures)
    try expectPublished(archive, at: new.path)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
  }

  @Test func aRepeatGetsTheSameReceipt() async throws {
    let new = try await NewArchive()
    let application = try Application(home: new.archive.home)
    let first = try await application.register(in: new.archive)
    let second = try await application.register(in: new.archive)
    #expect(first == second)
    #expect(try new.archive.size() == 1)

    // Later it stands under a newer checkpoint: the same leaf at the same place.
    let other = try Application(home: new.archive.home, seed: 2)
    _ = try await other.register(in: new.archive)
    let third = try await application.register(in: new.archive)
    try new.archive.expectGood(third, of: application.registration.record.leaf)
    #expect(try Receipt(parsing: third).proven.index == 0)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
  }

  @Test func manyAtOnceAreOne() async throws {
    let new = try await NewArchive()
    let archive = new.archive
    let application = try Application(home: archive.home)
    let receipts = try await withThrowingTaskGroup(of: [UInt8].self) { group in
      for _ in 0..<8 { group.addTask { try await application.register(in: archive) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(receipts).count == 1)
    #expect(try archive.size() == 1)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
    #expect(try files(in: "\(new.path)/packs").count == 1)
  }

  @Test func badRegistrationsChangeNothing() async throws {
    let new = try await NewArchive()
    let archive = new.archive
    let application = try Application(home: archive.home)
    let registration = application.registration
    let council = application.council

    let elsewhere = try council.registration(of: try council.charter(home: logSigner().verifier))
    var charter = application.charter
    charter.uploaders = []
    let nobody = try council.registration(of: charter)
    let otherSignatures = CharterSignatures([]).body
    let unsigned = Record(
      app: application.app, role: .member,
      fields: .charter(CharterFields(genesis: application.app, signatures: SHA256.hash(otherSignatures))),
      signedBy: try council.member(0).signingKey())
    let epoch = try application.epoch(1)
    for (leaf, body, signatures, code) in [
      (elsewhere.record.leaf, elsewhere.charter, elsewhere.signatures, PosternError.Code.charterHome),
      (nobody.record.leaf, nobody.charter, nobody.signatures, .charterNobody),
      (unsigned.leaf, registration.charter, otherSignatures, .charterSignature),
      (registration.record.leaf, registration.charter + [0], registration.signatures, .bodyDigest),
      (registration.record.leaf, registration.charter, [], .bodyDigest),
      (Array(registration.record.leaf.dropLast()), registration.charter, registration.signatures, .recordMalformed),
      (epoch.leaf, registration.charter, registration.signatures, .epochUnknownApplication),
      ([], [], [], .recordMalformed),
    ] {
      let error = await refusal {
        try await archive.register(leaf: leaf, charter: body, signatures: signatures, from: "here")
      }
      #expect(error?.code == code)
    }
    #expect(try archive.size() == 0)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
    #expect(try files(in: "\(new.path)/packs").isEmpty)
    try archive.expectGood(try await application.register(in: archive), of: registration.record.leaf)
  }

  /// Of one address so many wait to be checked and no more, others do not wait for them, and who gives up does not.
  @Test(.timeLimit(.minutes(1))) func anAddressHasItsShareOfChecks() async throws {
    let new = try await NewArchive()
    let archive = new.archive
    let application = try Application(home: archive.home)
    let other = try Application(home: archive.home, seed: 2)
    func register() async throws -> [UInt8] {
      let registration = application.registration
      return try await archive.register(
        leaf: registration.record.leaf, charter: registration.charter, signatures: registration.signatures,
        from: "there")
    }
    let (goOn, release) = AsyncStream<Void>.makeStream()
    let (isHeld, hold) = AsyncStream<Void>.makeStream()
    async let held: Void = archive.checks.take(for: "there") { () throws(PosternError) in
      hold.finish()
      for await _ in goOn {}
    }
    for await _ in isHeld {}
    let waiting = (0..<ArchiveLimits.waitingCheckCount).map { _ in Task { try await register() } }
    while archive.checks.waitingCount < waiting.count { try await Task.sleep(for: .milliseconds(1)) }
    #expect(await refusal { try await register() }?.code == .archiveBusy)
    try archive.expectGood(try await other.register(in: archive), of: other.registration.record.leaf)

    // A seal is checked on the account of the address that its push was begun from.
    let epoch = try other.epoch(1)
    let token = try await other.begin(epoch, in: archive, from: "there")
    _ = try await archive.send(epoch.state.objects, in: token)
    func seal() async throws -> [UInt8] {
      try await archive.seal(leaf: epoch.leaf, bodies: epoch.epochBodies, token: token)
    }
    #expect(await refusal { try await seal() }?.code == .archiveBusy)
    waiting[0].cancel()
    #expect(await refusal { try await waiting[0].value }?.code == .archiveGivenUp)
    let sealing = Task { try await seal() }
    while archive.checks.waitingCount < waiting.count { try await Task.sleep(for: .milliseconds(1)) }
    // Who asks what became of a seal that waits is answered after it.
    let asking = Task { try await archive.seal(leaf: epoch.leaf, bodies: epoch.epochBodies, token: nil) }
    try await Task.sleep(for: .milliseconds(50))
    release.finish()
    try await held
    for task in waiting.dropFirst() {
      try archive.expectGood(try await task.value, of: application.registration.record.leaf)
    }
    try archive.expectGood(try await sealing.value, of: epoch.leaf)
    try archive.expectGood(try await asking.value, of: epoch.leaf)
    await archive.finish()
  }

  /// What is no registration counts against nobody; and who may register no more still gets its receipts.
  @Test func onlyRegistrationsCount() async throws {
    var limits = ArchiveLimits()
    limits.registrationsPerAddressAndDay = 1
    let archive = try await NewArchive(limits: limits)
    let applications = try (1...3).map { try Application(home: archive.archive.home, seed: UInt64($0)) }
    func register(_ application: Application, body: [UInt8]? = nil, from address: String) async -> PosternError? {
      let registration = application.registration
      let error = await refusal {
        try await archive.archive.register(
          leaf: registration.record.leaf, charter: body ?? registration.charter, signatures: registration.signatures,
          from: address)
      }
      await archive.archive.finish()
      return error
    }
    for _ in 0..<3 { #expect(await register(applications[0], body: [], from: "one")?.code == .bodyDigest) }
    #expect(await register(applications[0], from: "one") == nil)
    #expect(await register(applications[1], from: "one")?.code == .charterTooMany)
    #expect(await register(applications[0], from: "one") == nil)
    #expect(await register(applications[1], from: "two") == nil)
    #expect(try archive.archive.size() == 2)
  }
}
