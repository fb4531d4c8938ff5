import Bulk
import Core
import Glibc
import Packs
import Testing

@Suite struct PackWriterTests {
  @Test func everyRandomPackReadsBackWhole() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let folder = TemporaryFolder()
    for round in 0..<12 {
      let path = "\(folder.path)/\(round)"
      let generation = generator.next()
      // As the kernel writes; in pieces, of which one no longer fits pages; never past the page cache.
      let files: any FileLayer =
        [SystemFiles(), FaultyFiles(failing: 0), FaultyFiles(failing: 0, refusesDirect: true)][round % 3]
      var writer = try PackWriter(creating: path, app: app, generation: generation, files: files)
      var objects: [Digest: [UInt8]] = [:]
      var synced: [PackEntry] = []
      for _ in 0..<Int.random(in: 0...30, using: &generator) {
        let most = [16, 40_000, 3 << 20].randomElement(using: &generator) ?? 1
        let bytes = generator.bytes(Int.random(in: 8...most, using: &generator))
        let kind = ObjectKind.allCases.randomElement(using: &generator) ?? .chunk
        guard let entry = try writer.append(bytes, kind: kind) else { continue }
        objects[entry.id] = bytes
        let found = writer.entry(entry.id)
        #expect(found == entry)
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: synced += try writer.sync()
        case 1:
          let read = try writer.read(entry)
          #expect(read == bytes)
        default: break
        }
      }
      let counts = (writer.count, synced.count + writer.unsyncedEntries.count)
      #expect(counts == (objects.count, objects.count))
      synced += writer.unsyncedEntries
      let pack = try writer.finish()
      #expect(synced.sorted { $0.id < $1.id } == pack.entries)
      #expect(try SystemFiles().size(path) == pack.byteCount)

      let reader = try PackReader(path, name: pack.name)
      let footer = reader.footer
      #expect(footer.app == app && footer.generation == generation)
      #expect((0..<footer.count).map { footer[$0] } == pack.entries)
      let file = try PackFile(path, app: app, generation: generation)
      for (id, bytes) in objects {
        let checked = try reader.read(id)
        let entry = try #require(footer.entry(id))
        let plain = try file.read(offset: entry.offset, length: Int(entry.length))
        #expect(checked == bytes && plain == bytes)
      }
      let none = try reader.read(generator.digest())
      #expect(none == nil)
    }
  }

  /// Full blocks are not in the page cache afterwards, also those that a sync found half full; what filled none is.
  @Test(.enabled(if: PageCache.canBePassed, "this file system keeps what is written past the page cache in it"))
  func fullBlocksGoPastThePageCache() throws {
    var generator = SeededGenerator(seed: 1)
    let folder = TemporaryFolder()
    let path = "\(folder.path)/pack"
    var writer = try PackWriter(creating: path, app: app, generation: 1)
    let blockPageCount = 256
    try writer.append(generator.bytes(2 << 20 | 4_096))
    _ = try writer.sync()
    try writer.append(generator.bytes(1 << 20))
    let pack = try writer.finish()
    let pages = try PageCache.pages(of: path)
    let cached = pages.indices.filter { pages[$0] }
    // The header shifts all by 64 bytes: the sync ended within the second page of the third block.
    let synced = 2 * blockPageCount
    #expect(cached.first == synced && cached.prefix(2) == [synced, synced + 1])
    #expect(cached.dropFirst(2).allSatisfy { $0 >= 3 * blockPageCount })
    #expect(try SystemFiles().size(path) == pack.byteCount)
  }

  /// A block is written behind the caller's back: its failure is told by the next call that needs the disk, and by all
  /// then.
  @Test func aWriteThatFailedUnseenIsTold() throws {
    let folder = TemporaryFolder()
    var generator = SeededGenerator(seed: 2)
    for (number, expected) in [(ENOSPC, PosternError.Code.storageFull), (EIO, .storageFailed)] {
      for refusesDirect in [false, true] {
        let files = FaultyFiles(failing: 2, only: .write, number: number, refusesDirect: refusesDirect)
        var writer = try PackWriter(
          creating: "\(folder.path)/\(number)-\(refusesDirect)", app: app, generation: 1, files: files)
        let entry = try #require(try writer.append(generator.bytes(1 << 20)))
        expect(expected) { () throws(PosternError) in try writer.sync().count }
        expect(expected) { () throws(PosternError) in try writer.read(entry).count }
        expect(expected) { () throws(PosternError) in try writer.append([1]) == nil }
      }
    }
  }

  /// Whoever sends chooses ids: by trying, all of them can end in the same bits.
  @Test func chosenIdsCostNoMoreThanOthers() throws {
    let folder = TemporaryFolder()
    let bytes = [UInt8](repeating: 1, count: 16)
    func secondsToAppend(_ name: String, _ id: (UInt64) -> [UInt8]) throws -> Double {
      var writer = try PackWriter(
        creating: "\(folder.path)/\(name)", app: app, generation: 1, files: FaultyFiles(failing: 0))
      // The thread's own time: how busy the machine is makes no difference.
      let start = threadSeconds()
      for number in 0..<UInt64(40_000) {
        let digest = try #require(Digest(id(number) + [UInt8](repeating: 0, count: 24)))
        _ = try bytes.withUnsafeBytes { bytes throws(PosternError) in
          try writer.append(id: digest, kind: .chunk, bytes: bytes)
        }
      }
      return threadSeconds() - start
    }
    func threadSeconds() -> Double {
      var time = timespec()
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
      return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
    func word(_ number: UInt64) -> [UInt8] {
      var bytes: [UInt8] = []
      bytes.append(bigEndian: number)
      return bytes
    }
    let spread = try secondsToAppend("spread") { word($0 &* 0x9e37_79b9_7f4a_7c15) }
    let chosen = try secondsToAppend("chosen") { word($0 << 32) }
    print("seconds: spread \(spread), chosen \(chosen)")
    #expect(chosen < 8 * spread)
  }

  @Test func whatAPackCannotHoldIsRefusedAndChangesNothing() throws {
    let folder = TemporaryFolder()
    var writer = try PackWriter(creating: "\(folder.path)/pack", app: app, generation: 1)
    try writer.append([1, 2, 3])
    let before = writer.byteCount
    let again = try writer.append([1, 2, 3])
    #expect(again == nil)
    expect(.packObjectLength) { () throws(PosternError) in try writer.append([]) }
    let long = [UInt8](repeating: 0, count: PackFormat.objectByteLimit + 1)
    expect(.packObjectLength) { () throws(PosternError) in try writer.append(long) }
    let (byteCount, count) = (writer.byteCount, writer.count)
    #expect(byteCount == before && count == 1)
    // 60 bytes of footer, 45 an object, 16 of trailer.
    let room = Int(PackFormat.fileByteLimit) - Int(before) - 60 - 2 * 45 - 16
    let lengths = [PackFormat.objectByteLimit, room, room + 1, Int(PackFormat.fileByteLimit)]
    let fits = lengths.map { writer.fits(objectCount: 1, byteCount: $0) }
    #expect(fits == [true, true, false, false])
    // Every object takes its line of the footer.
    let batches = [(2, 45), (2, 44), (1, 0), (PackFormat.objectLimit - 1, 0), (PackFormat.objectLimit, 0)]
    let fitting = batches.map { writer.fits(objectCount: $0, byteCount: $0 < 3 ? room - $1 : 1) }
    #expect(fitting == [true, false, true, true, false])
    _ = try writer.finish()
  }

  @Test func aPackTakesItsLimitOfObjects() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/pack"
    var writer = try PackWriter(creating: path, app: app, generation: 1)
    var bytes: [UInt8] = [0, 0, 0]
    for number in 0..<PackFormat.objectLimit {
      bytes = [UInt8(number >> 16), UInt8(number >> 8 & 255), UInt8(number & 255)]
      try writer.append(bytes)
    }
    expect(.packFull) { () throws(PosternError) in try writer.append([1]) }
    let wrong = writer.unsyncedEntries.filter { writer.entry($0.id) != $0 }
    #expect(wrong.isEmpty)
    let strangers = (0..<20_000).filter { writer.entry(SHA256.hash([1, UInt8($0 >> 8), UInt8($0 & 255), 0])) != nil }
    #expect(strangers.isEmpty)
    let pack = try writer.finish()
    let reader = try PackReader(path, name: pack.name)
    let (count, last) = (reader.footer.count, try reader.read(SHA256.hash(bytes)))
    #expect(count == PackFormat.objectLimit && last == bytes)
  }

  @Test func anUnfinishedPackIsTakenUpFromEverySync() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let folder = TemporaryFolder()
    for round in 0..<10 {
      let path = "\(folder.path)/\(round)"
      var known: [PackEntry] = []
      var objects: [Digest: [UInt8]] = [:]
      var knownByteCount: UInt64 = 64
      var writer: PackWriter? = try PackWriter(creating: path, app: app, generation: 7)
      _ = try writer?.sync()
      for _ in 0..<4 {
        for _ in 0..<Int.random(in: 0...4, using: &generator) {
          let bytes = generator.bytes(Int.random(in: 8...700_000, using: &generator))
          if let entry = try writer?.append(bytes) { objects[entry.id] = bytes }
        }
        if let entries = try writer?.sync(), let byteCount = writer?.byteCount {
          known += entries
          knownByteCount = byteCount
        }
        // What follows the sync is lost with the process, though some of it may be in the file.
        try writer?.append(generator.bytes(Int.random(in: 8...3_000_000, using: &generator)))
        writer = nil
        writer = try PackWriter(
          adopting: path, app: app, generation: 7, entries: known.shuffled(using: &generator),
          byteCount: knownByteCount)
        let (byteCount, unsyncedCount) = (writer?.byteCount, writer?.unsyncedEntries.count)
        #expect(byteCount == knownByteCount && unsyncedCount == 0)
      }
      guard let finishing = writer.take() else { continue }
      let pack = try finishing.finish()
      #expect(pack.entries == known.sorted { $0.id < $1.id })
      let reader = try PackReader(path, name: pack.name)
      for entry in known {
        let read = try reader.read(entry.id)
        #expect(read == objects[entry.id])
      }
    }
  }

  @Test func aFinishedPackIsTakenUpWithoutItsFooter() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/pack"
    var writer = try PackWriter(creating: path, app: app, generation: 7)
    try writer.append([1, 2, 3])
    let first = try writer.finish()
    var again = try PackWriter(
      adopting: path, app: app, generation: 7, entries: first.entries, byteCount: first.byteCount)
    let byteCount = again.byteCount
    #expect(byteCount == 67)
    try again.append([4, 5])
    let second = try again.finish()
    #expect(second.entries.count == 2)
    let read = try PackReader(path, name: second.name).read(SHA256.hash([4, 5]))
    #expect(read == [4, 5])
  }

  @Test func aPackThatIsNotWhatTheIndexKnowsIsNotTakenUp() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/pack"
    var writer = try PackWriter(creating: path, app: app, generation: 7)
    let entries = [try writer.append([1, 2, 3]), try writer.append([4, 5, 6, 7])]
    _ = try writer.finish()
    let (first, second) = (try #require(entries[0]), try #require(entries[1]))
    func adopting(
      _ entries: [PackEntry], _ byteCount: UInt64, generation: UInt64 = 7
    ) -> PosternError.Code? {
      code { () throws(PosternError) in
        let writer = try PackWriter(
          adopting: path, app: app, generation: generation, entries: entries, byteCount: byteCount)
        return writer.count
      }
    }
    let length = try SystemFiles().size(path)
    #expect(adopting([first, second], length + 1) == .packDamaged)
    #expect(adopting([first, second], 70) == .packDamaged)
    #expect(adopting([second], 71) == .packDamaged)
    #expect(adopting([first, first], 71) == .packDamaged)
    #expect(adopting([first, second], 71, generation: 8) == .packWrongSpace)
    let many = (0...UInt64(PackFormat.objectLimit)).map { number in
      var bytes = [UInt8](repeating: 0, count: 24)
      bytes.append(bigEndian: number)
      return PackEntry(id: SHA256.hash(bytes), kind: .chunk, offset: 64 + number, length: 1)
    }
    #expect(adopting(many, 1 << 20) == .packDamaged)
    // It would be changed under its other name, too.
    #expect(link(path, "\(folder.path)/backup") == 0)
    #expect(adopting([first, second], 71) == .packDamaged)
    #expect(try SystemFiles().size(path) == length)
    unlink("\(folder.path)/backup")
    #expect(adopting([first, second], 71) == nil)
    #expect(adopting([first], 71) == nil)
    #expect(try SystemFiles().size(path) == 67)
    #expect(adopting([first, second], 71) == .packDamaged)
  }
}

extension SystemFiles {
  /// The length of the file at a path.
  func size(_ path: String) throws(PosternError) -> UInt64 {
    try OpenFile(path, .read).length()
  }
}
