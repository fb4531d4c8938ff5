import Bulk
import Core
import Glibc
import Packs
import Testing

@Suite struct PackReaderTests {
  private let objects: [[UInt8]] = [[1], [2, 3], Array(repeating: 4, count: 50), Array("five".utf8)]

  private func makePack(_ path: String) throws -> FinishedPack {
    var writer = try PackWriter(creating: path, app: app, generation: 3)
    for (number, bytes) in objects.enumerated() {
      try writer.append(bytes, kind: ObjectKind.allCases[number % 3])
    }
    return try writer.finish()
  }

  private func opening(_ bytes: some Collection<UInt8>, name: Digest, in folder: String) throws -> PosternError.Code? {
    let path = "\(folder)/copy"
    try DurableFile.write(Array(bytes), to: path, replacing: true)
    return code { () throws(PosternError) in
      let reader = try PackReader(path, name: name)
      return reader.footer.count
    }
  }

  @Test func theFileIsWhatTheFormatSays() throws {
    let folder = TemporaryFolder()
    let pack = try makePack("\(folder.path)/pack")
    let bytes = try DurableFile.read("\(folder.path)/pack", byteLimit: 10_000)
    var expected = Array("postern/pack/v1\n".utf8) + app.bytes
    expected += [0, 0, 0, 0, 0, 0, 0, 3] + Array(repeating: 0, count: 8)
    expected += objects.flatMap { $0 }
    var footer = Array("postern/index/v1".utf8) + app.bytes + [0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 4]
    for entry in pack.entries {
      footer += entry.id.bytes + [entry.kind.rawValue]
      footer.append(bigEndian: entry.offset)
      footer.append(bigEndian: entry.length)
    }
    expected += footer
    expected.append(bigEndian: UInt64(footer.count))
    expected += Array("pstnpack".utf8)
    #expect(bytes == expected)
    #expect(pack.name == SHA256.hash(footer))
    #expect(pack.entries.map(\.id) == objects.map { SHA256.hash($0) }.sorted())
  }

  @Test func everyTruncationAndExtensionIsRefused() throws {
    let folder = TemporaryFolder()
    let pack = try makePack("\(folder.path)/pack")
    let bytes = try DurableFile.read("\(folder.path)/pack", byteLimit: 10_000)
    #expect(try opening(bytes, name: pack.name, in: folder.path) == nil)
    for length in 0..<bytes.count {
      #expect(try opening(bytes.prefix(length), name: pack.name, in: folder.path) == .packDamaged)
    }
    for start in 1..<bytes.count {
      #expect(try opening(bytes.dropFirst(start), name: pack.name, in: folder.path) != nil)
    }
    #expect(try opening(bytes + [0], name: pack.name, in: folder.path) == .packDamaged)
    #expect(try opening(bytes + bytes, name: pack.name, in: folder.path) == .packDamaged)
  }

  @Test func everyChangedByteIsNoticed() throws {
    let folder = TemporaryFolder()
    let pack = try makePack("\(folder.path)/pack")
    let bytes = try DurableFile.read("\(folder.path)/pack", byteLimit: 10_000)
    let data = 64..<64 + objects.reduce(0) { $0 + $1.count }
    for position in bytes.indices {
      var changed = bytes
      changed[position] ^= 1
      let refusal = try opening(changed, name: pack.name, in: folder.path)
      guard data.contains(position) else {
        #expect(refusal != nil, "byte \(position)")
        continue
      }
      let reader = try PackReader("\(folder.path)/copy", name: pack.name)
      let damaged = pack.entries.filter { entry in
        code({ () throws(PosternError) in try reader.read(entry.id) }) == .packObjectDamaged
      }
      #expect(damaged.count == 1, "byte \(position)")
    }
  }

  /// A footer that somebody changed and named anew, byte by byte: it is refused, or says no more than the file holds.
  @Test func aChangedFooterUnderItsOwnNameIsRefusedOrHarmless() throws {
    let folder = TemporaryFolder()
    let pack = try makePack("\(folder.path)/pack")
    let bytes = try DurableFile.read("\(folder.path)/pack", byteLimit: 10_000)
    let footerByteCount = 60 + 45 * objects.count
    let start = bytes.count - 16 - footerByteCount
    var harmlessCount = 0
    for place in start..<bytes.count - 16 {
      for change in [UInt8(1), 0x80, 0xff] {
        var changed = bytes
        changed[place] ^= change
        let name = SHA256.hash(Array(changed[start..<bytes.count - 16]))
        guard try opening(changed, name: name, in: folder.path) == nil else { continue }
        harmlessCount += 1
        let reader = try PackReader("\(folder.path)/copy", name: name)
        let entries = (0..<reader.footer.count).map { reader.footer[$0] }
        #expect(entries.map(\.id) == entries.map(\.id).sorted() && entries.count == pack.entries.count)
        // An id that changed names bytes that do not hash to it; what is left of the others is read.
        for entry in entries {
          let isOwn = pack.entries.contains { $0.id == entry.id }
          let refusal = code { () throws(PosternError) in try reader.read(entry.id) }
          #expect(refusal == (isOwn ? nil : .packObjectDamaged), "byte \(place)")
        }
      }
    }
    #expect(harmlessCount > 0)
  }

  @Test func anotherNameIsRefused() throws {
    let folder = TemporaryFolder()
    _ = try makePack("\(folder.path)/pack")
    expect(.packWrongName) { () throws(PosternError) in
      try PackReader("\(folder.path)/pack", name: app).footer.count
    }
    expect(.storageMissing) { () throws(PosternError) in
      try PackReader("\(folder.path)/none", name: app).footer.count
    }
    expect(.packWrongSpace) { () throws(PosternError) in
      try PackFile("\(folder.path)/pack", app: app, generation: 4).read(offset: 64, length: 1)
    }
    expect(.packDamaged) { () throws(PosternError) in
      try PackFile("\(folder.path)/pack", app: app, generation: 3).read(offset: 64, length: 10_000)
    }
  }

  /// Footers that hash to their name and still are none.
  @Test func aFooterThatLiesIsRefused() throws {
    func footer(_ entries: [PackEntry], count: UInt32? = nil, magic: String = "postern/index/v1") -> [UInt8] {
      var bytes = Array(magic.utf8) + app.bytes
      bytes.append(bigEndian: UInt64(1))
      bytes.append(bigEndian: count ?? UInt32(entries.count))
      for entry in entries {
        bytes.append(entry.id)
        bytes.append(entry.kind.rawValue)
        bytes.append(bigEndian: entry.offset)
        bytes.append(bigEndian: entry.length)
      }
      return bytes
    }
    func parsing(_ bytes: [UInt8]) -> PosternError.Code? {
      code { () throws(PosternError) in
        try PackFooter(bytes, name: SHA256.hash(bytes), source: "x").count
      }
    }
    func entry(_ id: UInt8, _ offset: UInt64, _ length: UInt32) throws -> PackEntry {
      let id = try #require(Digest(Array(repeating: id, count: 32)))
      return PackEntry(id: id, kind: .chunk, offset: offset, length: length)
    }
    let (first, second) = (try entry(1, 67, 4), try entry(2, 64, 3))
    #expect(parsing(footer([first, second])) == nil)
    #expect(parsing(footer([])) == nil)
    #expect(parsing(footer([second, first])) == .packDamaged)
    #expect(parsing(footer([first, first])) == .packDamaged)
    #expect(parsing(footer([first])) == .packDamaged)
    #expect(parsing(footer([try entry(1, 66, 4), second])) == .packDamaged)
    #expect(parsing(footer([try entry(1, 68, 4), second])) == .packDamaged)
    #expect(parsing(footer([try entry(1, 67, 0), second])) == .packDamaged)
    #expect(parsing(footer([try entry(1, 64, .max)])) == .packDamaged)
    #expect(parsing(footer([try entry(1, .max, 1)])) == .packDamaged)
    #expect(parsing(footer([first, second], count: 1)) == .packDamaged)
    #expect(parsing(footer([first, second], count: 3)) == .packDamaged)
    #expect(parsing(footer([first, second], count: .max)) == .packDamaged)
    #expect(parsing(footer([first, second], magic: "postern/index/v2")) == .packDamaged)
    var unknownKind = footer([first, second])
    unknownKind[60 + 32] = 4
    #expect(parsing(unknownKind) == .packDamaged)
    #expect(parsing([]) == .packDamaged)
  }

  /// An archive hashes no footer: a line of it that has rotted decides about no memory, and sends nobody out of the
  /// pack.
  @Test func aLineThatHasRottenIsRefused() throws {
    let folder = TemporaryFolder()
    let pack = try makePack("\(folder.path)/pack")
    let bytes = try DurableFile.read("\(folder.path)/pack", byteLimit: 10_000)
    let lines = bytes.count - 16 - 4 * 45
    let path = "\(folder.path)/rotten"
    func looking(_ line: Int) -> PosternError.Code? {
      code { () throws(PosternError) in
        try PackFile(path, app: app, generation: 3).forEachEntry(at: [line]) { _, _ in }
      }
    }
    // Kind; the highest byte of the offset, and one that leads into the header; the highest byte of the length.
    for (place, value): (Int, UInt8) in [(32, 4), (33, 1), (40, 63), (41, 1)] {
      var rotten = bytes
      rotten[lines + 45 + place] = value
      try DurableFile.write(rotten, to: path, replacing: true)
      #expect(looking(1) == .packDamaged && looking(2) == nil)
    }
    #expect(looking(4) == .packDamaged)
    #expect(pack.entries.count == 4)
  }
}
