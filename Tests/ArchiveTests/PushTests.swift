import Archive
import Core
import Fixtures
import Merkle
import Records
import Testing
import Trust

@Suite struct PushTests {
  @Test func twoEpochsFromEndToEnd() async throws {
    let new = try await NewArchive()
    let archive = new.archive
    let application = try Application(home: archive.home)
    let charter = try await application.register(in: archive)

    let first = try application.epoch(1)
    let firstPush = try await application.push(first, to: archive)
    #expect(firstPush.sent == first.state.objects)
    try archive.expectGood(firstPush.receipt, of: first.leaf)
    try archive.expectWhole(first, of: application)

    let second = try application.epoch(2, after: first.leafHash)
    let secondPush = try await application.push(second, to: archive)
    // One chunk changed: it, and the nodes above it.
    let new1 = Set(second.state.objects.map(\.id)).subtracting(first.state.objects.map(\.id))
    #expect(Set(secondPush.sent.map(\.id)) == new1 && new1.count < 8)
    try archive.expectGood(secondPush.receipt, of: second.leaf)

    for (receipt, leaf) in [
      (charter, application.registration.record.leaf), (firstPush.receipt, first.leaf),
      (secondPush.receipt, second.leaf),
    ] { try archive.expectGood(receipt, of: leaf) }
    try archive.expectWhole(first, of: application)
    try archive.expectWhole(second, of: application)
    try expectPublished(archive, at: new.path)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
    #expect(try files(in: "\(new.path)/packs").count == 3)
  }

  @Test func anEmptyStateAndALargeOneArePushed() async throws {
    let new = try await NewArchive()
    let application = try Application(home: new.archive.home)
    _ = try await application.register(in: new.archive)
    var previous = Digest.zero
    for (number, byteCount) in [(1, 0), (2, 1), (3, 4_096), (4, 3 << 20)] {
      var generator = SeededGenerator(seed: UInt64(number))
      let epoch = try application.epoch(UInt64(number), after: previous, state: generator.bytes(byteCount))
      try await application.push(epoch, to: new.archive)
      try new.archive.expectWhole(epoch, of: application)
      previous = epoch.leafHash
    }
  }

  @Test func aRepeatGetsTheReceiptOfTheFirst() async throws {
    let new = try await NewArchive()
    let archive = new.archive
    let application = try Application(home: archive.home)
    _ = try await application.register(in: archive)
    let epoch = try application.epoch(1)
    let receipt = try await application.push(epoch, to: archive).receipt
    #expect(try await archive.sealAndShow(leaf: epoch.leaf, bodies: epoch.epochBodies, token: nil) == receipt)

    // Sealed again it is the same push: the leaf that was admitted is what the receipt has.
    let again = try EpochFixture(
      1, of: application.charter, in: application.generation, state: epoch.state, seed: 9,
      signedBy: application.council.uploader())
    #expect(again.leaf != epoch.leaf)
    #expect(try await archive.sealAndShow(leaf: again.leaf, bodies: again.epochBodies, token: nil) == receipt)
    #expect(try archive.size() == 2)
  }

  @Test func objectsOfOpenPushesAreNobodyElses() async throws {
    let new = try await NewArchive()
    let archive = new.archive
    let application = try Application(home: archive.home)
    _ = try await application.register(in: archive)
    let epoch = try application.epoch(1)
    let token = try await application.begin(epoch, in: archive)
    let ids = epoch.state.objects.map(\.id)
    _ = try await archive.send(epoch.state.objects, in: token)
    #expect(refusal { try archive.storedObjects(ids, app: application.app, generation: 1) }?.code == .archiveNotFound)
    // Another uploader does not see them either; the push itself does.
    let other = try await application.begin(epoch, in: archive, uploader: 1)
    let bitmap = try await archive.missing(ids, for: other)
    #expect(bitmap.reduce(0) { $0 + $1.nonzeroBitCount } == ids.count)
    #expect(try await archive.missing(ids, for: token).allSatisfy { $0 == 0 })

    _ = try await archive.sealAndShow(leaf: epoch.leaf, bodies: epoch.epochBodies, token: token)
    try archive.expectWhole(epoch, of: application)
    #expect(try await archive.missing(ids, for: other).allSatisfy { $0 == 0 })
    // Under another generation, or application, they are unknown.
    #expect(refusal { try archive.storedObjects(ids, app: application.app, generation: 2) }?.code == .archiveNotFound)
    #expect(refusal { try archive.storedObjects(ids, app: .zero, generation: 1) }?.code == .archiveNotFound)
  }

  @Test func aNewGenerationSharesNothing() async throws {
    let new = try await NewArchive()
    let archive = new.archive
    let application = try Application(home: archive.home)
    _ = try await application.register(in: archive)
    let first = try application.epoch(1)
    try await application.push(first, to: archive)
    let next = try GenerationFixture(2, under: application.charter)
    let second = try application.epoch(2, after: first.leafHash, state: Application.state(1), in: next)
    let pushed = try await application.push(second, to: archive)
    #expect(pushed.sent == second.state.objects)
    try archive.expectWhole(second, of: application)
    try archive.expectWhole(first, of: application)
  }

  @Test func severalApplicationsShareALog() async throws {
    let new = try await NewArchive()
    let archive = new.archive
    var receipts: [(receipt: [UInt8], leaf: [UInt8])] = []
    for seed in 1...3 {
      let application = try Application(home: archive.home, seed: UInt64(seed))
      receipts.append((try await application.register(in: archive), application.registration.record.leaf))
      let epoch = try application.epoch(1)
      receipts.append((try await application.push(epoch, to: archive).receipt, epoch.leaf))
    }
    for (index, (receipt, leaf)) in receipts.enumerated() {
      try archive.expectGood(receipt, of: leaf)
      #expect(try Receipt(parsing: receipt).proven.index == UInt64(index))
    }
  }

  @Test func aSealThatIsSentTwiceAtOnceIsOne() async throws {
    let new = try await NewArchive()
    let archive = new.archive
    let application = try Application(home: archive.home)
    _ = try await application.register(in: archive)
    let epoch = try application.epoch(1)
    let token = try await application.begin(epoch, in: archive)
    _ = try await archive.send(epoch.state.objects, in: token)
    let receipts = try await withThrowingTaskGroup(of: [UInt8].self) { group in
      for _ in 0..<4 {
        group.addTask { try await archive.sealAndShow(leaf: epoch.leaf, bodies: epoch.epochBodies, token: token) }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(receipts).count == 1)
    #expect(try archive.size() == 2)
  }
}
