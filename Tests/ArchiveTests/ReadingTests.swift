import Archive
import Core
import Fixtures
import Index
import Merkle
import Records
import Testing
import Trust

@Suite struct ReadingTests {
  private let archive: Archive
  private let folder: TemporaryFolder
  private let applications: [Application]
  private let epochs: [[EpochFixture]]

  init() async throws {
    let new = try await NewArchive()
    (archive, folder) = (new.archive, new.folder)
    applications = try [1, 2].map { try Application(home: new.archive.home, seed: $0) }
    var epochs: [[EpochFixture]] = [[], []]
    for application in applications { _ = try await application.register(in: archive) }
    for number: UInt64 in 1...4 {
      for (place, application) in applications.enumerated() {
        let epoch = try application.epoch(number, after: epochs[place].last?.leafHash ?? .zero)
        try await application.push(epoch, to: archive)
        epochs[place].append(epoch)
      }
    }
    self.epochs = epochs
  }

  @Test func whatIsShownIsProven() throws {
    for (application, epochs) in zip(applications, epochs) {
      for number: UInt64? in [nil, 1, 2, 3, 4] {
        let shown = try archive.show(application.app, epoch: number)
        let signed = try SignedCheckpoint(parsing: shown.note, log: archive.home)
        #expect(shown.note == (try archive.checkpoint()) && signed.checkpoint.size == 10)
        let epoch = try #require(shown.epoch)
        #expect(epoch.leaf == epochs[Int(number ?? 4) - 1].leaf)
        #expect(shown.charters.map(\.leaf) == [application.registration.record.leaf])
        for leaf in shown.charters + [epoch] { try leaf.verify(under: signed) }
      }
      for number: UInt64 in [0, 5, .max] {
        #expect(refusal { try archive.show(application.app, epoch: number) }?.code == .archiveNotFound)
      }
    }
    #expect(refusal { try archive.show(.zero) }?.code == .epochUnknownApplication)
  }

  @Test func listsComeInPagesNewestFirst() throws {
    let app = applications[0].app
    #expect(try archive.epochs(app: app, before: nil, limit: 10).map(\.claim.number) == [4, 3, 2, 1])
    var numbers: [UInt64] = []
    var before: UInt64?
    while let page = try archive.epochs(app: app, before: before, limit: 3) as [EpochRow]?, !page.isEmpty {
      numbers += page.map(\.claim.number)
      before = page.last?.claim.number
    }
    #expect(numbers == [4, 3, 2, 1])
    let row = try #require(try archive.epochs(app: app, before: 3, limit: 1).first)
    #expect(row.claim.root == epochs[0][1].fields.root && row.leafHash == epochs[0][1].leafHash)
    #expect(row.policy == applications[0].charter.policyDigest && row.addedByteCount > 0)
    #expect(try archive.epochs(app: .zero, before: nil, limit: 10).isEmpty)
    #expect(try archive.epochs(app: app, before: nil, limit: 1 << 40).count == 4)
    #expect(refusal { try archive.epochs(app: app, before: nil, limit: -1) }?.code == .indexLimit)
  }

  @Test func policiesAreListedOverAllApplications() throws {
    for (place, application) in applications.enumerated() {
      let policy = application.charter.policyDigest
      let all = try archive.epochs(policy: policy, before: nil, limit: 10)
      #expect(all.map(\.leafHash) == epochs[place].reversed().map(\.leafHash))
      let rest = try archive.epochs(policy: policy, before: all[1].index, limit: 10)
      #expect(rest.map(\.leafHash) == all.dropFirst(2).map(\.leafHash))
    }
    #expect(try archive.epochs(policy: .zero, before: nil, limit: 10).isEmpty)
  }

  @Test func objectsComeInTheOrderOfThePacks() throws {
    let (app, first, last) = (applications[0].app, epochs[0][0].state.objects, epochs[0][3].state.objects)
    // The first epoch's lie in one pack, as they were sent; the last one shares objects with those before it.
    let sent = try archive.objects(first.reversed().map(\.id), app: app, generation: 1).readAll()
    #expect(sent == first)
    let answers = try [last, last.reversed(), last + last].map { order in
      try archive.objects(order.map(\.id), app: app, generation: 1).readAll()
    }
    #expect(answers[0] == answers[1] && Set(answers[0]) == Set(last))
    #expect(answers[2] == answers[0].flatMap { [$0, $0] })
    #expect(try archive.storedObjects([], app: applications[0].app, generation: 1).isEmpty)
    let error = refusal {
      try archive.storedObjects([last[0].id, .zero], app: applications[0].app, generation: 1)
    }
    #expect(error?.code == .archiveNotFound)
    #expect(refusal { try archive.body(.zero, app: applications[0].app, generation: 1) }?.code == .archiveNotFound)
  }

  @Test func batchesAreBounded() async throws {
    let application = applications[0]
    let epoch = try application.epoch(5, after: epochs[0][3].leafHash, state: Application.state(3, chunkCount: 900))
    try await application.push(epoch, to: archive)
    var reader = try archive.objects(epoch.state.objects.map(\.id), app: application.app, generation: 1)
    var count = 0
    while let batch = reader.nextBatch() {
      let headByteCount =
        ProtocolLimits.batchHeadByteCount + batch.objects.count * ProtocolLimits.batchedObjectHeadByteCount
      #expect(headByteCount + batch.byteCount <= ProtocolLimits.batchByteCount && !batch.objects.isEmpty)
      #expect(batch.byteCount == batch.objects.reduce(0) { $0 + $1.byteCount })
      count += batch.objects.count
    }
    #expect(count == epoch.state.objects.count)
  }

  @Test func partsOfTheLogThatAreNotThereAreRefused() throws {
    for (level, index, width) in [
      (0, UInt64(0), 11), (0, 1, 1), (1, 0, 1), (63, 0, 1), (0, .max, 256), (8, 1 << 56, 1),
    ] {
      let tile = try TileCoordinate(level: level, index: index, width: width)
      #expect(refusal { try archive.tile(tile) }?.code == .archiveNotFound, "\(tile)")
    }
    for (index, width) in [(UInt64(0), 11), (1, 1), (1 << 55, 1), (1 << 56, 1), (1 << 56 - 1, 256), (.max, 256)] {
      let bundle = try BundleCoordinate(index: index, width: width)
      #expect(refusal { try archive.bundle(bundle) }?.code == .archiveNotFound, "\(bundle)")
    }
    // Narrower than they are now: what a reader of an older checkpoint asks for.
    for width in 1...10 {
      let bundle = try EntryBundle(
        parsing: archive.bundle(BundleCoordinate(index: 0, width: width)), width: width)
      let hashes = try archive.tile(TileCoordinate(level: 0, index: 0, width: width))
      #expect(bundle.leafHashes.flatMap(\.bytes) == hashes)
    }
  }
}
