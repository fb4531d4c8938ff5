import Archive
import Core
import Fixtures
import Foundation
import Index
import Packs
import Records
import Testing

/// Pushes that are broken off, begun again, forgotten or given up.
@Suite struct ResumeTests {
  private let new: NewArchive
  private let application: Application
  private let epoch: EpochFixture

  init() async throws {
    new = try await NewArchive()
    application = try Application(home: new.archive.home)
    _ = try await application.register(in: new.archive)
    epoch = try application.epoch(1)
  }

  private func missingCount(_ objects: [StoredObject], in token: PushToken, of archive: Archive) async throws -> Int {
    try await archive.missing(objects.map(\.id), for: token).reduce(0) { $0 + $1.nonzeroBitCount }
  }

  private func expectDone(in archive: Archive, _ epochs: [EpochFixture]) throws {
    for epoch in epochs { try archive.expectWhole(epoch, of: application) }
    try expectPublished(archive, at: new.path)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
  }

  /// After any prefix of the objects, a second begin fences the first and sends only what is lacking.
  @Test func aSecondBeginGoesOnFromEveryPrefix() async throws {
    let archive = new.archive
    let objects = epoch.state.objects
    for count in 0...objects.count {
      let token = try await application.begin(epoch, in: archive)
      if count > 0 { try await archive.upload(MemoryBatch(objects.prefix(count)), to: token) }
      let next = try await application.begin(epoch, in: archive)
      let batch = MemoryBatch(objects.prefix(1))
      #expect(await refusal { try await archive.upload(batch, to: token) }?.code == .pushFenced)
      #expect(
        await refusal { try await archive.sealAndShow(leaf: epoch.leaf, bodies: epoch.epochBodies, token: token) }?.code
          == .pushFenced)
      #expect(try await missingCount(objects, in: next, of: archive) == objects.count - count)
      try await archive.abandon(next)
      #expect(try files(in: "\(new.path)/incoming").isEmpty)
    }
    try await application.push(epoch, to: archive)
    try expectDone(in: archive, [epoch])
  }

  @Test func aPushInSeveralPiecesIsWhole() async throws {
    let archive = new.archive
    let objects = epoch.state.objects
    for object in objects.dropLast() {
      let token = try await application.begin(epoch, in: archive)
      try await archive.upload(MemoryBatch([object]), to: token)
    }
    let pushed = try await application.push(epoch, to: archive)
    #expect(pushed.sent == objects.suffix(1))
    try expectDone(in: archive, [epoch])
  }

  @Test func anotherGenerationStartsFromNothing() async throws {
    let archive = new.archive
    try await application.push(epoch, to: archive)
    let second = try application.epoch(2, after: epoch.leafHash)
    let token = try await application.begin(second, in: archive)
    _ = try await archive.send(second.state.objects, in: token)
    let next = try application.epoch(
      2, after: epoch.leafHash, in: try GenerationFixture(2, under: application.charter))
    let pushed = try await application.push(next, to: archive)
    #expect(pushed.sent == next.state.objects)
    try expectDone(in: archive, [epoch, next])
  }

  @Test func manyBeginsAtOnceLeaveOnePush() async throws {
    let archive = new.archive
    let first = try await application.begin(epoch, in: archive)
    _ = try await archive.send(epoch.state.objects, in: first)
    let tokens = try await withThrowingTaskGroup(of: PushToken.self) { group in
      for _ in 0..<8 { group.addTask { try await application.begin(epoch, in: archive) } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    var open: [PushToken] = []
    for token in tokens {
      let error = await refusal { try await archive.missing([], for: token) }
      if error == nil { open.append(token) }
    }
    #expect(open.count == 1)
    let token = try #require(open.first)
    #expect(try await missingCount(epoch.state.objects, in: token, of: archive) == 0)
    _ = try await archive.sealAndShow(leaf: epoch.leaf, bodies: epoch.epochBodies, token: token)
    try expectDone(in: archive, [epoch])
  }

  /// A begin, an upload and seals of one push at once: whatever comes first, the epoch is admitted once and whole.
  @Test func aBeginDuringASealWaitsForItsEnd() async throws {
    let archive = new.archive
    var previous = epoch
    try await application.push(epoch, to: archive)
    for number: UInt64 in 2...8 {
      let next = try application.epoch(number, after: previous.leafHash)
      let token = try await application.begin(next, in: archive)
      _ = try await archive.send(next.state.objects, in: token)
      async let sealed = refusal {
        try await archive.sealAndShow(leaf: next.leaf, bodies: next.epochBodies, token: token)
      }
      async let begun = refusal { try await application.begin(next, in: archive) }
      let (sealError, beginError) = await (sealed, begun)
      if sealError == nil {
        #expect(beginError == nil || beginError?.code == .epochTaken)
      } else {
        #expect(sealError?.code == .pushFenced && beginError == nil)
        try await application.push(next, to: archive)
      }
      try archive.expectWhole(next, of: application)
      previous = next
    }
    try await application.push(try application.epoch(9, after: previous.leafHash), to: archive)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
  }

  @Test func uploadsSideBySideAreAllThere() async throws {
    let archive = new.archive
    let large = try application.epoch(1, state: Application.state(1, chunkCount: 400))
    let objects = large.state.objects
    let token = try await application.begin(large, in: archive)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for start in stride(from: 0, to: objects.count, by: 11) {
        let batch = MemoryBatch(objects[start..<min(objects.count, start + 11)])
        group.addTask { try await archive.upload(batch, to: token) }
        // The same again: what a client repeats when a connection broke.
        if start % 3 == 0 { group.addTask { try await archive.upload(batch, to: token) } }
      }
      try await group.waitForAll()
    }
    _ = try await archive.sealAndShow(leaf: large.leaf, bodies: large.epochBodies, token: token)
    try expectDone(in: archive, [large])
  }

  @Test func whatAStopLeftIsAdoptedOrCollected() async throws {
    let folder = FolderLayout(root: new.path)
    // Rows are entered at a handing over: so this push's objects are known when the process is gone.
    let token = try await application.begin(epoch, in: new.archive)
    _ = try await new.archive.send(Array(epoch.state.objects.dropLast(2)), in: token)
    let second = try await application.begin(epoch, in: new.archive)
    _ = try await new.archive.send(epoch.state.objects, in: second)
    let copy = new.folder.path("copy")
    try FileManager.default.copyItem(atPath: new.path, toPath: copy)

    let archive = try await openArchive(at: copy)
    // A start knows no token, neither open ones nor those that were fenced.
    for token in [token, second] {
      #expect(await refusal { try await archive.missing([], for: token) }?.code == .pushUnknown)
    }
    let third = try await application.begin(epoch, in: archive)
    #expect(try await missingCount(epoch.state.objects, in: third, of: archive) == 2)
    _ = try await archive.send(epoch.state.objects, in: third)
    _ = try await archive.sealAndShow(leaf: epoch.leaf, bodies: epoch.epochBodies, token: third)
    try archive.expectWhole(epoch, of: application)
    #expect(try files(in: FolderLayout(root: copy).incoming).isEmpty)
    #expect(try !files(in: folder.incoming).isEmpty)
  }

  @Test func aLeftoverOfAStopIsCollected() async throws {
    let token = try await application.begin(epoch, in: new.archive)
    _ = try await new.archive.send(epoch.state.objects, in: token)
    _ = try await application.begin(epoch, in: new.archive)
    let copy = new.folder.path("copy")
    try FileManager.default.copyItem(atPath: new.path, toPath: copy)
    let archive = try await openArchive(at: copy)
    #expect(try files(in: "\(copy)/incoming").count == 1)
    try await archive.collectIdlePushes(nowSeconds: UInt64(Date().timeIntervalSince1970) + 10)
    #expect(try files(in: "\(copy)/incoming").count == 1)
    try await archive.collectIdlePushes(nowSeconds: UInt64(Date().timeIntervalSince1970) + 3_700)
    #expect(try files(in: "\(copy)/incoming").isEmpty)
    try await application.push(epoch, to: archive)
    try archive.expectWhole(epoch, of: application)
  }

  @Test func idlePushesAreCollectedAndOthersAreNot() async throws {
    let archive = new.archive
    let now = UInt64(Date().timeIntervalSince1970)
    let token = try await application.begin(epoch, in: archive)
    _ = try await archive.send(epoch.state.objects, in: token)
    try await archive.collectIdlePushes(nowSeconds: now)
    try await archive.collectIdlePushes(nowSeconds: now + 3_590)
    #expect(try await missingCount(epoch.state.objects, in: token, of: archive) == 0)
    try await archive.collectIdlePushes(nowSeconds: now + 3_700)
    #expect(await refusal { try await archive.missing([], for: token) }?.code == .pushUnknown)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
    try await application.push(epoch, to: archive)
    try expectDone(in: archive, [epoch])
  }

  @Test func anAbandonedPushLeavesNothing() async throws {
    let archive = new.archive
    let token = try await application.begin(epoch, in: archive)
    _ = try await archive.send(epoch.state.objects, in: token)
    let again = try await application.begin(epoch, in: archive)
    _ = try await archive.send(epoch.state.objects, in: again)
    try await archive.abandon(again)
    #expect(await refusal { try await archive.abandon(again) }?.code == .pushEnded)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
    let pushed = try await application.push(epoch, to: archive)
    #expect(pushed.sent == epoch.state.objects)
    try expectDone(in: archive, [epoch])
  }

  /// A pack that the disk lost does not keep its uploader from ever beginning again.
  @Test func aLeftoverThatCannotBeReadIsGivenUp() async throws {
    let archive = new.archive
    for damage in [0, 1, 2] {
      let token = try await application.begin(epoch, in: archive)
      _ = try await archive.send(epoch.state.objects, in: token)
      _ = try await application.begin(epoch, in: archive)
      let name = try #require(try files(in: "\(new.path)/incoming").first)
      let url = URL(filePath: "\(new.path)/incoming/\(name)")
      switch damage {
      case 0: try FileManager.default.removeItem(at: url)
      case 1: try Data(contentsOf: url).prefix(200).write(to: url)
      default: try Data(repeating: 0, count: 1 << 20).write(to: url)
      }
      let next = try await application.begin(epoch, in: archive)
      #expect(try await missingCount(epoch.state.objects, in: next, of: archive) == epoch.state.objects.count)
      try await archive.abandon(next)
      #expect(try files(in: "\(new.path)/incoming").isEmpty)
    }
    try await application.push(epoch, to: archive)
    try expectDone(in: archive, [epoch])
  }
}
