import Core
import Fixtures
import Pax
import Testing

@Suite struct PaxDecoderTests {
  /// What a decoder told of an archive.
  private struct Told: Equatable {
    var entries: [PaxEntry] = []
    var contents: [[UInt8]] = []
  }

  /// Decodes an archive that comes in pieces of a length.
  private func decode(_ archive: [UInt8], pieceByteCount: Int = .max) throws(PosternError) -> Told {
    var decoder = PaxDecoder()
    var told = Told()
    var rest = archive[...]
    repeat {
      let piece = Array(rest.prefix(pieceByteCount))
      rest = rest.dropFirst(piece.count)
      try piece.withUnsafeBufferPointer { (piece) throws(PosternError) in
        var position = 0
        let bytes = UnsafeRawBufferPointer(piece)
        while let event = try decoder.next(in: bytes, at: &position) {
          switch event {
          case .entry(let entry):
            told.entries.append(entry)
            told.contents.append([])
          case .content(let range): told.contents[told.contents.count - 1] += bytes[range]
          }
        }
      }
    } while !rest.isEmpty
    try decoder.finish()
    return told
  }

  private func archive(_ entries: [(PaxEntry, [UInt8])], end: [UInt8] = PaxHeader.end) -> [UInt8] {
    entries.reduce(into: []) { archive, next in
      archive += PaxHeader.bytes(of: next.0) + next.1 + [UInt8](repeating: 0, count: next.0.paddingByteCount)
    } + end
  }

  private func entry(_ path: String, _ kind: PaxEntry.Kind = .file(byteCount: 0)) -> PaxEntry {
    let names = path.isEmpty ? [] : path.split(separator: "/", omittingEmptySubsequences: false).map { Array($0.utf8) }
    if case .link = kind { return PaxEntry(names: names, kind: kind, permissions: PaxEntry.linkPermissions) }
    return PaxEntry(names: names, kind: kind, permissions: 0o640)
  }

  private func folder(_ path: String) -> PaxEntry { entry(path, .folder) }

  private func link(_ path: String, _ target: String) -> PaxEntry { entry(path, .link(target: Array(target.utf8))) }

  private func refused(_ entries: [PaxEntry]) -> PosternError.Code? {
    let bytes = archive(entries.map { ($0, [UInt8](repeating: 7, count: $0.contentByteCount)) })
    return refusal { try decode(bytes) }?.code
  }

  private func name(_ byteCount: Int, _ letter: Character = "n") -> String {
    String(repeating: letter, count: byteCount)
  }

  /// A directory with an entry on each side of what ustar can say.
  private var sample: [(PaxEntry, [UInt8])] {
    var entries: [(PaxEntry, [UInt8])] = [(folder(""), [])]
    for count in [0, 1, 511, 512, 513, 1_500] {
      entries.append((entry("a\(1_000 + count)", .file(byteCount: count)), [UInt8](repeating: 9, count: count)))
    }
    entries.append((folder("b"), []))
    entries.append((entry("b/" + name(95), .file(byteCount: 3)), [1, 2, 3]))
    entries.append((entry("b/" + name(96), .file(byteCount: 3)), [1, 2, 3]))
    entries.append((entry("b/" + name(97), .file(byteCount: 3)), [1, 2, 3]))
    entries.append((folder("b/" + name(255)), []))
    entries.append((link("b/" + name(255) + "/" + name(255, "o"), name(101)), []))
    entries.append((link("c", name(100)), []))
    entries.append((link("d", "../../etc/passwd"), []))
    entries.append((entry("new\nline and space"), []))
    entries.append((entry("ünïcode"), []))
    entries.append((PaxEntry(names: [[0xff, 0xfe]], kind: .file(byteCount: 0), permissions: 0), []))
    return entries
  }

  @Test func whatIsWrittenIsReadHoweverItIsCut() throws {
    let sample = sample
    let expected = Told(entries: sample.map(\.0), contents: sample.map(\.1))
    let bytes = archive(sample)
    #expect(bytes.count % 512 == 0)
    for count in [1, 2, 7, 511, 512, 513, 4_096, .max] {
      #expect(try decode(bytes, pieceByteCount: count) == expected, "\(count)")
    }
  }

  @Test func recordsStandWhereUstarCannotSayIt() {
    func blockCount(_ entry: PaxEntry) -> Int { PaxHeader.bytes(of: entry).count / 512 }
    // “./” counts, and the slash behind a folder.
    #expect(blockCount(entry(name(98))) == 1 && blockCount(entry(name(99))) == 3)
    #expect(blockCount(folder(name(97))) == 1 && blockCount(folder(name(98))) == 3)
    #expect(blockCount(entry("ü")) == 3)
    #expect(blockCount(link("l", name(100))) == 1 && blockCount(link("l", name(101))) == 3)
    #expect(blockCount(entry("f", .file(byteCount: (1 << 33) - 1))) == 1)
    #expect(blockCount(entry("f", .file(byteCount: 1 << 33))) == 3)
    #expect(blockCount(link(name(255), name(4_095))) == 2 + 9)
  }

  @Test func longFilesAreToldBeforeTheirContent() throws {
    for byteCount in [(1 << 33) - 1, 1 << 33, 1 << 50] {
      let file = entry("f", .file(byteCount: byteCount))
      var decoder = PaxDecoder()
      var told: [PaxEntry] = []
      let bytes = PaxHeader.bytes(of: folder("")) + PaxHeader.bytes(of: file)
      try bytes.withUnsafeBytes { bytes in
        var position = 0
        while let event = try decoder.next(in: bytes, at: &position) {
          if case .entry(let entry) = event { told.append(entry) }
        }
      }
      #expect(told == [folder(""), file])
      #expect(refusal { try decoder.finish() }?.code == .directoryEnd)
    }
    #expect(refused([folder(""), entry("f", .file(byteCount: 0))]) == nil)
  }

  /// What would put something elsewhere than below the directory.
  @Test func noPathLeadsOut() {
    let paths = ["..", ".", "../x", "a/../x", "a/./x", "a//x", "/etc/x", "a/..", "", name(256), "a/" + name(256)]
    for path in paths {
      for kind in [PaxEntry.Kind.file(byteCount: 0), .folder, .link(target: [1])]
      where !(path.isEmpty && kind == .folder) {
        let foul = PaxEntry(
          names: path.split(separator: "/", omittingEmptySubsequences: false).map { Array($0.utf8) }, kind: kind,
          permissions: kind == .link(target: [1]) ? 0o777 : 0)
        let code = refused([folder(""), folder("a"), foul])
        #expect(code == .directoryPath, "“\(path)” as \(kind): \(String(describing: code))")
      }
    }
    for path in ["/etc/x", "../x", "/", ".."] {
      // As other programs write it, without “./” before it.
      #expect(
        refusal { try decode(archive([(folder(""), [])], end: []) + foreign(path)) }?.code == .directoryPath, "\(path)")
    }
    #expect(refusal { try decode(archive([(folder(""), [])], end: []) + foreign("x")) }?.code == .directoryHeader)
    for name: [UInt8] in [[0], [65, 0, 66], Array("ü".utf8) + [0]] {
      #expect(refused([folder(""), PaxEntry(names: [name], kind: .folder, permissions: 0)]) != nil)
    }
    // A zero cannot stand in a field of ustar, but in a record.
    let hidden = PaxEntry(names: [Array("ü".utf8) + [0, 65]], kind: .folder, permissions: 0)
    #expect(refused([folder(""), hidden]) == .directoryPath)
    for target: [UInt8] in [[], [UInt8](repeating: 65, count: 4_096), [UInt8](repeating: 65, count: 200) + [0]] {
      let foul = PaxEntry(names: [[65]], kind: .link(target: target), permissions: 0o777)
      #expect(refused([folder(""), foul]) == .directoryPath, "\(target.count)")
    }
    let deep = (1...128).map { folder(Array(repeating: "d", count: $0).joined(separator: "/")) }
    #expect(refused([folder("")] + deep) == nil)
    #expect(
      refused([folder("")] + deep + [entry(Array(repeating: "d", count: 129).joined(separator: "/"))]) == .directoryPath
    )
  }

  /// A header of another program's, of a path as it stands.
  private func foreign(_ path: String) -> [UInt8] {
    var block = PaxHeader.bytes(of: entry("x"))
    for place in 0..<100 { block[place] = 0 }
    block.replaceSubrange(0..<path.utf8.count, with: Array(path.utf8))
    return sealed(block)
  }

  /// A header block with the checksum that it ought to have.
  private func sealed(_ block: [UInt8]) -> [UInt8] {
    var block = block
    for place in 148..<156 { block[place] = 0x20 }
    let digits = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
    block.replaceSubrange(
      148..<156, with: Array((String(repeating: "0", count: 6 - digits.count) + digits).utf8) + [0, 0x20])
    return block
  }

  /// What would be made twice, through something that is no folder, or before its folder.
  @Test func entriesRiseAndLieInFoldersThatWereNamed() {
    let root = folder("")
    let cases: [[PaxEntry]] = [
      [entry("a")], [root, root], [entry("", .file(byteCount: 0))],
      [root, entry("a"), entry("a")], [root, folder("a"), folder("a")], [root, folder("a"), entry("a")],
      [root, entry("b"), entry("a")], [root, folder("b"), entry("b/x"), entry("a")],
      [root, folder("a"), entry("a/x"), entry("b"), entry("a/y")],
      [root, folder("a"), entry("a/y"), entry("a/x")], [root, folder("a"), entry("a/x"), entry("a/x")],
      [root, entry("a/x")], [root, entry("a"), entry("a/x")],
      // Through a link, to wherever it leads.
      [root, link("a", "/etc"), entry("a/passwd")], [root, link("a", "b"), folder("a/c")],
      [root, folder("a"), link("a/l", ".."), entry("a/l/x")],
      [root, folder("a"), folder("a/b"), entry("a/c/x")], [root, folder("a"), entry("b"), folder("a/b")],
    ]
    for (number, entries) in cases.enumerated() {
      let code = refused(entries)
      #expect(
        code == .directoryOrder || (number == 2 && code == .directoryPath),
        "case \(number): \(String(describing: code))")
    }
    #expect(refused([root, folder("a"), entry("a/x"), entry("a0"), folder("b"), entry("b/x")]) == nil)
    // By folder, and not by the path's bytes: “a!” lies behind what is in “a”.
    #expect(refused([root, folder("a"), entry("a/x"), entry("a!")]) == nil)
  }

  /// Whatever is changed is refused, or is the one archive of another directory: another content, another long path.
  @Test func everyChangedByteIsNoticed() throws {
    let entries = [
      (folder(""), []), (entry("f", .file(byteCount: 3)), [1, 2, 3] as [UInt8]), (link("l", "target"), []),
      (entry(name(120), .file(byteCount: 1)), [4]),
    ]
    let bytes = archive(entries)
    let told = try decode(bytes)
    var takenCount = 0
    for place in bytes.indices {
      for bit in 0..<8 {
        var changed = bytes
        changed[place] ^= 1 << bit
        guard let other = try? decode(changed) else { continue }
        takenCount += 1
        #expect(other != told && archive(Array(zip(other.entries, other.contents))) == changed, "byte \(place)")
      }
    }
    // Four bytes of content, and 22 of a name that ustar has no room for.
    #expect((4 * 8...26 * 8).contains(takenCount), "\(takenCount)")
    for count in bytes.indices {
      let code = refusal { try decode(Array(bytes[..<count])) }?.code
      #expect(code == .directoryEnd, "\(count) bytes: \(String(describing: code))")
    }
    for more in [[0], [1], [UInt8](repeating: 0, count: 512)] {
      #expect(refusal { try decode(bytes + more) }?.code == .directoryEnd)
    }
    #expect(refusal { try decode([UInt8](repeating: 0, count: 1_024)) }?.code == .directoryEnd)
    #expect(refusal { try decode([]) }?.code == .directoryEnd)
  }

  /// Other ways to say the same thing, each with a good checksum.
  @Test func thereIsOneWayToSayIt() {
    let good = PaxHeader.bytes(of: entry("f"))
    let changes: [(String, Range<Int>, String)] = [
      ("a mode of more bits", 100..<107, "0004640"), ("an owner", 108..<115, "0001750"),
      ("a group", 116..<123, "0001750"),
      ("a time", 136..<147, "00000000001"), ("spaces in a number", 124..<135, "          0"),
      ("a hard link", 156..<157, "1"),
      ("a device", 156..<157, "3"), ("a pipe", 156..<157, "6"), ("another kind", 156..<157, "7"),
      ("an old file", 156..<157, "\0"),
      ("a global header", 156..<157, "g"), ("a GNU name", 156..<157, "L"), ("a target", 157..<158, "t"),
      ("GNU's magic", 257..<265, "ustar  \0"), ("a user", 265..<269, "root"), ("a group's name", 297..<301, "root"),
      ("a device's number", 329..<336, "0000001"), ("a prefix", 345..<348, "dir"), ("a rest", 500..<501, "x"),
      ("a number in base 256", 124..<125, "\u{0}"),
    ]
    for (what, range, text) in changes {
      var block = good
      block.replaceSubrange(range, with: Array(text.utf8))
      let code = refusal { try decode(archive([(folder(""), [])], end: []) + sealed(block) + PaxHeader.end) }?.code
      #expect(code == .directoryHeader, "\(what): \(String(describing: code))")
    }
    let link = PaxHeader.bytes(of: link("l", "target"))
    for mode in ["0000644", "0000000", "0000776"] {
      var block = link
      block.replaceSubrange(100..<107, with: Array(mode.utf8))
      let code = refusal { try decode(archive([(folder(""), [])], end: []) + sealed(block) + PaxHeader.end) }?.code
      #expect(code == .directoryHeader, "a link's permissions \(mode): \(String(describing: code))")
    }
    #expect(sealed(good) == good && sealed(link) == link)
    for records in [
      "10 path=f\n", "12 mtime=10\n", "9 path=f\n", "path=f\n", "11 path=\n", "99 path=ü\n", "19 path=\(name(11))\n",
    ] {
      let text = Array(records.utf8)
      var block = PaxHeader.bytes(of: entry("ü")).prefix(512).map { $0 }
      let size = String(text.count, radix: 8)
      block.replaceSubrange(124..<135, with: Array((String(repeating: "0", count: 11 - size.count) + size).utf8))
      let padded = text + [UInt8](repeating: 0, count: 512 - text.count)
      let code = refusal {
        try decode(archive([(folder(""), [])], end: []) + sealed(block) + padded + good + PaxHeader.end)
      }?.code
      #expect(code == .directoryHeader, "\(records): \(String(describing: code))")
    }
    // Records that claim to be endless take no memory.
    var block = PaxHeader.bytes(of: entry("ü")).prefix(512).map { $0 }
    block.replaceSubrange(124..<135, with: Array("77777777777".utf8))
    #expect(refusal { try decode(archive([(folder(""), [])], end: []) + sealed(block)) }?.code == .directoryHeader)
  }

  /// Who named a file cannot speak to the terminal of who is told about it.
  @Test func pathsAreShownHarmlessly() {
    let foul = PaxEntry(names: [Array("a\u{1b}[2J\n\u{202e}b".utf8), [0xff, 0x07]], kind: .folder, permissions: 0)
    #expect(foul.shownPath == "a\u{FFFD}[2J\u{FFFD}\u{FFFD}b/\u{FFFD}\u{FFFD}")
    #expect(entry(name(255) + "/" + name(255)).shownPath == name(200) + "…")
  }
}
