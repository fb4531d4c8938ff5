import Core
import Index
import Testing

/// Which packs hold objects, and which runs list them.
@Suite struct ObjectTests {
  private let space = Space(app: app, generation: 1)

  private func loose(_ index: ArchiveIndex) throws -> [UInt64] {
    try index.storage()?.loosePacks.map(\.number) ?? []
  }

  /// Seals packs of one push, and ends it.
  private func commit(_ packs: [PackSealing], to index: ArchiveIndex, _ history: inout History) async throws -> [UInt64]
  {
    var group = history.group()
    group.packs = packs
    group.pushes = packs.first?.pack.push.map { [$0] } ?? []
    let twins = try await index.commit(group)
    history.follow(group)
    return twins.map(\.number)
  }

  @Test func aSealedPackIsLooseUntilARunListsIt() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    var history = History()
    let token = PushToken.random()
    _ = try await index.writer.openPush(newPush(token))
    let noted = try await index.add(["a"], push: token)
    let small = OpenPack(number: index.reservePack(), app: app, generation: 1, push: token)
    #expect(try loose(index).isEmpty)
    let twins = try await commit([PackSealing(noted, "one"), PackSealing(small, "two")], to: index, &history)
    #expect(try twins.isEmpty && loose(index) == [noted.number, small.number])
    #expect(try index.ask { (s) throws(PosternError) in try s.openEntries(pack: noted.number) }.isEmpty)
    #expect(try index.ask { (s) throws(PosternError) in try s.push(token) } == nil)
    let row = try #require(try index.ask { (s) throws(PosternError) in try s.pack(small.number) })
    #expect(row.isSealed && row.name == digest("two") && row.byteCount == 300 && !row.isIndexed)
    #expect(try index.ask { (s) throws(PosternError) in try s.spaces(withLoosePacks: 2) } == [space])
    #expect(try index.ask { (s) throws(PosternError) in try s.spaces(withLoosePacks: 3) }.isEmpty)

    let run = RunRow(number: index.reserveRun(), entryCount: 2)
    try await index.writer.addRun(run, of: space, listing: [small.number])
    #expect(try loose(index) == [noted.number])
    #expect(try index.storage()?.runs == [run])
    #expect(try index.storage(generation: 2) == nil)
    try await index.writer.markPlaced([noted.number, small.number])
    #expect(try index.ask { (s) throws(PosternError) in try s.packs(in: .sealed) }.isEmpty)
    #expect(try loose(index) == [noted.number])
    // Nothing is noted of a sealed pack.
    let error = await refusal { () async throws(PosternError) in
      try await index.add(["late"], pack: noted.number, push: nil, byteCount: 400)
    }
    #expect(error?.code == .indexGroup)
  }

  /// A run may list packs before they are sealed: they are loose at no time.
  @Test func aPackIsListedBeforeItIsSealed() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    var history = History()
    let token = PushToken.random()
    _ = try await index.writer.openPush(newPush(token))
    let pack = OpenPack(number: index.reservePack(), app: app, generation: 1, push: token)
    try await index.writer.noteFinished([PackSealing(pack, "name")])
    let noted = try index.ask { (s) throws(PosternError) in try s.pack(pack.number) }
    #expect(noted?.finished == digest("name") && noted?.state == .open && noted?.name == nil)
    try await index.writer.addRun(RunRow(number: index.reserveRun(), entryCount: 9), of: space, listing: [pack.number])
    _ = try await commit([PackSealing(pack, "name")], to: index, &history)
    let row = try index.ask { (s) throws(PosternError) in try s.pack(pack.number) }
    #expect(try row?.isIndexed == true && row?.finished == nil && loose(index).isEmpty)
  }

  @Test func runsTakeEachOthersPlace() async throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/index.sqlite"
    var index = try ArchiveIndex.open(path: path)
    var runs: [RunRow] = []
    for count in [5, 7, 6] {
      runs.append(RunRow(number: index.reserveRun(), entryCount: count))
      try await index.writer.addRun(runs[runs.count - 1], of: space, listing: [])
    }
    #expect(try index.storage()?.runs.map(\.entryCount) == [7, 6, 5])
    let merged = RunRow(number: index.reserveRun(), entryCount: 13)
    try await index.writer.replaceRuns([runs[1].number, runs[2].number], by: merged, of: space)
    #expect(try index.storage()?.runs == [merged, runs[0]])
    let before = try index.everything()
    let error = await refusal { () async throws(PosternError) in
      try await index.writer.replaceRuns([runs[0].number, runs[1].number], by: nil, of: space)
    }
    #expect(try error?.code == .indexGroup && index.everything() == before)
    try await index.writer.replaceRuns([runs[0].number], by: nil, of: space)
    try index.close()
    index = try ArchiveIndex.open(path: path)
    #expect(try index.everything().runs == [merged.number])
    // A number that a row had is never given again.
    #expect(index.reserveRun() == merged.number + 1)
    try await index.writer.forgetRuns()
    #expect(try index.everything().runs.isEmpty)
  }

  @Test func forgottenRunsLeaveTheirPacksLoose() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    var history = History()
    let pack = OpenPack(number: index.reservePack(), app: app, generation: 1, push: nil)
    _ = try await commit([PackSealing(pack, "name")], to: index, &history)
    try await index.writer.addRun(RunRow(number: 1, entryCount: 1), of: space, listing: [pack.number])
    #expect(try loose(index).isEmpty)
    try await index.writer.forgetRuns()
    #expect(try loose(index) == [pack.number])
  }

  /// Equal names are equal footers, so the second of two is given up.
  @Test func twinPacksAreKeptOnce() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    var history = History()
    var numbers: [UInt64] = []
    for uploader in ["one", "two"] {
      let token = PushToken.random()
      _ = try await index.writer.openPush(newPush(token, uploader: digest(uploader)))
      let pack = try await index.add(["a", "b"], push: token)
      numbers.append(pack.number)
      // Two open packs may have the same footer.
      try await index.writer.noteFinished([PackSealing(pack, "name")])
      let twins = try await commit([PackSealing(pack, "name")], to: index, &history)
      #expect(twins == (uploader == "one" ? [] : [numbers[1]]))
    }
    #expect(try loose(index) == [numbers[0]])
    try await index.writer.removeAbandoned([numbers[1]])
    #expect(try index.ask { (s) throws(PosternError) in try s.pack(numbers[1]) } == nil)
  }

  @Test func whatDoesNotFitIsRefused() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let token = PushToken.random()
    _ = try await index.writer.openPush(newPush(token))
    let pack = try await index.add(["a", "b"], push: token)
    let before = try index.everything()
    func noting(_ change: (inout EntryBatch) -> Void) async throws -> PosternError.Code? {
      var batch = EntryBatch(
        pack: pack, entries: entries(["c"]), packByteCount: 94, nowSeconds: 90)
      change(&batch)
      let changed = batch
      let error = await refusal { () async throws(PosternError) in try await index.writer.note(changed) }
      if error != nil { #expect(try index.everything() == before) }
      return error?.code
    }
    // A pack does not shrink.
    #expect(try await noting { $0.packByteCount = 83 } == .indexGroup)
    #expect(
      try await noting { $0.pack = OpenPack(number: pack.number, app: app, generation: 1, push: nil) } == .indexGroup)
    #expect(
      try await noting { $0.pack = OpenPack(number: pack.number, app: policy, generation: 1, push: token) }
        == .indexGroup)
    #expect(
      try await noting { $0.pack = OpenPack(number: pack.number + 1, app: app, generation: 2, push: token) }
        == .indexGroup)
    #expect(
      try await noting { $0.entries = [UInt8](repeating: 0, count: EntryBatch.byteLimit + 1) } == .indexLimit)
    let error = await refusal { () async throws(PosternError) in
      try await index.writer.noteFinished([PackSealing(pack, "name", byteCount: 10)])
    }
    #expect(try error?.code == .indexGroup && index.everything() == before)
    #expect(try await noting { _ in } == nil)
  }

  /// Giving a pack up costs what it has: its own batches, and nothing of others.
  @Test func anAbandonedPackIsRemovedWithWhatItHas() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let (mine, other) = (PushToken.random(), PushToken.random())
    _ = try await index.writer.openPush(newPush(mine))
    _ = try await index.writer.openPush(newPush(other, uploader: digest("another")))
    let kept = try await index.add(["a"], push: other)
    let gone = try await index.add(["a"], push: mine)
    try await index.add(["b"], pack: gone.number, push: mine)
    // One that is not abandoned is left as it is.
    try await index.writer.removeAbandoned([gone.number])
    #expect(try index.everything().entries[gone.number]?.count == 2)
    #expect(try await index.writer.closePush(mine).map(\.number) == [gone.number])
    #expect(try index.ask { (s) throws(PosternError) in try s.packs(in: .abandoned) }.map(\.number) == [gone.number])
    for _ in 0..<2 { try await index.writer.removeAbandoned([gone.number]) }
    #expect(try index.everything().entries == [kept.number: [entries(["a"])]])
    #expect(try index.ask { (s) throws(PosternError) in try s.openEntries(pack: gone.number) }.isEmpty)
    let tooMany = Array(1...UInt64(IndexWriter.removedPackLimit + 1))
    let error = await refusal { () async throws(PosternError) in try await index.writer.removeAbandoned(tooMany) }
    #expect(error?.code == .indexLimit)
  }

  @Test func packsWithoutAPushAreFoundAndGivenUp() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let pack = try await index.add(["a"], push: nil, generation: 0)
    #expect(try index.ask { (s) throws(PosternError) in try s.packsWithoutPush() }.map(\.number) == [pack.number])
    try await index.writer.abandonPack(pack.number)
    #expect(try index.ask { (s) throws(PosternError) in try s.packsWithoutPush() }.isEmpty)
    let again = await refusal { () async throws(PosternError) in try await index.writer.abandonPack(pack.number) }
    #expect(again?.code == .indexGroup)
  }
}
