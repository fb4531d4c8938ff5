import Bulk
import Core
import Glibc
import Packs
import Testing
import Trust

@Suite struct CopyFolderTests {
  /// Objects that fill a writer's blocks, so that a stopped copy leaves some of them in the file.
  private static let objects: [[UInt8]] = {
    var generator = SeededGenerator(seed: 11)
    return (0..<80).map { number in generator.bytes(number % 3 == 0 ? 65_000 : 40_000) }
  }()

  private static func write(_ objects: [[UInt8]], _ writer: inout CopyWriter) throws {
    for bytes in objects { try writer.append(bytes, id: SHA256.hash(bytes), kind: .chunk) }
  }

  /// Which of the objects a folder has, in their order; all that it has are what their ids say.
  private static func held(in path: String) async throws -> [Int] {
    let source = FolderSource(path)
    let absent = Set(try await source.absent(objects.map { SHA256.hash($0) }, app: app, generation: 1))
    let held = objects.indices.filter { !absent.contains(SHA256.hash(objects[$0])) }
    for index in held {
      #expect(try await source.body(app: app, generation: 1, digest: SHA256.hash(objects[index])) == objects[index])
    }
    return held
  }

  /// Copies objects, and stops without a word: they are left in a pack that is open.
  private static func stopCopying(_ objects: ArraySlice<[UInt8]>, into path: String) throws {
    var writer = CopyWriter(into: try .open(at: path), app: app, generation: 1)
    try write(Array(objects), &writer)
    try writer.noteList()
  }

  /// A copy that stops without a word leaves what it had handed to the system, and the next one keeps it.
  @Test func aStoppedCopyIsTakenUp() async throws {
    for count in [0, 1, 5, 17, 80] {
      let folder = TemporaryFolder()
      try Self.stopCopying(Self.objects.prefix(count), into: folder.path)
      #expect(try await Self.held(in: folder.path).isEmpty)
      var copy: CopyFolder? = try .open(at: folder.path)
      let held = try await Self.held(in: folder.path)
      // A block of a mebibyte at the most is lost.
      #expect(held == Array(0..<held.count))
      let lost = Self.objects[held.count..<count].reduce(0) { $0 + $1.count }
      #expect(lost < (1 << 20) + 65_000, "\(count)")
      #expect(try SystemFiles().names("\(folder.path)/incoming").isEmpty)

      var writer = CopyWriter(into: try #require(copy), app: app, generation: 1)
      try Self.write(Array(Self.objects.dropFirst(held.count)), &writer)
      try writer.finish()
      #expect(try await Self.held(in: folder.path) == Array(Self.objects.indices))
      copy = nil
    }
  }

  /// Whatever others put into `incoming/` meanwhile does not number a copy's packs; in the place of one it is refused.
  @Test func strangersNumberNoPacks() async throws {
    let folder = TemporaryFolder()
    let copy = try CopyFolder.open(at: folder.path)
    try DurableFile.write([1], to: "\(folder.path)/incoming/\(UInt64.max).pack")
    var writer = CopyWriter(into: copy, app: app, generation: 1)
    try Self.write(Array(Self.objects.prefix(3)), &writer)
    try writer.finish()
    #expect(try await Self.held(in: folder.path) == [0, 1, 2])

    for suffix in ["2.pack", "3.objects"] {
      let path = "\(folder.path)/incoming/\(suffix)"
      try DurableFile.write([1], to: path)
      var other = CopyWriter(into: copy, app: app, generation: 1)
      let error = #expect(throws: PosternError.self) { try Self.write([Self.objects[4]], &other) }
      #expect(error?.code == .folderTaken)
      #expect(try DurableFile.read(path, byteLimit: 10) == [1])
    }
  }

  /// Of what was left, the hashes decide: behind the first byte that is not what it should be, nothing is kept.
  @Test func damagedLeftoversAreCutOff() async throws {
    for damage in 0..<6 {
      let folder = TemporaryFolder()
      do {
        var writer = CopyWriter(into: try .open(at: folder.path), app: app, generation: 1)
        try Self.write(Self.objects, &writer)
        try writer.noteList()
      }
      let pack = "\(folder.path)/incoming/1.pack"
      let list = "\(folder.path)/incoming/1.objects"
      func put(_ byte: UInt8, _ path: String, at offset: Int) {
        let file = open(path, O_RDWR)
        var byte = byte
        pwrite(file, &byte, 1, off_t(offset))
        close(file)
      }
      let start = 64 + Self.objects.prefix(9).reduce(0) { $0 + $1.count }
      switch damage {
      case 0: put(Self.objects[9][77] ^ 1, pack, at: start + 77)
      case 1: put(9, list, at: 37 * 9 + 32)
      case 2: truncate(pack, off_t(start + 10))
      case 3: truncate(list, 37 * 9 + 36)
      case 4: unlink(list)
      default: put(1, pack, at: 3)
      }
      _ = try CopyFolder.open(at: folder.path)
      #expect(try await Self.held(in: folder.path) == Array(0..<(damage < 4 ? 9 : 0)), "\(damage)")
      #expect(try SystemFiles().names("\(folder.path)/incoming").isEmpty)
    }
  }

  /// What a pull left can have been changed, or made up: what none writes ends what is kept.
  @Test func whatNoPullWritesIsNotTakenUp() async throws {
    let (first, last) = (Self.objects[0], Self.objects[1])
    let zeros = [UInt8](repeating: 0, count: 65_000)
    var generator = SeededGenerator(seed: 5)
    let long = generator.bytes(PackFormat.bodyByteLimit + 1)
    for (bytes, kind, isHole, isKept) in [
      (long, ObjectKind.body, false, false), (Array(long.dropLast()), .body, false, true),
      (zeros, .chunk, true, false), (zeros, .chunk, false, true),
    ] {
      let folder = TemporaryFolder()
      let pack = "\(folder.path)/incoming/1.pack"
      do {
        var writer = CopyWriter(into: try .open(at: folder.path), app: app, generation: 1)
        for (bytes, kind) in [(first, .chunk), (bytes, kind), (last, .chunk)] {
          try writer.append(bytes, id: SHA256.hash(bytes), kind: kind)
        }
        try writer.noteList()
      }
      // All of it, as if the writer had got so far.
      let head = Array("postern/pack/v1\n".utf8) + app.bytes + [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
      let whole = head + first + bytes + last
      unlink(pack)
      if isHole { try Self.writeSparse(whole, to: pack) } else { try DurableFile.write(whole, to: pack) }
      _ = try CopyFolder.open(at: folder.path)
      #expect(try await Self.held(in: folder.path) == (isKept ? [0, 1] : [0]), "\(kind) \(isHole)")
      #expect(try SystemFiles().names("\(folder.path)/incoming").isEmpty)
    }
  }

  /// A backup can be made of hard links: what is changed in place would be changed in it, too.
  @Test func aFileWithAnotherNameIsLeftAsItIs() async throws {
    let folder = TemporaryFolder()
    let (path, backup) = ("\(folder.path)/copy", "\(folder.path)/backup")
    try Self.stopCopying(Self.objects.prefix(60), into: path)
    #expect(link("\(path)/incoming/1.pack", backup) == 0)
    let before = try DurableFile.read(backup, byteLimit: 8 << 20)
    _ = try CopyFolder.open(at: path)
    #expect(try DurableFile.read(backup, byteLimit: 8 << 20) == before)
    #expect(try await Self.held(in: path).isEmpty)
    #expect(try SystemFiles().names("\(path)/incoming").isEmpty)
  }

  /// Writes a file in which blocks of zeros are holes.
  private static func writeSparse(_ bytes: [UInt8], to path: String) throws {
    let block = 4_096
    let file = creat(path, 0o644)
    for start in stride(from: 0, to: bytes.count, by: block) {
      let piece = Array(bytes[start..<min(bytes.count, start + block)])
      if piece.contains(where: { $0 != 0 }) { #expect(pwrite(file, piece, piece.count, off_t(start)) == piece.count) }
    }
    #expect(ftruncate(file, off_t(bytes.count)) == 0)
    close(file)
  }

  /// Whichever call of the file system fails, nothing is placed that is not whole, and the next copy goes on.
  @Test func everyFailingCallLeavesASoundFolder() async throws {
    let objects = Array(Self.objects.prefix(8))
    var number = 0
    var isDone = false
    while !isDone {
      number += 1
      let folder = TemporaryFolder()
      let files = FaultyFiles(failing: number, number: number.isMultiple(of: 2) ? EIO : ENOSPC)
      do {
        var writer = CopyWriter(into: try .open(at: folder.path, files: files), app: app, generation: 1)
        try Self.write(objects, &writer)
        try writer.finish()
        isDone = files.calls.count < number
      } catch is PosternError {}
      let copy = try CopyFolder.open(at: folder.path)
      let held = try await Self.held(in: folder.path)
      #expect(held == Array(0..<held.count), "\(number)")
      var writer = CopyWriter(into: copy, app: app, generation: 1)
      try Self.write(Array(objects.dropFirst(held.count)), &writer)
      try writer.finish()
      #expect(try await Self.held(in: folder.path) == Array(objects.indices), "\(number)")
    }
    #expect(number > 30)
  }

  /// A full pack is placed, and the next one begins.
  @Test func aFullPackIsFollowedByAnother() async throws {
    let folder = TemporaryFolder()
    var writer = CopyWriter(into: try .open(at: folder.path), app: app, generation: 1)
    func bytes(_ number: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(number)) { Array($0) } }
    for number in 0...PackFormat.objectLimit {
      try writer.append(bytes(number), id: SHA256.hash(bytes(number)), kind: .chunk)
    }
    #expect(writer.takePlaced().count == 1)
    try writer.finish()
    #expect(writer.takePlaced().count == 1)
    let source = FolderSource(folder.path)
    let ids = stride(from: 0, through: PackFormat.objectLimit, by: 97).map { SHA256.hash(bytes($0)) }
    let strangers = (1...2_000).map { SHA256.hash(bytes(PackFormat.objectLimit + $0)) }
    #expect(try await source.absent(ids + strangers, app: app, generation: 1) == strangers)
    #expect(try await source.body(app: app, generation: 1, digest: ids[5]) == bytes(5 * 97))
  }

  @Test func mendsAPack() async throws {
    let folder = TemporaryFolder()
    let copy = try CopyFolder.open(at: folder.path)
    var writer = CopyWriter(into: copy, app: app, generation: 1)
    try Self.write(Self.objects, &writer)
    let name = try #require(try writer.finish())
    let path = FolderLayout(root: folder.path).pack(app: app, generation: 1, name: name)
    let file = open(path, O_RDWR)
    var byte = Self.objects[3][0] ^ 0x80
    pwrite(file, &byte, 1, off_t(64 + Self.objects.prefix(3).reduce(0) { $0 + $1.count }))
    close(file)
    let new = try #require(try copy.mend(name, app: app, generation: 1))
    #expect(new != name && access(path, F_OK) != 0)
    #expect(try await Self.held(in: folder.path) == Self.objects.indices.filter { $0 != 3 })
  }

  /// A pack that turns out to be good, because somebody has put a copy of it in its place, stays.
  @Test func mendsAPackThatIsGood() async throws {
    let folder = TemporaryFolder()
    let copy = try CopyFolder.open(at: folder.path)
    var writer = CopyWriter(into: copy, app: app, generation: 1)
    try Self.write(Self.objects, &writer)
    let name = try #require(try writer.finish())
    #expect(try copy.mend(name, app: app, generation: 1) == name)
    #expect(try await Self.held(in: folder.path) == Array(Self.objects.indices))
    #expect(try SystemFiles().names("\(folder.path)/incoming").isEmpty)
  }

  /// A hole costs nothing, and what lies in it would cost its length when it is written.
  @Test func aPackWithHolesIsNotWrittenAnew() async throws {
    let folder = TemporaryFolder()
    let copy = try CopyFolder.open(at: folder.path)
    var writer = CopyWriter(into: copy, app: app, generation: 1)
    let zeros = [UInt8](repeating: 0, count: 1 << 20)
    try Self.write([Self.objects[0], zeros, Self.objects[1]], &writer)
    let name = try #require(try writer.finish())
    let path = FolderLayout(root: folder.path).pack(app: app, generation: 1, name: name)
    var bytes = try DurableFile.read(path, byteLimit: 2 << 20)
    bytes[64] ^= 1
    unlink(path)
    try Self.writeSparse(bytes, to: path)
    #expect(try copy.mend(name, app: app, generation: 1) == name)
    #expect(try DurableFile.read(path, byteLimit: 2 << 20) == bytes)
    let packs = FolderLayout(root: folder.path).packs(app: app, generation: 1)
    #expect(try SystemFiles().names(packs) == ["\(name.hex).pack"])
    // The same bytes, of which all are on the disk, are worth their room.
    unlink(path)
    try DurableFile.write(bytes, to: path)
    #expect(try copy.mend(name, app: app, generation: 1) != name)
  }

  @Test func takesNoFolderThatIsSomethingElse() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/x"
    expect(.storageMissing) { () throws(PosternError) in try CopyFolder.open(at: "\(path)/y") }
    _ = try DataFolder.create(at: path)
    expect(.folderTaken) { () throws(PosternError) in try CopyFolder.open(at: path) }
    let home = "\(folder.path)/home"
    mkdir(home, 0o755)
    mkdir("\(home)/documents", 0o755)
    expect(.folderTaken) { () throws(PosternError) in try CopyFolder.open(at: home) }
    #expect(try SystemFiles().names(home) == ["documents"])
    close(creat("\(folder.path)/file", 0o644))
    expect(.folderTaken) { () throws(PosternError) in try CopyFolder.open(at: "\(folder.path)/file") }
    // A mounted disk has a folder of its own.
    let copyPath = "\(folder.path)/copy"
    for path in [copyPath, "\(copyPath)/lost+found"] { mkdir(path, 0o755) }
    let copy = try CopyFolder.open(at: copyPath)
    expect(.storageInUse) { () throws(PosternError) in try CopyFolder.open(at: "\(folder.path)/copy") }
    _ = copy
  }

  /// Whatever is nothing of a copy stays, in a folder that has some of a copy's names as in one that was a copy.
  @Test func whatIsNothingOfACopyStays() throws {
    for wasCopy in [false, true] {
      for name in [
        "README", ".a.tmp", "incoming/thesis.tex", "incoming/.hidden", "incoming/007.pack", "incoming/log-book",
        "log/.a.tmp", "log/notes", "packs/mine", "packs/\(app.hex.uppercased())",
      ] {
        let folder = TemporaryFolder()
        if wasCopy { _ = try CopyFolder.open(at: folder.path) }
        for name in ["packs", "incoming", "log"] { mkdir("\(folder.path)/\(name)", 0o755) }
        for name in [name, "incoming/7.pack"] { try DurableFile.write([7], to: "\(folder.path)/\(name)") }
        expect(.folderTaken) { () throws(PosternError) in try CopyFolder.open(at: folder.path) }
        for name in [name, "incoming/7.pack"] {
          #expect(try DurableFile.read("\(folder.path)/\(name)", byteLimit: 1) == [7], "\(name)")
        }
        #expect(wasCopy || access("\(folder.path)/lock", F_OK) != 0)
      }
    }
    // Folders of these names, which no pull made.
    let folder = TemporaryFolder()
    for name in ["packs", "incoming"] { mkdir("\(folder.path)/\(name)", 0o755) }
    expect(.folderTaken) { () throws(PosternError) in try CopyFolder.open(at: folder.path) }
    // A copy without its lock, as an export has it, is one.
    mkdir("\(folder.path)/log", 0o755)
    try DurableFile.write([1], to: "\(folder.path)/log/checkpoint")
    _ = try CopyFolder.open(at: folder.path)
  }

  /// A copy that somebody else made can have links in it, and nothing is written or removed through one.
  @Test func linksAreNotFollowed() async throws {
    for name in ["incoming", "log", "packs", "lock"] {
      let folder = TemporaryFolder()
      let (path, elsewhere) = ("\(folder.path)/copy", "\(folder.path)/elsewhere")
      _ = try CopyFolder.open(at: path)
      mkdir(elsewhere, 0o755)
      if name == "incoming" {
        for name in ["1.pack", "1.objects", "log-1"] { try DurableFile.write([7], to: "\(elsewhere)/\(name)") }
      }
      let before = try SystemFiles().names(elsewhere).sorted()
      removeTree("\(path)/\(name)")
      unlink("\(path)/\(name)")
      symlink(name == "lock" ? "\(elsewhere)/lock" : elsewhere, "\(path)/\(name)")
      expect(.storageKind) { () throws(PosternError) in try CopyFolder.open(at: path) }
      #expect(try SystemFiles().names(elsewhere).sorted() == before, "\(name)")
    }
    // Files of the open pack that are links, and a link further down.
    let folder = TemporaryFolder()
    let (path, elsewhere) = ("\(folder.path)/copy", "\(folder.path)/elsewhere")
    try Self.stopCopying(Self.objects.prefix(60), into: path)
    mkdir(elsewhere, 0o755)
    rename("\(path)/incoming/1.pack", "\(elsewhere)/victim")
    symlink("\(elsewhere)/victim", "\(path)/incoming/1.pack")
    let length = try OpenFile("\(elsewhere)/victim", .read).length()
    let copy = try CopyFolder.open(at: path)
    #expect(try SystemFiles().names("\(path)/incoming").isEmpty)
    #expect(try OpenFile("\(elsewhere)/victim", .read).length() == length && length > 1 << 20)
    mkdir("\(path)/packs/\(app.hex)", 0o755)
    symlink(elsewhere, "\(path)/packs/\(app.hex)/1")
    var writer = CopyWriter(into: copy, app: app, generation: 1)
    try Self.write(Array(Self.objects.prefix(2)), &writer)
    let refused: PosternError.Code?
    do throws(PosternError) {
      try writer.finish()
      refused = nil
    } catch {
      refused = error.code
    }
    #expect(refused == .storageKind)
    #expect(try SystemFiles().names(elsewhere) == ["victim"])
  }
}
