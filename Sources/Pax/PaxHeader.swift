/// The bytes before an entry's content: a ustar header and, where ustar cannot say it, a pax header before that.
public enum PaxHeader {
  /// What ends an archive: two blocks of zeros.
  public static let end = [UInt8](repeating: 0, count: 2 * PaxEntry.blockByteCount)

  /// The headers of an entry: one block, or three and more where a path, a target or a length needs them.
  public static func bytes(of entry: PaxEntry) -> [UInt8] {
    let path = entry.path
    var target: [UInt8] = []
    if case .link(let bytes) = entry.kind { target = bytes }
    var byteCount = entry.contentByteCount
    var records: [UInt8] = []
    if path.count > Field.name.count || path.contains(where: { $0 >= 0x80 }) {
      records += record("path", path)
    }
    if target.count > Field.linkName.count { records += record("linkpath", target) }
    if byteCount > byteCountLimit {
      records += record("size", Array("\(byteCount)".utf8))
      byteCount = 0
    }
    var bytes: [UInt8] = []
    if !records.isEmpty {
      let name = Array("pax_header".utf8)
      bytes = block(name: name, permissions: 0o644, byteCount: records.count, type: Kind.records, target: [])
      bytes += records
      bytes += [UInt8](repeating: 0, count: -records.count & (PaxEntry.blockByteCount - 1))
    }
    return bytes
      + block(name: path, permissions: entry.permissions, byteCount: byteCount, type: Kind(entry.kind), target: target)
  }

  /// The most bytes that the eleven octal digits of a size say.
  private static let byteCountLimit = (1 << 33) - 1

  /// What a header's type says.
  enum Kind: UInt8 {
    case file = 0x30
    case link = 0x32
    case folder = 0x35
    /// Records about the entry that follows.
    case records = 0x78

    init(_ kind: PaxEntry.Kind) {
      switch kind {
      case .folder: self = .folder
      case .file: self = .file
      case .link: self = .link
      }
    }
  }

  /// Where the fields of a ustar header lie; what is not named is zeros.
  enum Field {
    static let name = 0..<100
    static let mode = 100..<108
    static let user = 108..<116
    static let group = 116..<124
    static let size = 124..<136
    static let time = 136..<148
    static let checksum = 148..<156
    static let type = 156
    static let linkName = 157..<257
    static let magic = 257..<265
    static let deviceMajor = 329..<337
    static let deviceMinor = 337..<345
  }

  private static func block(
    name: [UInt8], permissions: UInt16, byteCount: Int, type: Kind, target: [UInt8]
  ) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: PaxEntry.blockByteCount)
    func put(_ bytes: some Collection<UInt8>, _ field: Range<Int>) {
      let bytes = bytes.prefix(field.count)
      block.replaceSubrange(field.lowerBound..<field.lowerBound + bytes.count, with: bytes)
    }
    put(name, Field.name)
    put(octal(Int(permissions), in: Field.mode), Field.mode)
    put(octal(0, in: Field.user), Field.user)
    put(octal(0, in: Field.group), Field.group)
    put(octal(byteCount, in: Field.size), Field.size)
    put(octal(0, in: Field.time), Field.time)
    block[Field.type] = type.rawValue
    put(target, Field.linkName)
    put(Array("ustar\0".utf8) + Array("00".utf8), Field.magic)
    if type != .records {
      put(octal(0, in: Field.deviceMajor), Field.deviceMajor)
      put(octal(0, in: Field.deviceMinor), Field.deviceMinor)
    }
    put([UInt8](repeating: .space, count: Field.checksum.count), Field.checksum)
    let sum = block.reduce(0) { $0 + Int($1) }
    put(octal(sum, digitCount: 6) + [0, .space], Field.checksum)
    return block
  }

  /// A number in octal digits that leave room for one zero byte in the field.
  private static func octal(_ number: Int, in field: Range<Int>) -> [UInt8] {
    octal(number, digitCount: field.count - 1)
  }

  private static func octal(_ number: Int, digitCount: Int) -> [UInt8] {
    let digits = String(number, radix: 8).utf8
    return [UInt8](repeating: UInt8(ascii: "0"), count: max(0, digitCount - digits.count)) + digits
  }

  /// `LENGTH KEY=VALUE\n`, whose length counts its own digits.
  private static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
    let rest = [.space] + Array(key.utf8) + [UInt8(ascii: "=")] + value + [.newline]
    var count = rest.count
    while "\(count)".utf8.count + rest.count != count { count = "\(count)".utf8.count + rest.count }
    return Array("\(count)".utf8) + rest
  }
}

extension UInt8 {
  static let space = UInt8(ascii: " ")
  static let newline = UInt8(ascii: "\n")
}
