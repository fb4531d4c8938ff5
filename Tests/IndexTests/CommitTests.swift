import Core
import Index
import Synchronization
import Testing

@Suite struct CommitTests {
  @Test func everyQueryAnswersWhatWasCommitted() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    var history = History()
    try await history.commit(CommitGroup(previous: nil, checkpoint: CheckpointRow(size: 0, note: [1])), to: index)
    try await history.commit(history.registration(), to: index)
    for number in 1...5 { try await history.commit(try history.epoch(newGeneration: number == 4), to: index) }

    #expect(try index.ask { (s) throws(PosternError) in try s.newestCheckpoint() }?.size == 6)
    #expect(try index.ask { (s) throws(PosternError) in try s.checkpoint(size: 3) }?.note == History.note(3))
    #expect(try index.ask { (s) throws(PosternError) in try s.checkpoint(size: 7) } == nil)
    #expect(try index.ask { (s) throws(PosternError) in try s.entry(4) }?.leafHash == digest("leaf 4"))
    #expect(try index.ask { (s) throws(PosternError) in try s.entry(6) } == nil)
    #expect(try index.ask { (s) throws(PosternError) in try s.entry(.max) } == nil)
    #expect(try index.ask { (s) throws(PosternError) in try s.entries(2..<100) }.map(\.index) == [2, 3, 4, 5])
    #expect(try index.ask { (s) throws(PosternError) in try s.entries(.max - 5 ..< .max) }.isEmpty)
    #expect(try index.ask { (s) throws(PosternError) in try s.tile(level: 0, number: 0) }?.count == 6 * 32)
    #expect(try index.ask { (s) throws(PosternError) in try s.tile(level: 1, number: 0) } == nil)

    #expect(try index.ask { (s) throws(PosternError) in try s.application(app) } == history.application)
    #expect(try index.ask { (s) throws(PosternError) in try s.application(uploader) } == nil)
    let charters = try index.ask { (s) throws(PosternError) in try s.charters(app: app) }
    #expect(charters == [CharterRow(digest: digest("charter 1"), app: app, version: 1, index: 0)])
    #expect(try index.ask { (s) throws(PosternError) in try s.charters(app: app, from: 2) }.isEmpty)
    #expect(try index.ask { (s) throws(PosternError) in try s.generation(app: app, number: 2) }?.firstEpoch == 4)
    #expect(
      try index.ask { (s) throws(PosternError) in try s.generation(app: app, veilCommitment: digest("veil 1")) }?
        .number == 1)
    #expect(
      try index.ask { (s) throws(PosternError) in try s.generation(app: app, veilCommitment: digest("veil 3")) } == nil)
    try index.close()
  }

  @Test func epochsArePagedNewestFirst() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    var history = History()
    try await history.commit(history.registration(), to: index)
    for _ in 1...7 { try await history.commit(try history.epoch(), to: index) }

    var numbers: [UInt64] = []
    var cursor: UInt64?
    repeat {
      let page = try index.ask { (s) throws(PosternError) in try s.epochs(app: app, before: cursor, limit: 3) }
      numbers += page.map(\.claim.number)
      cursor = page.last?.claim.number
    } while cursor != nil
    #expect(numbers == [7, 6, 5, 4, 3, 2, 1])

    numbers = []
    cursor = nil
    repeat {
      let page = try index.ask { (s) throws(PosternError) in try s.epochs(policy: policy, before: cursor, limit: 2) }
      numbers += page.map(\.index)
      cursor = page.last?.index
    } while cursor != nil
    #expect(numbers == [7, 6, 5, 4, 3, 2, 1])
    #expect(
      try index.ask { (s) throws(PosternError) in try s.epochs(policy: app, before: nil, limit: 9) }.isEmpty)

    let second = try #require(try index.ask { (s) throws(PosternError) in try s.epoch(app: app, number: 2) })
    #expect(second.commitment == digest("commitment") && second.addedByteCount == 200)
    #expect(second.claim.stateVersion == UInt64.max - 8)
    #expect(try index.ask { (s) throws(PosternError) in try s.epoch(app: app, number: .max) } == nil)
  }

  @Test func onlyTheVerySameEpochIsARepeat() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    var history = History()
    try await history.commit(history.registration(), to: index)
    let group = try history.epoch()
    try await history.commit(group, to: index)
    let claim = group.epochs[0].claim
    func other(
      app: Digest = app, uploader: Digest = uploader, number: UInt64 = 1, previous: Digest = .zero,
      root: Digest = claim.root, stateVersion: UInt64 = claim.stateVersion
    ) -> EpochClaim {
      EpochClaim(
        app: app, uploader: uploader, number: number, previous: previous, root: root, stateVersion: stateVersion)
    }
    #expect(other() == claim)
    let others = [
      other(app: policy), other(uploader: policy), other(number: 2), other(previous: app), other(root: app),
      other(stateVersion: 0),
    ]
    #expect(try index.ask { (s) throws(PosternError) in try s.repeated(claim) } == 1)
    for other in others { #expect(try index.ask { (s) throws(PosternError) in try s.repeated(other) } == nil) }
  }

  @Test func tooMuchIsNotAnswered() throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let refusals: [PosternError.Code?] = [
      code { () throws(PosternError) in try index.ask { (s) throws(PosternError) in try s.entries(0..<257) } },
      code { () throws(PosternError) in try index.ask { (s) throws(PosternError) in try s.entries(0 ..< .max) } },
      code { () throws(PosternError) in
        try index.ask { (s) throws(PosternError) in
          try s.epochs(app: app, before: nil, limit: ArchiveIndex.pageLimit + 1)
        }
      },
      code { () throws(PosternError) in
        try index.ask { (s) throws(PosternError) in try s.epochs(policy: app, before: nil, limit: -1) }
      },
      code { () throws(PosternError) in
        try index.ask { (s) throws(PosternError) in try s.charters(app: app, limit: ArchiveIndex.pageLimit + 1) }
      },
      code { () throws(PosternError) in
        try index.ask { (s) throws(PosternError) in try s.packs(in: .open, limit: ArchiveIndex.pageLimit + 1) }
      },
      code { () throws(PosternError) in
        try index.ask { (s) throws(PosternError) in try s.spaces(withLoosePacks: 1, limit: ArchiveIndex.pageLimit + 1) }
      },
    ]
    #expect(refusals == Array(repeating: .indexLimit, count: refusals.count))
  }

  @Test func aRefusedGroupChangesNothing() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    var history = History()
    try await history.commit(history.registration(), to: index)
    try await history.commit(try history.epoch(), to: index)
    let token = PushToken.random()
    _ = try await index.writer.openPush(newPush(token))
    let pack = try await index.add(["a", "b"], push: token)
    let before = try index.everything()

    func expect(_ expected: PosternError.Code, _ change: (inout CommitGroup) throws -> Void) async throws {
      var group = try history.epoch()
      group.packs = [PackSealing(pack: pack, name: digest("name"), byteCount: 200)]
      group.pushes = [token]
      try change(&group)
      let changed = group
      let error = await refusal { () async throws(PosternError) in try await index.commit(changed) }
      #expect(error?.code == expected)
      #expect(try index.everything() == before)
    }
    // The checkpoint is compared as a whole.
    try await expect(.indexCheckpointMoved) { $0.previous = CheckpointRow(size: 2, note: [7]) }
    try await expect(.indexCheckpointMoved) { group in
      var other = History(checkpoint: CheckpointRow(size: 1, note: History.note(1)))
      other.application = history.application
      group = try other.epoch()
    }
    try await expect(.indexCheckpointMoved) { $0 = History().group(leaves: 3) }
    // Groups that contradict themselves.
    try await expect(.indexGroup) { $0.checkpoint = CheckpointRow(size: 4, note: []) }
    try await expect(.indexGroup) { group in
      group.entries[0] = EntryRow(index: 3, leafHash: app, kind: 1, app: app, bytes: [])
    }
    try await expect(.indexGroup) { $0.tiles = [TileRow(level: 0, number: 0, hashes: [1])] }
    try await expect(.indexGroup) { $0.tiles = [TileRow(level: 0, number: 0, hashes: [])] }
    try await expect(.indexGroup) { $0.pushes = [] }
    try await expect(.indexGroup) { $0.packs = [] }
    try await expect(.indexGroup) { $0.packs[0].byteCount = 70 }
    try await expect(.indexGroup) { group in
      group.packs[0].pack = OpenPack(number: pack.number, app: app, generation: 2, push: token)
    }
    try await expect(.indexGroup) { group in
      group.packs.append(group.packs[0])
      group.packs[1].name = digest("other name")
    }
    // Rows that contradict what is there.
    try await expect(.indexConflict) { $0.epochs.append($0.epochs[0]) }
    try await expect(.indexConflict) { group in
      group.generations = [
        GenerationRow(
          app: app, number: 2, veilCommitment: digest("veil 1"), charterDigest: digest("charter 1"), firstEpoch: 2)
      ]
    }
    try await expect(.indexConflict) { group in
      group.charters = [CharterRow(digest: digest("charter 1"), app: app, version: 2, index: 2)]
    }
    // A push that is no longer open, by its place.
    try await expect(.pushEnded) { $0.pushes.append(.random()) }
    var group = try history.epoch()
    group.packs = [PackSealing(pack: pack, name: digest("name"), byteCount: 200)]
    group.pushes = [token, .random()]
    let changed = group
    let error = await refusal { () async throws(PosternError) in try await index.commit(changed) }
    #expect(error?.index == 1)

    group.pushes = [token]
    try await index.commit(group)
    #expect(try index.everything().epochs.count == 2)
  }

  @Test func aCancelledTaskStillCommits() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let group = History().registration()
    let task = Task {
      while !Task.isCancelled { await Task.yield() }
      return await refusal { () async throws(PosternError) in try await index.commit(group) }
    }
    task.cancel()
    #expect(await task.value == nil)
    #expect(try index.everything().checkpoint?.size == 1)
    // Reading looks at no task either.
    let reading = Task {
      while !Task.isCancelled { await Task.yield() }
      return code { () throws(PosternError) in try index.everything() }
    }
    reading.cancel()
    #expect(await reading.value == nil)
  }

  @Test func manyTasksWriteInTurn() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let token = PushToken.random()
    _ = try await index.writer.openPush(newPush(token))
    await withTaskGroup(of: PosternError?.self) { group in
      for number in 0..<64 {
        group.addTask {
          await refusal { () async throws(PosternError) in try await index.add(["\(number)"], push: token) }
        }
      }
      for await error in group { #expect(error == nil) }
    }
    let packs = try index.ask { (s) throws(PosternError) in try s.packs(push: token) }
    #expect(packs.count == 64)
  }

  /// Pushes that bring as much as they may stand in line, and the commit goes to its head.
  @Test func aCommitWaitsForOneBatchAndNotForAll() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let token = PushToken.random()
    _ = try await index.writer.openPush(newPush(token))
    let batchCount = 12
    let entries = [UInt8](repeating: 7, count: EntryBatch.byteLimit)
    let done = Counter()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<batchCount {
        group.addTask {
          try await index.writer.note(
            EntryBatch(
              pack: OpenPack(number: index.reservePack(), app: app, generation: 1, push: token), entries: entries,
              packByteCount: 100, nowSeconds: 60))
          done.increment()
        }
      }
      while done.count == 0 { try await Task.sleep(for: .milliseconds(1)) }
      // However late it comes, it waits for what is under way and for none of the others.
      let before = done.count
      try await index.commit(History().registration())
      #expect(done.count - before < batchCount / 2)
      try await group.waitForAll()
    }
    #expect(try index.everything().checkpoint?.size == 1 && done.count == batchCount)
  }

  @Test func aGroupOfTooManyPacksIsRefused() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    func group(_ count: Int) -> CommitGroup {
      var group = History().group()
      group.packs = (1...UInt64(count)).map { number in
        PackSealing(OpenPack(number: number, app: app, generation: 0, push: nil), "\(number)")
      }
      return group
    }
    let error = await refusal { () async throws(PosternError) in
      try await index.commit(group(CommitGroup.packLimit + 1))
    }
    #expect(error?.code == .indexLimit)
    try await index.commit(group(CommitGroup.packLimit))
    #expect(try index.storage(generation: 0)?.loosePacks.count == CommitGroup.packLimit)
  }
}

private final class Counter: Sendable {
  private let state = Mutex(0)

  var count: Int { state.withLock { $0 } }

  func increment() { state.withLock { $0 += 1 } }
}
