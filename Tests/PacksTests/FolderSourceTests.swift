import Bulk
import Core
import Glibc
import Merkle
import Packs
import Synchronization
import Testing
import Trust

@Suite struct FolderSourceTests {
  /// Objects of a seed, by their ids.
  private static func objects(_ count: Int, seed: UInt64) -> [Digest: [UInt8]] {
    var generator = SeededGenerator(seed: seed)
    var objects: [Digest: [UInt8]] = [:]
    while objects.count < count {
      let bytes = generator.bytes(Int(generator.next() % 200) + 1)
      objects[SHA256.hash(bytes)] = bytes
    }
    return objects
  }

  /// Places a pack in a folder, as an archive leaves it.
  @discardableResult
  private static func place(
    _ objects: [(id: Digest, bytes: [UInt8])], in root: String, kind: ObjectKind = .chunk, generation: UInt64 = 1
  ) throws -> String {
    let folder = FolderLayout(root: root).packs(app: app, generation: generation)
    var path = ""
    for part in folder.split(separator: "/") {
      path += "/\(part)"
      mkdir(path, 0o755)
    }
    let open = "\(root)/open"
    var writer = try PackWriter(creating: open, app: app, generation: generation)
    for (id, bytes) in objects {
      _ = try bytes.withRawBytes { (bytes) throws(PosternError) in
        try writer.append(id: id, kind: kind, bytes: bytes)
      }
    }
    let done = try writer.finish()
    let placed = FolderLayout(root: root).pack(app: app, generation: generation, name: done.name)
    rename(open, placed)
    return placed
  }

  private static func read(_ ids: [Digest], from source: FolderSource) async throws -> [[SourceObject]] {
    let batches = Mutex<[[SourceObject]]>([])
    try await source.objects(try ObjectQuery(app: app, generation: 1, ids: ids)) { batch in
      batches.withLock { $0.append(batch) }
    }
    return batches.withLock { $0 }
  }

  @Test func findsWhatManyPacksHold() async throws {
    let folder = TemporaryFolder()
    var all: [Digest: [UInt8]] = [:]
    for (seed, count) in [1, 127, 128, 129, 3_000, 5_000].enumerated() {
      let objects = Self.objects(count, seed: UInt64(seed))
      try Self.place(objects.map { ($0.key, $0.value) }, in: folder.path)
      all.merge(objects) { first, _ in first }
    }
    let source = FolderSource(folder.path)
    let strangers = Array(Self.objects(500, seed: 99).keys)
    let ids = Array(all.keys)
    for start in stride(from: 0, to: ids.count, by: 1_000) {
      let wanted = Array(ids[start..<min(start + 1_000, ids.count)])
      let found = try await Self.read(wanted + strangers, from: source).flatMap(\.self)
      #expect(Set(found.map(\.id)) == Set(wanted) && found.count == wanted.count)
      for object in found { #expect(object.bytes.array == all[object.id]) }
    }
    #expect(try await source.absent(strangers + [ids[0]], app: app, generation: 1) == strangers)
    #expect(try await source.absent([ids[0]], app: app, generation: 2) == [ids[0]])
    #expect(try await source.absent([ids[0]], app: .zero, generation: 1) == [ids[0]])
  }

  /// Ids that are no hashes stand where nobody expects them, and are found all the same.
  @Test func findsIdsThatAreNotSpread() async throws {
    let folder = TemporaryFolder()
    var generator = SeededGenerator(seed: 5)
    var objects: [(id: Digest, bytes: [UInt8])] = []
    for number in 0..<3_000 {
      // A third begins with zeros, a third with ones, a third is alike in all of the first eight bytes.
      let head = [[0, 0, 0], [255, 255, 255], [7, 7, 7, 7, 7, 7, 7, 7]] as [[UInt8]]
      let id = try #require(Digest(head[number % 3] + generator.bytes(32).dropFirst(head[number % 3].count)))
      objects.append((id, generator.bytes(20)))
    }
    try Self.place(objects, in: folder.path)
    let source = FolderSource(folder.path)
    let found = try await Self.read(objects.map(\.id), from: source).flatMap(\.self)
    #expect(
      Dictionary(uniqueKeysWithValues: found.map { ($0.id, $0.bytes.array) })
        == Dictionary(objects.map { ($0.id, $0.bytes) }, uniquingKeysWith: { first, _ in first }))
    let absent = try (0..<300).map { number in
      try #require(Digest([UInt8](repeating: [0, 7, 255][number % 3], count: 16) + generator.bytes(16)))
    }
    #expect(try await source.absent(absent, app: app, generation: 1) == absent)
  }

  /// A pack is read front to back in pieces of a mebibyte, whatever the order of the question.
  @Test func readsFrontToBack() async throws {
    let folder = TemporaryFolder()
    var generator = SeededGenerator(seed: 6)
    let objects = (0..<100).map { _ in
      let bytes = generator.bytes(50_000)
      return (id: SHA256.hash(bytes), bytes: bytes)
    }
    try Self.place(objects, in: folder.path)
    let batches = try await Self.read(objects.map(\.id).shuffled(using: &generator), from: FolderSource(folder.path))
    #expect(batches.flatMap { $0.map(\.id) } == objects.map(\.id))
    #expect(batches.count == 5 && batches.allSatisfy { $0.reduce(0) { $0 + $1.bytes.count } <= 1 << 20 })
  }

  /// What rotted in a pack is found by its id, and by nothing else.
  @Test func rottenBytesAreFoundByTheirId() async throws {
    let folder = TemporaryFolder()
    let objects = Self.objects(300, seed: 7).map { (id: $0.key, bytes: $0.value) }
    let path = try Self.place(objects, in: folder.path)
    let victim = objects[17]
    let offset = 64 + objects[..<17].reduce(0) { $0 + $1.bytes.count }
    let file = open(path, O_RDWR)
    var byte = victim.bytes[0] ^ 1
    #expect(pwrite(file, &byte, 1, off_t(offset)) == 1)
    close(file)
    let source = FolderSource(folder.path)
    let found = try await Self.read(objects.map(\.id), from: source).flatMap(\.self)
    let rotten = found.filter { object in object.bytes.withUnsafeBytes { SHA256.hash($0) } != object.id }
    #expect(rotten.map(\.id) == [victim.id] && found.count == 300)
    #expect(
      await refusal { try await source.checkedBody(app: app, generation: 1, digest: victim.id) } == .sourceMismatch)
    // Of two copies, the good one is given, in which pack it may be.
    try Self.place([victim], in: folder.path)
    let both = FolderSource(folder.path)
    #expect(try await both.checkedBody(app: app, generation: 1, digest: victim.id) == victim.bytes)
    // The pack that gave something last is asked first: here it is the one with the rotten copy.
    let again = try await Self.read([objects[3].id, victim.id], from: both).flatMap(\.self)
    #expect(again.first { $0.id == victim.id }.map(\.bytes.array) == victim.bytes)
  }

  /// A file that is no whole pack is passed over, and hides nothing that another pack holds.
  @Test func brokenPacksArePassedOver() async throws {
    let folder = TemporaryFolder()
    let good = Self.objects(50, seed: 8).map { (id: $0.key, bytes: $0.value) }
    try Self.place(good, in: folder.path)
    let bad = Self.objects(50, seed: 9).map { (id: $0.key, bytes: $0.value) }
    let path = try Self.place(bad, in: folder.path)
    let length = try OpenFile(path, .read).length()
    let other = try Self.place(bad, in: folder.path, generation: 2)
    let ids = (good + bad).map(\.id)
    for damage in 0..<4 {
      let broken = try Self.place(bad, in: folder.path)
      switch damage {
      case 0: truncate(broken, off_t(length) - 1)
      case 1: truncate(broken, 10)
      case 2:
        let file = open(broken, O_RDWR)
        var byte: UInt8 = 0xee
        pwrite(file, &byte, 1, off_t(length) - 100)
        close(file)
      default: rename(other, broken)
      }
      let source = FolderSource(folder.path)
      #expect(try await source.absent(ids, app: app, generation: 1) == bad.map(\.id), "\(damage)")
      #expect(try await Self.read(ids, from: source).flatMap(\.self).count == good.count, "\(damage)")
    }
  }

  /// One bad entry does not take the rest away, whatever it is; and none makes a reader wait.
  @Test func whatIsNoFileIsPassedOver() async throws {
    let folder = TemporaryFolder()
    let good = Self.objects(50, seed: 8).map { (id: $0.key, bytes: $0.value) }
    let path = try Self.place(good, in: folder.path)
    func name(_ digit: String) -> String {
      let folder = FolderLayout(root: folder.path).packs(app: app, generation: 1)
      return folder + "/" + String(repeating: digit, count: 64) + ".pack"
    }
    mkdir(name("0"), 0o755)
    symlink("/nowhere/at/all", name("1"))
    symlink(name("2"), name("2"))
    mkfifo(name("3"), 0o644)
    symlink("/dev/zero", name("4"))
    let source = FolderSource(folder.path)
    #expect(try await Self.read(good.map(\.id), from: source).flatMap(\.self).count == good.count)
    #expect(source.unusablePacks.paths == (0..<5).map { name("\($0)") } && !source.unusablePacks.paths.contains(path))
  }

  /// Those that ask at once have each footer read once, and of many files that are no packs a few are named.
  @Test func packsAreLookedThroughOnce() async throws {
    let folder = TemporaryFolder()
    let good = Self.objects(50, seed: 8).map { (id: $0.key, bytes: $0.value) }
    try Self.place(good, in: folder.path)
    var generator = SeededGenerator(seed: 9)
    let layout = FolderLayout(root: folder.path)
    let paths = (0..<40).map { _ in layout.pack(app: app, generation: 1, name: generator.digest()) }.sorted()
    for path in paths { try DurableFile.write([1], to: path) }
    let files = FaultyFiles(failing: 0)
    let source = FolderSource(folder.path, files: files)
    try await withThrowingTaskGroup(of: [UInt8].self) { group in
      for id in good.map(\.id).prefix(8) {
        group.addTask { try await source.body(app: app, generation: 1, digest: id) }
      }
      try await group.waitForAll()
    }
    #expect(files.calls.count { $0 == .open } == 41)
    #expect(source.unusablePacks.count == 40)
    #expect(source.unusablePacks.paths == Array(paths.prefix(UnusablePacks.pathLimit)))
  }

  /// A pipe, a device or a folder in the place of a file of the log is refused at once.
  @Test func theLogIsFiles() async throws {
    let folder = TemporaryFolder()
    let copy = try CopyFolder.open(at: folder.path)
    try copy.publish([
      LogFile(path: "tile/entries/000", bytes: [1]), LogFile(path: "tile/entries/x001/234.p/7", bytes: [1]),
    ])
    let log = "\(folder.path)/log"
    let source = FolderSource(folder.path)
    mkfifo("\(log)/checkpoint", 0o644)
    mkdir("\(log)/tile/0", 0o755)
    symlink("/dev/zero", "\(log)/tile/0/000")
    mkdir("\(log)/tile/entries/001", 0o755)
    #expect(await refusal { try await source.checkpoint() } == .storageKind)
    #expect(await refusal { try await source.tile(TileCoordinate(level: 0, index: 0, width: 256)) } == .storageKind)
    #expect(await refusal { try await source.entries(BundleCoordinate(index: 1, width: 256)) } == .storageKind)
    // Links that lead back would make folders without end.
    for number in 100..<400 { symlink(".", "\(log)/tile/entries/x\(number)") }
    #expect(try await source.bundles() == [0, 1, 1_234])
  }

  /// Packs that somebody made up: what they claim costs no memory.
  @Test func madeUpFootersAreRefused() async throws {
    var generator = SeededGenerator(seed: 12)
    let bytes = generator.bytes(200_000)
    let ids = (0..<4).map { _ in generator.digest() }.sorted()
    /// A pack with these objects, in the order of their ids: kind, offset behind the header, length.
    func place(_ objects: [(ObjectKind, Int, Int)], in root: String) throws {
      var file = Array("postern/pack/v1\n".utf8) + app.bytes
      file.append(bigEndian: UInt64(1))
      file += [UInt8](repeating: 0, count: 8) + bytes
      var footer = Array("postern/index/v1".utf8) + app.bytes
      footer.append(bigEndian: UInt64(1))
      footer.append(bigEndian: UInt32(objects.count))
      for (id, (kind, offset, length)) in zip(ids, objects) {
        footer += id.bytes + [kind.rawValue]
        footer.append(bigEndian: UInt64(64 + offset))
        footer.append(bigEndian: UInt32(length))
      }
      file += footer
      file.append(bigEndian: UInt64(footer.count))
      let layout = FolderLayout(root: root)
      for path in [layout.packs, layout.packs(app: app), layout.packs(app: app, generation: 1)] { mkdir(path, 0o755) }
      let path = layout.pack(app: app, generation: 1, name: SHA256.hash(footer))
      try DurableFile.write(file + Array("pstnpack".utf8), to: path)
    }
    let packs: [(String, [(ObjectKind, Int, Int)], isTaken: Bool)] = [
      (
        "sound", [(.chunk, 0, 60_000), (.chunk, 60_000, 60_000), (.node, 120_000, 4_000), (.body, 124_000, 76_000)],
        true
      ),
      ("a long node", [(.node, 0, 100_000), (.body, 100_000, 100_000)], false),
      ("a long chunk", [(.chunk, 0, 100_000), (.body, 100_000, 100_000)], false),
      ("one place twice", [(.body, 0, 200_000), (.node, 0, 4_000), (.node, 0, 4_000)], false),
      ("overlapping", [(.body, 0, 150_000), (.body, 100_000, 100_000)], false),
      ("a gap", [(.body, 0, 100_000), (.body, 150_000, 50_000)], false),
      ("a rest", [(.body, 0, 100_000)], false),
    ]
    for (what, objects, isTaken) in packs {
      let folder = TemporaryFolder()
      try place(objects, in: folder.path)
      let source = FolderSource(folder.path)
      _ = try await source.absent(ids, app: app, generation: 1)
      #expect(source.unusablePacks.count == (isTaken ? 0 : 1), "\(what)")
      // Bodies are no part of a dump, and come one by one.
      let given = try await Self.read(ids, from: source).flatMap(\.self).map(\.id)
      #expect(given == (isTaken ? Array(ids.prefix(3)) : []), "\(what)")
      if isTaken { #expect(try await source.body(app: app, generation: 1, digest: ids[3]) == Array(bytes[124_000...])) }
    }
  }

  /// Any number of packs can name an object: reading it costs no more for that.
  @Test func ofManyCopiesFewAreLookedAt() async throws {
    let folder = TemporaryFolder()
    var generator = SeededGenerator(seed: 4)
    let (body, chunk) = (generator.digest(), generator.digest())
    for kind in [ObjectKind.body, .chunk] {
      for _ in 0..<60 {
        let other = generator.bytes(100)
        let id = kind == .body ? body : chunk
        try Self.place([(id, generator.bytes(2_000)), (SHA256.hash(other), other)], in: folder.path, kind: kind)
      }
    }
    let files = FaultyFiles(failing: 0)
    let source = FolderSource(folder.path, files: files)
    _ = try await source.absent([chunk], app: app, generation: 1)
    let readCount = files.calls.count { $0 == .read }
    let bytes = try await source.body(app: app, generation: 1, digest: body)
    #expect(SHA256.hash(bytes) != body)
    let bodyCount = files.calls.count { $0 == .read } - readCount
    let given = try await Self.read([chunk], from: source).flatMap(\.self)
    #expect(given.map(\.id) == [chunk])
    let chunkCount = files.calls.count { $0 == .read } - readCount - bodyCount
    // A line of the footer and the bytes, of 16 packs; a chunk's once before.
    #expect(bodyCount <= 2 * 16 && chunkCount <= 2 * 17, "\(bodyCount) \(chunkCount)")
    #expect(try await source.packs(holding: chunk, app: app, generation: 1).count == 16)
  }

  /// No archive admits a longer body.
  @Test func aBodyHasTwoMebibytes() async throws {
    for (byteCount, isTaken) in [(2 << 20, true), ((2 << 20) + 1, false)] {
      let folder = TemporaryFolder()
      var generator = SeededGenerator(seed: 9)
      let body = generator.bytes(byteCount)
      let path = try Self.place([(SHA256.hash(body), body)], in: folder.path, kind: .body, generation: 0)
      let source = FolderSource(folder.path)
      let code = await refusal { try await source.body(app: app, generation: 0, digest: SHA256.hash(body)) }
      #expect(code == (isTaken ? nil : .sourceAbsent))
      #expect(source.unusablePacks.paths == (isTaken ? [] : [path]))
    }
  }

  @Test func readsTheLog() async throws {
    let folder = TemporaryFolder()
    let entries = (0..<256).map { [UInt8](repeating: UInt8($0), count: $0 % 5 + 1) }
    let bundle = try EntryBundle(entries)
    let hashes = bundle.leafHashes.flatMap(\.bytes)
    let copy = try CopyFolder.open(at: folder.path)
    let source = FolderSource(folder.path)
    #expect(await refusal { try await source.checkpoint() } == .sourceAbsent)
    try copy.publish([
      LogFile(path: "tile/0/000", bytes: hashes), LogFile(path: "tile/entries/000", bytes: bundle.bytes),
      LogFile(path: "tile/0/001.p/3", bytes: Array(hashes.prefix(95))),
      LogFile(path: "tile/entries/x001/234.p/7", bytes: [1]), LogFile(path: "checkpoint", bytes: [1, 2]),
    ])
    #expect(try await source.checkpoint() == [1, 2])
    #expect(try await source.tile(TileCoordinate(level: 0, index: 0, width: 256)) == hashes)
    #expect(try await source.tile(TileCoordinate(level: 0, index: 0, width: 3)) == Array(hashes.prefix(96)))
    #expect(await refusal { try await source.tile(TileCoordinate(level: 0, index: 1, width: 3)) } == .logTile)
    #expect(await refusal { try await source.tile(TileCoordinate(level: 1, index: 0, width: 3)) } == .sourceAbsent)
    let cut = try await source.entries(BundleCoordinate(index: 0, width: 10))
    #expect(try EntryBundle(parsing: cut, width: 10).entries == Array(entries.prefix(10)))
    #expect(await refusal { try await source.entries(BundleCoordinate(index: 1, width: 10)) } == .sourceAbsent)
    #expect(try await source.bundles() == [0, 1_234])
  }
}

/// The code that an asynchronous closure is refused with; nil when it is not.
func refusal(_ body: () async throws -> some Any) async -> PosternError.Code? {
  do {
    _ = try await body()
    return nil
  } catch {
    return (error as? PosternError)?.code
  }
}
