/// Reads what a header says, so that it can be compared with how this format would say it.
struct PaxHeaderParser {
  /// The most bytes of records: a path, a target and a length, with their keys and lengths.
  private static let recordsByteCountLimit = 2 * PaxEntry.pathByteCountLimit + 64

  private let bytes: [UInt8]

  /// A parser of one block at least.
  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// How many bytes the header has together with its records; nil where its first block is none.
  var headerByteCount: Int? {
    guard bytes[PaxHeader.Field.type] == PaxHeader.Kind.records.rawValue else { return PaxEntry.blockByteCount }
    guard let count = recordsByteCount else { return nil }
    return 2 * PaxEntry.blockByteCount + count + (-count & (PaxEntry.blockByteCount - 1))
  }

  private var recordsByteCount: Int? {
    guard let count = number(PaxHeader.Field.size, in: 0), 1...PaxHeaderParser.recordsByteCountLimit ~= count else {
      return nil
    }
    return count
  }

  /// What the complete header says; nil where it says nothing that this format knows.
  func entry() -> PaxEntry? {
    let start = bytes.count - PaxEntry.blockByteCount
    var records: [String: [UInt8]] = [:]
    if start > 0 {
      guard let count = recordsByteCount else { return nil }
      guard let read = readRecords(bytes[PaxEntry.blockByteCount..<PaxEntry.blockByteCount + count]) else { return nil }
      records = read
    }
    guard let type = PaxHeader.Kind(rawValue: bytes[start + PaxHeader.Field.type]),
      let permissions = number(PaxHeader.Field.mode, in: start), permissions <= 0o777,
      let stated = number(PaxHeader.Field.size, in: start)
    else { return nil }
    let path = records["path"] ?? text(PaxHeader.Field.name, in: start)
    guard let byteCount = records["size"].map(decimal) ?? stated, byteCount <= PaxEntry.fileByteCountLimit,
      let names = names(of: path, isFolder: type == .folder)
    else { return nil }
    let kind: PaxEntry.Kind
    switch type {
    case .folder: kind = .folder
    case .file: kind = .file(byteCount: byteCount)
    case .link: kind = .link(target: records["linkpath"] ?? text(PaxHeader.Field.linkName, in: start))
    case .records: return nil
    }
    // A link has none of its own: one that states any but these is not written back as it stands, and refused.
    let stands = type == .link ? PaxEntry.linkPermissions : UInt16(permissions)
    return PaxEntry(names: names, kind: kind, permissions: stands)
  }

  /// The names of a path that begins with `./`, however foul they are; nil where it begins otherwise.
  private func names(of path: [UInt8], isFolder: Bool) -> [[UInt8]]? {
    var path = path[...]
    if path == [.dot, .slash], isFolder { return [] }
    if isFolder { path = path.last == .slash ? path.dropLast() : path }
    // A path that leads away from the directory is told as one: each part that is empty, or goes up, stands for itself.
    guard path.starts(with: [.dot, .slash]) else {
      return path.split(separator: .slash, omittingEmptySubsequences: false).map(Array.init)
    }
    return path.dropFirst(2).split(separator: .slash, omittingEmptySubsequences: false).map(Array.init)
  }

  /// Records by key; nil where their lengths do not fit or a key comes twice.
  private func readRecords(_ bytes: ArraySlice<UInt8>) -> [String: [UInt8]]? {
    var records: [String: [UInt8]] = [:]
    var rest = bytes
    while !rest.isEmpty {
      guard let space = rest.prefix(8).firstIndex(of: .space), let count = decimal(Array(rest[..<space])),
        count <= rest.count, count > space - rest.startIndex
      else { return nil }
      let record = rest.prefix(count)
      guard record.last == .newline, let equals = record.firstIndex(of: UInt8(ascii: "=")), equals > space else {
        return nil
      }
      let key = String(decoding: record[(space + 1)..<equals], as: UTF8.self)
      guard records.updateValue(Array(record[(equals + 1)...].dropLast()), forKey: key) == nil else { return nil }
      rest = rest.dropFirst(count)
    }
    return records
  }

  /// A field's octal digits; nil where it has others.
  private func number(_ field: Range<Int>, in start: Int) -> Int? {
    let digits = text(field, in: start)
    guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x37).contains($0) }) else { return nil }
    return digits.reduce(0) { $0 << 3 | Int($1 - 0x30) }
  }

  private func decimal(_ digits: [UInt8]) -> Int? {
    guard 1...16 ~= digits.count, digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
  }

  /// A field up to its first zero byte.
  private func text(_ field: Range<Int>, in start: Int) -> [UInt8] {
    Array(bytes[start + field.lowerBound..<start + field.upperBound].prefix { $0 != 0 })
  }
}
