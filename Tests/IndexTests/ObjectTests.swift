import Core
import Index
import Testing

@Suite struct ObjectTests {
  @Test func anObjectIsVisibleToItsPushThenToAll() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let (mine, other) = (PushToken.random(), PushToken.random())
    _ = try await index.writer.openPush(newPush(mine))
    _ = try await index.writer.openPush(newPush(other, uploader: digest("another")))
    let ids = (0..<11).map { digest("object \($0)") }
    let pack = try await index.add(ids, push: mine)

    func seen(_ token: PushToken?, generation: UInt64 = 1, app asked: Digest = app) throws -> [Bool] {
      let bitmap = try index.ask { (s) throws(PosternError) in
        try s.missing(ids, app: asked, generation: generation, push: token)
      }
      let found = try index.ask { (s) throws(PosternError) in
        try s.locate(ids, app: asked, generation: generation, push: token)
      }
      #expect(missing(ids, bitmap) == zip(ids, found.objects).filter { $1 == nil }.map(\.0))
      #expect(bitmap.count == 2 && bitmap[1] & 0b1111_1000 == 0)
      return found.objects.map { $0 != nil }
    }
    let (all, none) = (Array(repeating: true, count: 11), Array(repeating: false, count: 11))
    #expect(try seen(mine) == all)
    #expect(try seen(other) == none)
    #expect(try seen(nil) == none)
    #expect(try seen(.random()) == none)

    var group = History().group()
    group.packs = [PackSealing(pack: pack, name: digest("name"), byteCount: 300)]
    group.pushes = [mine]
    try await index.commit(group)
    #expect(try seen(mine) == all)
    #expect(try seen(nil) == all)
    #expect(try seen(nil, generation: 2) == none)
    #expect(try seen(nil, app: uploader) == none)
    #expect(try index.ask { (s) throws(PosternError) in try s.push(mine) } == nil)

    let found = try index.ask { (s) throws(PosternError) in try s.locate(ids, app: app, generation: 1) }
    #expect(found.objects[3]?.offset == 94 && found.objects[3]?.length == 10 && found.objects[3]?.kind == .chunk)
    let row = PackRow(
      number: pack.number, app: app, generation: 1, name: digest("name"), byteCount: 300, state: .sealed)
    #expect(found.packs == [pack.number: row])
    #expect(try index.ask { (s) throws(PosternError) in try s.packs(in: .sealed) } == [row])
    try await index.writer.markPlaced([pack.number])
    #expect(try index.ask { (s) throws(PosternError) in try s.packs(in: .sealed) }.isEmpty)
    #expect(try index.ask { (s) throws(PosternError) in try s.pack(pack.number) }?.state == .placed)
    #expect(try seen(nil) == all)
    // Nothing is entered into a sealed pack.
    let error = await refusal { () async throws(PosternError) in
      try await index.add([digest("late")], pack: pack.number, push: nil)
    }
    #expect(error?.code == .indexGroup)
  }

  @Test func aSmallPackNeedsNoTransactionOfItsOwn() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let pack = OpenPack(number: index.reservePack(), app: app, generation: 0, push: nil)
    var group = History().group()
    group.packs = [
      PackSealing(pack: pack, name: digest("name"), byteCount: 200, objects: rows([digest("body")], kind: .body))
    ]
    try await index.commit(group)
    let found = try index.ask { (s) throws(PosternError) in
      try s.locate([digest("body")], app: app, generation: 0)
    }
    #expect(found.objects == [ObjectLocation(pack: pack.number, kind: .body, offset: 64, length: 10)])
  }

  @Test func aSealedCopyGoesBeforeThePushsOwn() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let (mine, other) = (PushToken.random(), PushToken.random())
    _ = try await index.writer.openPush(newPush(mine))
    _ = try await index.writer.openPush(newPush(other, uploader: digest("another")))
    let own = try await index.add([digest("a"), digest("b")], push: mine)
    let sealed = try await index.add([digest("b"), digest("c")], push: other)
    var group = History().group()
    group.packs = [PackSealing(pack: sealed, name: digest("name"), byteCount: 300)]
    group.pushes = [other]
    try await index.commit(group)
    let found = try index.ask { (s) throws(PosternError) in
      try s.locate([digest("c"), digest("b"), digest("a"), digest("d")], app: app, generation: 1, push: mine)
    }
    #expect(found.objects.map { $0?.pack } == [sealed.number, sealed.number, own.number, nil])
    #expect(found.packs[own.number]?.state == .open)
  }

  @Test func twinPacksAreKeptOnce() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    var history = History()
    var numbers: [UInt64] = []
    for uploader in ["one", "two"] {
      let token = PushToken.random()
      _ = try await index.writer.openPush(newPush(token, uploader: digest(uploader)))
      let pack = try await index.add([digest("a"), digest("b")], push: token)
      numbers.append(pack.number)
      var group = history.group()
      group.packs = [PackSealing(pack: pack, name: digest("name"), byteCount: 300)]
      group.pushes = [token]
      let left = try await index.commit(group)
      history.follow(group)
      #expect(left.map(\.number) == (uploader == "one" ? [] : [numbers[1]]))
    }
    let found = try index.ask { (s) throws(PosternError) in try s.locate([digest("a")], app: app, generation: 1) }
    #expect(found.objects[0]?.pack == numbers[0])
    #expect(try await index.writer.sweep(pack: numbers[1], after: nil) == nil)
    #expect(try index.ask { (s) throws(PosternError) in try s.pack(numbers[1]) } == nil)
    #expect(try index.ask { (s) throws(PosternError) in try s.objects(packs: [numbers[0]]) }.values.joined().count == 2)
  }

  /// A pack is not given up for one that lacks what it holds, or has it elsewhere: nothing is changed then.
  @Test func aTwinThatLacksAnObjectIsRefused() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    var history = History()
    let token = PushToken.random()
    _ = try await index.writer.openPush(newPush(token, uploader: digest("one")))
    let sealed = try await index.add([digest("a"), digest("b")], push: token)
    var group = history.group()
    group.packs = [PackSealing(pack: sealed, name: digest("name"), byteCount: 300)]
    group.pushes = [token]
    try await index.commit(group)
    history.follow(group)
    for ids in [["a", "b", "c"], ["b", "a"]] {
      let token = PushToken.random()
      _ = try await index.writer.openPush(newPush(token, uploader: digest("two")))
      let pack = try await index.add(ids.map { digest($0) }, push: token)
      var group = history.group()
      group.packs = [PackSealing(pack: pack, name: digest("name"), byteCount: 300)]
      group.pushes = [token]
      let before = try index.everything()
      let refused = group
      let error = await refusal { () async throws(PosternError) in try await index.commit(refused) }
      #expect(error?.code == .indexGroup)
      #expect(try index.everything() == before)
      _ = try await index.writer.closePush(token)
    }
  }

  @Test func whatDoesNotFitIsRefused() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let token = PushToken.random()
    _ = try await index.writer.openPush(newPush(token))
    let pack = try await index.add([digest("a"), digest("b")], push: token)
    let before = try index.everything()
    func adding(_ change: (inout ObjectBatch) -> Void) async throws -> PosternError.Code? {
      var batch = ObjectBatch(
        pack: pack, objects: [ObjectRow(id: digest("c"), kind: .chunk, offset: 84, length: 10)], packByteCount: 94,
        pushUsedByteCount: 30, nowSeconds: 90)
      change(&batch)
      let changed = batch
      let error = await refusal { () async throws(PosternError) in try await index.writer.addObjects(changed) }
      if error != nil { #expect(try index.everything() == before) }
      return error?.code
    }
    for (offset, length) in [(UInt64(85), UInt32(10)), (.max, 1)] {
      let outside = ObjectRow(id: app, kind: .chunk, offset: offset, length: length)
      #expect(try await adding { $0.objects[0] = outside } == .indexGroup)
    }
    #expect(try await adding { $0.packByteCount = 83 } == .indexGroup)
    #expect(try await adding { $0.objects.append($0.objects[0]) } == .indexConflict)
    #expect(try await adding { $0.objects[0] = rows([digest("a")])[0] } == .indexConflict)
    #expect(
      try await adding { $0.pack = OpenPack(number: pack.number, app: app, generation: 1, push: nil) } == .indexGroup)
    #expect(
      try await adding { $0.pack = OpenPack(number: pack.number, app: policy, generation: 1, push: token) }
        == .indexGroup)
    #expect(
      try await adding { $0.pack = OpenPack(number: pack.number + 1, app: app, generation: 2, push: token) }
        == .indexGroup)
    #expect(
      try await adding { batch in
        batch.objects = rows((0...ObjectBatch.rowLimit).map { digest("\($0)") })
        batch.packByteCount = 1_000_000
      } == .indexLimit)
    #expect(try await adding { _ in } == nil)
  }

  @Test func anAbandonedPackIsSweptInSteps() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let (mine, other) = (PushToken.random(), PushToken.random())
    _ = try await index.writer.openPush(newPush(mine))
    _ = try await index.writer.openPush(newPush(other, uploader: digest("another")))
    let ids = (0..<100).map { digest("object \($0)") }
    let kept = try await index.add(Array(ids[20...]), push: other)
    let gone = try await index.add(Array(ids[..<60]), push: mine)
    #expect(
      await refusal { () async throws(PosternError) in try await index.writer.sweep(pack: gone.number, after: nil) }?
        .code == .indexGroup)
    #expect(try await index.writer.closePush(mine).map(\.number) == [gone.number])
    #expect(try index.ask { (s) throws(PosternError) in try s.packs(in: .abandoned) }.map(\.number) == [gone.number])
    for limit in [1, 7] {
      var cursor: Digest?
      var steps = 0
      repeat {
        cursor = try await index.writer.sweep(pack: gone.number, after: cursor, scanning: limit)
        steps += 1
        // Every step is its own transaction, and a sweep can begin anew.
      } while cursor != nil && (limit == 7 || steps < 30)
      #expect(steps >= 12)
    }
    #expect(try index.ask { (s) throws(PosternError) in try s.pack(gone.number) } == nil)
    let rows = try index.ask { (s) throws(PosternError) in try s.objects(packs: [kept.number]) }
    #expect(rows[kept.number]?.count == 80)
    #expect(try index.ask { (s) throws(PosternError) in try s.packs(in: .abandoned) }.isEmpty)
  }

  @Test func packsWithoutAPushAreFoundAndGivenUp() async throws {
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let pack = try await index.add([digest("a")], push: nil, generation: 0)
    #expect(try index.ask { (s) throws(PosternError) in try s.packsWithoutPush() }.map(\.number) == [pack.number])
    try await index.writer.abandonPack(pack.number)
    #expect(try index.ask { (s) throws(PosternError) in try s.packsWithoutPush() }.isEmpty)
    let again = await refusal { () async throws(PosternError) in try await index.writer.abandonPack(pack.number) }
    #expect(again?.code == .indexGroup)
  }

  /// Random pushes, batches, commits and ends, against sets in memory.
  @Test func visibilityIsThatOfAModel() async throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    let universe = (0..<60).map { _ in generator.digest() }
    let uploaders = (0..<3).map { digest("uploader \($0)") }
    var sealed: [Set<Digest>] = [[], []]
    var open: [Int: (token: PushToken, generation: Int, packs: [OpenPack], ids: Set<Digest>)] = [:]
    var history = History()
    for _ in 0..<250 {
      let who = Int.random(in: 0..<3, using: &generator)
      switch Int.random(in: 0..<10, using: &generator) {
      case 0..<2:
        let generation = Int.random(in: 0..<2, using: &generator)
        let token = PushToken.random()
        _ = try await index.writer.openPush(
          newPush(token, generation: UInt64(generation), budget: .max, uploader: uploaders[who]))
        let adopted = open[who].flatMap { $0.generation == generation ? $0 : nil }
        open[who] = (token, generation, adopted?.packs ?? [], adopted?.ids ?? [])
      case 2..<7:
        guard var push = open[who] else { continue }
        let ids = universe.shuffled(using: &generator).prefix(Int.random(in: 0...5, using: &generator))
        let pack = try await index.add(Array(ids), push: push.token, generation: UInt64(push.generation))
        push.packs.append(pack)
        push.ids.formUnion(ids)
        open[who] = push
      case 7..<9:
        guard let push = open.removeValue(forKey: who) else { continue }
        var group = history.group()
        group.pushes = [push.token]
        group.packs = push.packs.map { pack in
          let pack = OpenPack(number: pack.number, app: app, generation: pack.generation, push: push.token)
          return PackSealing(pack: pack, name: generator.digest(), byteCount: 500)
        }
        try await history.commit(group, to: index)
        sealed[push.generation].formUnion(push.ids)
      default:
        guard let push = open.removeValue(forKey: who) else { continue }
        for pack in try await index.writer.closePush(push.token) {
          #expect(try await index.writer.sweep(pack: pack.number, after: nil) == nil)
        }
      }
      for generation in 0..<2 {
        for push in [nil] + open.values.map({ Optional($0) }) {
          let own = push?.generation == generation ? push?.ids ?? [] : []
          let bitmap = try index.ask { (s) throws(PosternError) in
            try s.missing(universe, app: app, generation: UInt64(generation), push: push?.token)
          }
          #expect(Set(missing(universe, bitmap)) == Set(universe).subtracting(sealed[generation]).subtracting(own))
        }
      }
    }
  }
}
