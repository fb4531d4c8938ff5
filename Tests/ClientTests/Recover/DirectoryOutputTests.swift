import Client
import Core
import Fixtures
import Foundation
import Glibc
import Pax
import Testing

@Suite struct DirectoryOutputTests {
  private func entry(_ path: String, _ kind: PaxEntry.Kind = .file(byteCount: 0), _ permissions: UInt16 = 0o640)
    -> PaxEntry
  {
    let isLink = if case .link = kind { true } else { false }
    return PaxEntry(
      names: path.split(separator: "/").map { Array($0.utf8) }, kind: kind,
      permissions: isLink ? PaxEntry.linkPermissions : permissions)
  }

  private func archive(_ entries: [PaxEntry]) -> [UInt8] {
    entries.reduce(into: []) { archive, entry in
      archive += PaxHeader.bytes(of: entry) + [UInt8](repeating: 7, count: entry.contentByteCount)
      archive += [UInt8](repeating: 0, count: entry.paddingByteCount)
    } + PaxHeader.end
  }

  /// Unpacks an archive that comes in pieces of a length.
  private func unpack(_ archive: [UInt8], to path: String, pieceByteCount: Int = 700) throws(PosternError) {
    let output = try DirectoryOutput(path, byteCount: archive.count)
    var rest = archive[...]
    while !rest.isEmpty {
      let piece = Array(rest.prefix(pieceByteCount))
      try piece.withUnsafeBufferPointer { (bytes) throws(PosternError) in
        try output.write(UnsafeRawBufferPointer(bytes))
      }
      rest = rest.dropFirst(piece.count)
    }
    try output.commit()
  }

  private func mode(_ path: String) -> UInt32 {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : .max
  }

  private func names(_ folder: TemporaryFolder) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
  }

  private var sample: [PaxEntry] {
    [
      entry("", .folder, 0o550), entry("closed", .folder, 0o000), entry("closed/f", .file(byteCount: 1_500), 0o000),
      entry("closed/inner", .folder, 0o111), entry("closed/inner/l", .link(target: Array("/etc/passwd".utf8))),
      entry("f", .file(byteCount: 3), 0o777), entry("z", .folder, 0o777),
    ]
  }

  @Test(arguments: [1, 700, 1 << 20]) func everythingIsMadeWithItsPermissions(pieceByteCount: Int) throws {
    let folder = try TemporaryFolder()
    let path = folder.path("out")
    let old = umask(0o077)
    defer { umask(old) }
    try unpack(archive(sample), to: path, pieceByteCount: pieceByteCount)
    #expect(try names(folder) == ["out"])
    #expect(mode(path) == 0o550 && mode(path + "/closed") == 0 && mode(path + "/closed/f") == 0)
    #expect(mode(path + "/closed/inner") == 0o111 && mode(path + "/f") == 0o777 && mode(path + "/z") == 0o777)
    chmod(path + "/closed", 0o700)
    chmod(path + "/closed/f", 0o600)
    #expect(try Data(contentsOf: URL(filePath: path + "/closed/f")) == Data(repeating: 7, count: 1_500))
    chmod(path + "/closed/inner", 0o700)
    let target = try FileManager.default.destinationOfSymbolicLink(atPath: path + "/closed/inner/l")
    #expect(target == "/etc/passwd")
    chmod(path, 0o700)
  }

  /// Wherever the archive turns bad, nothing of it stays, whatever the permissions of what was made by then.
  @Test func whatIsCutOrFoulLeavesNothing() throws {
    let folder = try TemporaryFolder()
    let outside = folder.path("outside")
    try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: false)
    let bytes = archive(sample)
    for count in stride(from: 0, to: bytes.count, by: 300) {
      let code = refusal { try unpack(Array(bytes[..<count]), to: folder.path("out")) }?.code
      #expect(code == .directoryEnd, "\(count)")
      #expect(try names(folder) == ["outside"], "\(count)")
    }
    let root = entry("", .folder, 0o700)
    let foul: [(PosternError.Code, [PaxEntry])] = [
      (.directoryOrder, [root, entry("a", .link(target: Array(outside.utf8))), entry("a/x")]),
      (.directoryPath, [root, PaxEntry(names: [Array("..".utf8), Array("x".utf8)], kind: .folder, permissions: 0)]),
      (
        .directoryPath,
        [root, entry("d", .folder), PaxEntry(names: [[], Array("etc".utf8)], kind: .folder, permissions: 0)]
      ),
      (.directoryOrder, [root, entry("closed", .folder, 0), entry("closed/x"), entry("b")]),
    ]
    for (code, entries) in foul {
      #expect(refusal { try unpack(archive(entries), to: folder.path("out")) }?.code == code)
      #expect(try names(folder) == ["outside"])
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: outside).isEmpty)
  }

  @Test func nothingIsOverwritten() throws {
    let folder = try TemporaryFolder()
    let bytes = archive(sample)
    func code(_ name: String) -> PosternError.Code? { refusal { try unpack(bytes, to: folder.path(name)) }?.code }
    try FileManager.default.createDirectory(atPath: folder.path("full"), withIntermediateDirectories: false)
    try Data().write(to: URL(filePath: folder.path("full/f")))
    try Data().write(to: URL(filePath: folder.path("file")))
    for (name, target) in [("link", "empty"), ("dangling", "nowhere")] {
      try FileManager.default.createSymbolicLink(atPath: folder.path(name), withDestinationPath: target)
    }
    try FileManager.default.createDirectory(atPath: folder.path("empty"), withIntermediateDirectories: false)
    for name in ["full", "full/", "file", "link", "dangling"] { #expect(code(name) == .recoverExists, "\(name)") }
    for name in [".", "full/..", "/."] { #expect(code(name) == .recoverOutput, "\(name)") }
    #expect(refusal { try unpack(bytes, to: "/") }?.code == .recoverOutput)
    #expect(refusal { try unpack(bytes, to: "") }?.code == .recoverOutput)
    #expect(code("empty/") == nil && mode(folder.path("empty")) == 0o550)
    // What comes into its place meanwhile stays.
    for (name, make) in [
      ("late", { (path: String) in mkdir(path, 0o700) + mkdir(path + "/inner", 0o700) }),
      ("later", { (path: String) in symlink("empty", path) }),
    ] {
      var output: DirectoryOutput? = try DirectoryOutput(folder.path(name), byteCount: 0)
      try bytes.withUnsafeBytes { try output?.write($0) }
      #expect(make(folder.path(name)) == 0)
      #expect(refusal { try output?.commit() }?.code == .recoverExists, "\(name)")
      output = nil
    }
    #expect(try names(folder).allSatisfy { !$0.hasSuffix(".part") })
    chmod(folder.path("empty"), 0o700)
    chmod(folder.path("empty/closed"), 0o700)
  }

  /// What comes after the directory was removed, in the middle of a file or before another, is refused and makes
  /// nothing.
  @Test(arguments: [700, 1_200, 3_000]) func whatIsWrittenAfterItWasRemovedIsRefused(_ cut: Int) throws {
    let folder = try TemporaryFolder()
    let bytes = archive(sample)
    let output = try DirectoryOutput(folder.path("out"), byteCount: bytes.count)
    try bytes[..<cut].withUnsafeBytes { try output.write($0) }
    output.discard()
    #expect(refusal { try bytes[cut...].withUnsafeBytes { try output.write($0) } }?.code == .recoverOutput)
    #expect(refusal { try output.commit() } != nil)
    #expect(try names(folder).isEmpty)
  }
}
