import Core
import Glibc
import Packs
import Testing

/// Reading many objects of a pack at once, into any memory.
@Suite struct PackFileTests {
  private func seeded() -> SeededGenerator {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    return SeededGenerator(seed: seed)
  }

  private func makePack(_ path: String, _ generator: inout SeededGenerator) throws -> [UInt8] {
    var writer = try PackWriter(creating: path, app: app, generation: 3)
    var content: [UInt8] = []
    while content.count < 1_500_000 {
      let bytes = generator.bytes(1 + Int(generator.next() % 40_000))
      try writer.append(bytes, kind: .chunk)
      content += bytes
    }
    _ = try writer.finish()
    return content
  }

  /// Any stretch of the objects is read, past the page cache or not, whatever the kernel gives at once.
  @Test func everyStretchIsReadIntoAnyMemory() throws {
    var generator = seeded()
    let folder = TemporaryFolder()
    let path = "\(folder.path)/pack"
    let content = try makePack(path, &generator)
    let layers: [any FileLayer] = [
      SystemFiles(), FaultyFiles(failing: 0, readsShort: true), FaultyFiles(failing: 0, refusesDirect: true),
    ]
    for files in layers {
      let pack = try PackFile(path, app: app, generation: 3, files: files)
      for round in 0..<60 {
        let most = round % 2 == 0 ? content.count : 200_000
        let start = round == 0 ? content.count - 150_000 : Int(generator.next() % UInt64(content.count))
        let count = min(content.count - start, 1 + Int(generator.next() % UInt64(most)))
        var memory = [UInt8](repeating: 1, count: count + PackFile.memoryMargin + 100)
        let shift = Int(generator.next() % 100)
        let range = try memory.withUnsafeMutableBytes { memory in
          let room = UnsafeMutableRawBufferPointer(rebasing: memory[shift...])
          return try pack.read(offset: UInt64(64 + start), count: count, into: room)
        }
        let read = memory[shift + range.lowerBound..<shift + range.upperBound]
        #expect(read == content[start..<start + count], "\(start) \(count)")
      }
    }
  }

  /// Many bytes leave the page cache as it was; few come through it.
  @Test(.enabled(if: PageCache.canBePassed, "this file system keeps what is written past the page cache in it"))
  func manyBytesAreReadPastThePageCache() throws {
    var generator = seeded()
    let folder = TemporaryFolder()
    let path = "\(folder.path)/pack"
    _ = try makePack(path, &generator)
    let pack = try PackFile(path, app: app, generation: 3)
    func read(_ count: Int) throws {
      var memory = [UInt8](repeating: 0, count: count + PackFile.memoryMargin)
      _ = try memory.withUnsafeMutableBytes { try pack.read(offset: 300_000, count: count, into: $0) }
    }
    let middle = 300_000 / DirectFile.alignment..<(300_000 + 600_000) / DirectFile.alignment
    #expect(try !PageCache.pages(of: path)[middle].contains(true))
    try read(600_000)
    #expect(try !PageCache.pages(of: path)[middle].contains(true))
    try read(50_000)
    #expect(try PageCache.pages(of: path)[middle].contains(true))
  }

  /// What lies beyond the end is told, and a disk that fails is, too.
  @Test(arguments: [1_000, 500_000])
  func whatCannotBeReadIsToldAsItIs(count: Int) throws {
    var generator = seeded()
    let folder = TemporaryFolder()
    let path = "\(folder.path)/pack"
    _ = try makePack(path, &generator)
    let length = try OpenFile(path, .read).length()
    let files = FaultyFiles(failing: 0)
    let pack = try PackFile(path, app: app, generation: 3, files: files)
    let opening = files.calls.count { $0 == .read }
    let failing = try PackFile(
      path, app: app, generation: 3, files: FaultyFiles(failing: opening + 1, only: .read))
    var memory = [UInt8](repeating: 0, count: count + PackFile.memoryMargin)
    let behind = memory.withMutableRawBytes { memory in
      code { () throws(PosternError) in
        try pack.read(offset: length - UInt64(count / 2), count: count, into: memory)
      }
    }
    let failed = memory.withMutableRawBytes { memory in
      code { () throws(PosternError) in try failing.read(offset: 64, count: count, into: memory) }
    }
    #expect(behind == .packDamaged && failed == .storageFailed)
  }
}
