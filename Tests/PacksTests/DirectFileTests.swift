import Core
import FoundationEssentials
import Glibc
import Packs
import Testing

@Suite struct DirectFileTests {
  private static let alignment = DirectFile.alignment

  /// Pieces of any length, written in any order from buffers that lie as they should or not, are the file.
  @Test func piecesOfAnyLengthMakeTheFile() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let folder = TemporaryFolder()
    for round in 0..<20 {
      let content = generator.bytes(Int(generator.next() % 60_000))
      var cuts = [0, content.count]
      for _ in 0..<Int(generator.next() % 6) { cuts.append(Int(generator.next() % UInt64(content.count + 1))) }
      cuts.sort()
      let path = "\(folder.path)/file-\(round)"
      let file = try DirectFile(OpenFile(path, .create), byteCount: content.count)
      for (start, end) in zip(cuts, cuts.dropFirst()).shuffled(using: &generator) {
        let lead = generator.next() % 4 == 0 ? 1 : DirectFile.lead(offset: start)
        try withAlignedBuffer(lead + end - start) { buffer in
          let room = UnsafeMutableRawBufferPointer(rebasing: buffer[lead..<lead + end - start])
          room.copyBytes(from: content[start..<end])
          try file.write(UnsafeRawBufferPointer(room), at: start)
        }
      }
      try file.syncData()
      #expect(Array(try Data(contentsOf: URL(filePath: path))) == content, "round \(round)")
    }
  }

  /// What goes past the page cache is not in it afterwards, and that is all but the first and the last page.
  @Test(.enabled(if: PageCache.canBePassed, "this file system keeps what is written past the page cache in it"))
  func goesPastThePageCache() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/file"
    let (start, byteCount) = (DirectFile.alignment + 100, 64 * DirectFile.alignment)
    let file = try DirectFile(OpenFile(path, .create), byteCount: start + byteCount)
    let lead = DirectFile.lead(offset: start)
    try withAlignedBuffer(lead + byteCount) { buffer in
      try file.write(UnsafeRawBufferPointer(rebasing: buffer[lead...]), at: start)
    }
    try file.syncData()
    let cached = try PageCache.pages(of: path)
    #expect(cached.indices.filter { cached[$0] } == [1, cached.count - 1])
  }

  /// A file has its length from the beginning, so that what is written past it is nobody's doing.
  @Test func hasItsLength() throws {
    let folder = TemporaryFolder()
    for byteCount in [0, 1, 4_096, 100_001] {
      let path = "\(folder.path)/file-\(byteCount)"
      let file = try DirectFile(OpenFile(path, .create), byteCount: byteCount)
      try file.syncData()
      #expect(try Data(contentsOf: URL(filePath: path)) == Data(count: byteCount))
    }
  }

  private func withAlignedBuffer(
    _ byteCount: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> Void
  ) rethrows {
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: max(byteCount, 1), alignment: DirectFileTests.alignment)
    defer { buffer.deallocate() }
    try body(buffer)
  }
}
