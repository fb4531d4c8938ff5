import Client
import Core
import Fixtures
import Foundation
import Glibc
import Pax
import Testing

@Suite struct DirectoryReaderTests {
  /// A directory that tests write into.
  private final class Tree {
    let folder: TemporaryFolder
    var path: String { folder.path("tree") }

    init() throws {
      folder = try TemporaryFolder()
      try makeFolder("")
    }

    func makeFolder(_ name: String) throws {
      try FileManager.default.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: false)
    }

    func write(_ text: String, _ name: String) throws {
      try Data(text.utf8).write(to: URL(filePath: "\(path)/\(name)"))
    }
  }

  /// All of a directory's archive, read in pieces of a length.
  private func archive(_ reader: DirectoryReader, pieceByteCount: Int = 1_000) throws -> [UInt8] {
    var archive: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: pieceByteCount)
    while true {
      let count = try piece.withUnsafeMutableBytes { (memory) throws(PosternError) in try reader.read(into: memory) }
      guard count > 0 else { return archive }
      archive += piece[..<count]
    }
  }

  /// The paths of an archive, in its order.
  private func paths(_ archive: [UInt8]) throws -> [String] {
    var decoder = PaxDecoder()
    var paths: [String] = []
    try archive.withUnsafeBytes { bytes in
      var position = 0
      while let event = try decoder.next(in: bytes, at: &position) {
        if case .entry(let entry) = event { paths.append(String(decoding: entry.path, as: UTF8.self)) }
      }
    }
    try decoder.finish()
    return paths
  }

  @Test func namesAreSortedAndBytesAreTheSameEachTime() throws {
    let tree = try Tree()
    for name in ["b", "a", "a!", "B", "ä", "a0"] { try tree.write(name, name) }
    try tree.makeFolder("a-folder")
    for number in 0..<300 { try tree.write("\(number)", "a-folder/\(number)") }
    let reader = try DirectoryReader(tree.path)
    let first = try archive(reader)
    #expect(reader.byteCount == first.count)
    try reader.requireUnchanged()
    let numbers = (0..<300).map { "./a-folder/\($0)" }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    #expect(try paths(first) == ["./", "./B", "./a", "./a!", "./a-folder/"] + numbers + ["./a0", "./b", "./ä"])
    for count in [1, 511, 512, 1 << 20] {
      #expect(try reader.rewind())
      #expect(try archive(reader, pieceByteCount: count) == first, "\(count)")
    }
    // What was made in another order, by somebody else, at another time, is the same directory.
    let other = try Tree()
    try other.makeFolder("a-folder")
    for number in (0..<300).reversed() { try other.write("\(number)", "a-folder/\(number)") }
    for name in ["a0", "ä", "B", "a!", "a", "b"] { try other.write(name, name) }
    var times = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 0)]
    #expect(utimensat(AT_FDCWD, other.path + "/B", &times, 0) == 0)
    #expect(link(other.path + "/B", other.folder.path("elsewhere")) == 0)
    #expect(try archive(DirectoryReader(other.path)) == first)
  }

  @Test func anEmptyDirectoryIsThreeBlocks() throws {
    let tree = try Tree()
    #expect(try archive(DirectoryReader(tree.path)).count == 3 * 512)
  }

  /// Whatever happens to the directory while it is read, nobody takes what was read for a state of it.
  @Test func aChangeIsNoticed() throws {
    let changes: [(String, (Tree) throws -> Void)] = [
      ("another file", { try $0.write("new", "new") }), ("one file less", { unlink($0.path + "/late") }),
      ("an empty folder", { try $0.makeFolder("z") }), ("a permission", { chmod($0.path + "/late", 0o600) }),
      ("another content of the same length", { try $0.write("LATE", "late") }),
      ("a longer file", { try $0.write(String(repeating: "x", count: 9_000), "late") }),
      ("a shorter file", { try $0.write("", "late") }), ("a name", { rename($0.path + "/late", $0.path + "/later") }),
      (
        "what was read before, and its time set back",
        {
          var status = stat()
          stat($0.path + "/early", &status)
          try $0.write("EARLY", "early")
          let times = [status.st_atim, status.st_mtim]
          utimensat(AT_FDCWD, $0.path + "/early", times, 0)
        }
      ),
      ("what was read before", { try $0.write("EARLY", "early") }),
      (
        "a folder for a file",
        {
          unlink($0.path + "/late"); mkdir($0.path + "/late", 0o700)
        }
      ),
      (
        "a link for a file",
        {
          unlink($0.path + "/late"); symlink("/etc/passwd", $0.path + "/late")
        }
      ),
      (
        "a link for a folder",
        {
          rename($0.path + "/inner", $0.path + "/inner2"); symlink("/etc", $0.path + "/inner")
        }
      ),
      ("a pipe", { mkfifo($0.path + "/pipe", 0o600) }),
    ]
    for (what, change) in changes {
      let tree = try Tree()
      try tree.write("early", "early")
      try tree.makeFolder("inner")
      try tree.write("passwd", "inner/passwd")
      try tree.write("late", "late")
      let reader = try DirectoryReader(tree.path)
      // The directory and “early” are read by then.
      var piece = [UInt8](repeating: 0, count: 1_500)
      #expect(try piece.withUnsafeMutableBytes { try reader.read(into: $0) } == 1_500)
      // Longer than the clock's steps, since the time of change is all that tells of some.
      usleep(50_000)
      try change(tree)
      let code = refusal {
        piece += try archive(reader)
        try reader.requireUnchanged()
      }?.code
      #expect(code == .pushChanged || (what == "a pipe" && code == .pushEntry), "\(what): \(String(describing: code))")
      #expect(!String(decoding: piece, as: UTF8.self).contains("root:"), "\(what)")
    }
  }

  @Test func whatNoArchiveHoldsIsRefused() throws {
    func code(_ make: (Tree) throws -> Void) throws -> PosternError? {
      let tree = try Tree()
      try make(tree)
      return refusal { try DirectoryReader(tree.path) }
    }
    let pipe = try code { mkfifo($0.path + "/pi\u{1b}pe", 0o600) }
    #expect(pipe?.code == .pushEntry && pipe?.message.contains("tree/pi\u{FFFD}pe” is a pipe") == true)
    let socket = try code { tree in
      let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(descriptor) }
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      let path = Array("\(tree.path)/s".utf8)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
      let size = socklen_t(MemoryLayout<sockaddr_un>.size)
      let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
      }
      try #require(result == 0)
    }
    #expect(socket?.code == .pushEntry && socket?.message.contains("is a socket") == true)
    let deep = try code { tree in
      for count in 1...129 { try tree.makeFolder(Array(repeating: "d", count: count).joined(separator: "/")) }
    }
    #expect(deep?.code == .pushEntry && deep?.message.contains("at most 128 names and 4095 bytes") == true)
    let none = refusal { try DirectoryReader("/nowhere/at/all") }?.code
    #expect(none == .pushInput)
    // The longest path and name, and the deepest folder, are taken.
    let full = try code { tree in
      for count in 1...128 { try tree.makeFolder(Array(repeating: "d", count: count).joined(separator: "/")) }
      try tree.makeFolder(String(repeating: "n", count: 255))
      symlink(String(repeating: "t", count: 4_095), tree.path + "/l")
    }
    #expect(full == nil)
  }

  /// A folder with more names than there is memory for.
  @Test func tooManyNamesAreRefused() throws {
    // Where files cost nothing: 131,000 names of 250 bytes.
    let folder = try TemporaryFolder(inMemory: true)
    let tail = String(repeating: "n", count: 244)
    for number in 100_000..<231_000 {
      let descriptor = open("\(folder.path)/\(number)\(tail)", O_CREAT | O_WRONLY, 0o600)
      try #require(descriptor >= 0)
      close(descriptor)
    }
    let error = refusal { try DirectoryReader(folder.path) }
    #expect(error?.code == .pushEntry && error?.message.contains("too many names") == true)
  }
}
