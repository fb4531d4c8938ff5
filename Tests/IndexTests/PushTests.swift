import Core
import Index
import Testing

@Suite struct PushTests {
  @Test func aNewBeginFencesTheOlderOneAndAdoptsItsPacks() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let (first, second) = (PushToken.random(), PushToken.random())
    let opened = try await index.writer.openPush(newPush(first))
    #expect(opened.adopted.isEmpty && opened.abandoned.isEmpty)
    let pack = try await index.add(["a"], push: first)
    let again = try await index.writer.openPush(newPush(second, at: 70))
    #expect(again.adopted.map(\.number) == [pack.number] && again.abandoned.isEmpty)

    #expect(try index.ask { (s) throws(PosternError) in try s.push(first) } == nil)
    let row = try #require(try index.ask { (s) throws(PosternError) in try s.push(app: app, uploader: uploader) })
    #expect(row.token == second && row.touchedSeconds == 70 && row.byteBudget == 1_000)
    for stale in [first, .random()] {
      let errors = [
        await refusal { () async throws(PosternError) in
          try await index.add(["b"], pack: pack.number, push: stale)
        },
        await refusal { () async throws(PosternError) in
          try await index.writer.touchPush(stale, nowSeconds: 1)
        },
        await refusal { () async throws(PosternError) in try await index.writer.closePush(stale) },
      ]
      #expect(errors.map { $0?.code } == Array(repeating: .pushEnded, count: 3))
    }
    // The newer push goes on in the adopted pack.
    try await index.add(["b"], pack: pack.number, push: second, byteCount: 84)
    let batches = try index.ask { (s) throws(PosternError) in try s.openEntries(pack: pack.number) }
    #expect(batches == [entries(["a"]), entries(["b"])])
    #expect(try index.ask { (s) throws(PosternError) in try s.packs(push: second) }.map(\.byteCount) == [84])
  }

  @Test func packsOfAnotherGenerationOrBeyondTheBudgetAreAbandoned() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    for (generation, budget, adopts) in [(UInt64(2), UInt64(1_000), false), (1, 73, false), (1, 74, true)] {
      let token = PushToken.random()
      _ = try await index.writer.openPush(newPush(token))
      let pack = try await index.add(["a"], push: token)
      let opened = try await index.writer.openPush(newPush(generation: generation, budget: budget))
      #expect(try index.ask { (s) throws(PosternError) in try s.push(token) } == nil)
      #expect(opened.adopted.contains { $0.number == pack.number } == adopts)
      #expect(opened.abandoned.contains { $0.number == pack.number } == !adopts)
      let state = try index.ask { (s) throws(PosternError) in try s.pack(pack.number) }?.state
      #expect(state == (adopts ? .open : .abandoned))
      _ = try await index.writer.closePush(try newest(index))
    }
  }

  private func newest(_ index: ArchiveIndex) throws -> PushToken {
    try #require(try index.ask { (s) throws(PosternError) in try s.push(app: app, uploader: uploader) }).token
  }

  @Test func uploadersDoNotFenceEachOther() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let (mine, other) = (PushToken.random(), PushToken.random())
    _ = try await index.writer.openPush(newPush(mine, at: 10))
    _ = try await index.writer.openPush(newPush(other, uploader: digest("another"), at: 20))
    #expect(try index.ask { (s) throws(PosternError) in try s.push(mine) } != nil)
    let idle = try index.ask { (s) throws(PosternError) in try s.pushes(idleSince: 20) }
    #expect(idle.map(\.token) == [mine])
    try await index.writer.touchPush(mine, nowSeconds: 30)
    #expect(try index.ask { (s) throws(PosternError) in try s.push(mine) }?.touchedSeconds == 30)
    #expect(try index.ask { (s) throws(PosternError) in try s.pushes(idleSince: 30) }.map(\.token) == [other])
    #expect(try index.ask { (s) throws(PosternError) in try s.pushes(idleSince: nil) }.map(\.token) == [other, mine])
    #expect(try index.ask { (s) throws(PosternError) in try s.pushes(idleSince: nil, limit: 1) }.count == 1)
  }

  @Test func anOpenPushOutlivesTheProcess() async throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/index.sqlite"
    var index = try ArchiveIndex.open(path: path)
    let token = PushToken.random()
    _ = try await index.writer.openPush(newPush(token))
    let pack = try await index.add(["a"], push: token)
    #expect(index.reservePack() == pack.number + 1)
    let before = try index.everything()
    try index.close()
    index = try ArchiveIndex.open(path: path)
    #expect(try index.everything() == before)
    // The number that was reserved and never used may come again; one with a row never does.
    #expect(index.reservePack() == pack.number + 1)
    let packs = try await index.writer.closePush(token)
    try await index.writer.removeAbandoned(packs.map(\.number))
    try index.close()
    index = try ArchiveIndex.open(path: path)
    #expect(index.reservePack() == pack.number + 1)
  }

  @Test func aTokenIsSixteenBytes() {
    let token = PushToken.random()
    #expect(token.bytes.count == 16 && PushToken(token.bytes) == token)
    #expect(PushToken(token.bytes.dropLast()) == nil && PushToken(token.bytes + [0]) == nil)
    #expect(PushToken(Array(0..<16))?.bytes == Array(0..<16))
    #expect(PushToken.random() != token)
  }
}
