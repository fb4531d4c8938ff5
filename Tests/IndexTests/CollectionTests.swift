import Core
import Index
import Testing

/// What a collection writes into the index, and when it is refused.
@Suite struct CollectionTests {
  private let space = Space(app: app, generation: 1)

  /// An index with an application, two epochs, and a pack of each.
  private func make(_ path: String) async throws -> (index: ArchiveIndex, history: History, packs: [PackRow]) {
    let index = try ArchiveIndex.open(path: path)
    var history = History()
    try await history.commit(history.registration(), to: index)
    for number in 1...2 {
      let token = PushToken.random()
      _ = try await index.writer.openPush(newPush(token))
      let pack = try await index.add(["object \(number)"], push: token)
      var group = try history.epoch()
      group.packs = [PackSealing(pack, "pack \(number)", byteCount: 300)]
      group.pushes = [token]
      try await history.commit(group, to: index)
    }
    let space = space
    return (index, history, try index.ask { (snapshot) throws(PosternError) in try snapshot.sealedPacks(in: space) })
  }

  private func marks(_ packs: [PackRow], newest: UInt64 = 2, dead: UInt64 = 100) -> DeadMarks {
    DeadMarks(
      space: space, newestOfGeneration: newest, newestEpoch: newest,
      packs: packs.map { DeadMarks.Pack(number: $0.number, positions: Bitmap(bytes: [1]), byteCount: dead) })
  }

  private func use(_ index: ArchiveIndex) throws -> GenerationUse? {
    try index.ask { (snapshot) throws(PosternError) in try snapshot.generations(app: app, begunUpTo: .max) }.first
  }

  @Test func whatIsHiddenIsKnown() async throws {
    let folder = TemporaryFolder()
    let (index, _, packs) = try await make("\(folder.path)/index.sqlite")
    #expect(packs.map(\.deadByteCount) == [0, 0])
    #expect(try use(index)?.collectedEpoch == nil)
    let hides = try await index.writer.hide(marks([packs[0]]))
    #expect(hides)
    let number = packs[0].number
    #expect(
      try index.ask { (snapshot) throws(PosternError) in try snapshot.deadPositions(pack: number) }
        == Bitmap(bytes: [1]))
    let used = try #require(try use(index))
    #expect(used.firstEpoch == 1 && used.lastEpoch == 2 && used.byteCount == 500)
    #expect(used.collectedByteCount == 500 && used.collectedEpoch == 2)
    try index.close()
  }

  @Test func anOpenPushOrANewerEpochRefusesIt() async throws {
    let folder = TemporaryFolder()
    let (index, made, packs) = try await make("\(folder.path)/index.sqlite")
    var history = made
    let token = PushToken.random()
    _ = try await index.writer.openPush(newPush(token))
    let before = try index.everything()
    let hidesBesideAPush = try await index.writer.hide(marks(packs))
    #expect(!hidesBesideAPush)
    #expect(try index.everything() == before)
    // One of another generation is no matter.
    _ = try await index.writer.closePush(token)
    _ = try await index.writer.openPush(newPush(token, generation: 2))
    try await history.commit(try history.epoch(), to: index)
    let hidesAfterAnEpoch = try await index.writer.hide(marks(packs))
    #expect(!hidesAfterAnEpoch)
    let hides = try await index.writer.hide(marks(packs, newest: 3))
    #expect(hides)
    // An epoch of the next generation is none of this one.
    try await history.commit(try history.epoch(newGeneration: true), to: index)
    let hidesAgain = try await index.writer.hide(marks(packs, newest: 3, dead: 200))
    #expect(hidesAgain)
    try index.close()
  }

  @Test func aReplacedPackGivesUpItsName() async throws {
    let folder = TemporaryFolder()
    let (index, _, packs) = try await make("\(folder.path)/index.sqlite")
    _ = try await index.writer.hide(marks(packs))
    // Packs as they were before the mark: more of them is dead now.
    let new = OpenPack(number: index.reservePack(), app: app, generation: 1, push: nil)
    let before = try index.everything()
    let late = try await index.writer.replacePacks(packs, by: PackSealing(new, "new", byteCount: 250))
    #expect(late == nil)
    #expect(try index.everything() == before)

    let space = space
    let current = try index.ask { (snapshot) throws(PosternError) in try snapshot.sealedPacks(in: space) }
    // The new pack may have the name of one that it replaces.
    let retired = try await index.writer.replacePacks(current, by: PackSealing(new, "pack 2", byteCount: 250))
    #expect(retired?.map(\.number) == current.map(\.number))
    #expect(retired?.map(\.finished) == [digest("pack 1"), digest("pack 2")])
    #expect(retired?.allSatisfy { $0.state == .abandoned && $0.name == nil } == true)
    let sealed = try index.ask { (snapshot) throws(PosternError) in try snapshot.sealedPacks(in: space) }
    #expect(sealed.map(\.number) == [new.number] && sealed.first?.deadByteCount == 0)
    #expect(
      try index.ask { (snapshot) throws(PosternError) in
        try snapshot.storedByteCount(app: app, includingOpen: true)
      } == 250)
    try await index.writer.removeAbandoned(current.map(\.number))
    try index.close()
  }

  /// Of two packs with the same objects, the one stays of which nothing is dead.
  @Test func aTwinWithDeadObjectsGoes() async throws {
    let folder = TemporaryFolder()
    let (index, made, packs) = try await make("\(folder.path)/index.sqlite")
    var history = made
    _ = try await index.writer.hide(marks([packs[0]]))
    let token = PushToken.random()
    _ = try await index.writer.openPush(newPush(token))
    let sound = try await index.add(["a"], push: token)
    let revived = try await index.add(["b"], push: token)
    var group = try history.epoch()
    group.packs = [PackSealing(sound, "pack 2"), PackSealing(revived, "pack 1")]
    group.pushes = [token]
    let gone = try await index.commit(group)
    history.follow(group)
    #expect(gone.map(\.number) == [sound.number, packs[0].number])
    let space = space
    let sealed = try index.ask { (snapshot) throws(PosternError) in try snapshot.sealedPacks(in: space) }
    #expect(sealed.map(\.number) == [packs[1].number, revived.number])
    #expect(sealed.map(\.name) == [digest("pack 2"), digest("pack 1")])
    try index.close()
  }
}
