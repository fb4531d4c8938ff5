public import Core
internal import Dump

/// The numbers of a pack's file; `Schema/storage.md` has its tables.
public enum PackFormat {
  /// The most bytes that a pack's file may have: 1 GiB, so that dropping, copying and verifying one is short.
  public static let fileByteLimit: UInt64 = 1 << 30
  /// The most objects of one pack: its footer is then at most 11.8 MB.
  public static let objectLimit = 1 << 18
  /// The most bytes of one object: 16 MiB, above every chunk, node and body.
  public static let objectByteLimit = 1 << 24
  /// The most bytes of one body that an archive admits: a veil of 1,025 holders is the largest but for a charter.
  public static let bodyByteLimit = 2 << 20

  static let headerByteCount = 64
  static let trailerByteCount = 16
  /// An entry of a footer: id, kind, offset, length.
  public static let entryByteCount = Digest.byteCount + 1 + 8 + 4
  /// Magic, application, generation, count.
  static let footerHeadByteCount = 16 + Digest.byteCount + 8 + 4

  private static let headerMagic = Array("postern/pack/v1\n".utf8)
  static let footerMagic = Array("postern/index/v1".utf8)
  private static let trailerMagic = Array("pstnpack".utf8)

  /// How many bytes the footer and the trailer after it take.
  static func endByteCount(objects: Int) -> Int {
    footerHeadByteCount + objects * entryByteCount + trailerByteCount
  }

  /// Where in a footer an entry begins.
  static func entryOffset(_ position: Int) -> Int { footerHeadByteCount + position * entryByteCount }

  /// A pack's first bytes.
  static func header(app: Digest, generation: UInt64) -> [UInt8] {
    var bytes = headerMagic
    bytes.append(app)
    bytes.append(bigEndian: generation)
    bytes.append(bigEndian: UInt64(0))
    return bytes
  }

  /// Whose pack it is that begins with these bytes; nil where it is none.
  static func space(inHeader bytes: [UInt8]) -> (app: Digest, generation: UInt64)? {
    var reader = ByteReader(bytes)
    guard let magic = try? reader.read(headerMagic.count), magic.elementsEqual(headerMagic),
      let app = try? reader.readDigest(), let generation = try? reader.read(UInt64.self),
      bytes == header(app: app, generation: generation)
    else { return nil }
    return (app, generation)
  }

  /// A pack's last bytes.
  static func trailer(footerByteCount: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: UInt64(footerByteCount))
    return bytes + trailerMagic
  }

  /// The footer's length out of a trailer; nil when it is none, or the length is impossible.
  static func footerByteCount(trailer: [UInt8]) -> Int? {
    guard trailer.count == trailerByteCount, trailer.suffix(8).elementsEqual(trailerMagic) else { return nil }
    let length = trailer.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let most = footerHeadByteCount + objectLimit * entryByteCount
    guard length >= footerHeadByteCount, length <= most else { return nil }
    return Int(length)
  }

  /// What the head of a footer says; nil where the bytes are no footer, or not as long as it says.
  static func footerHead(of footer: [UInt8]) -> (app: Digest, generation: UInt64, count: Int)? {
    var reader = ByteReader(footer)
    guard let magic = try? reader.read(footerMagic.count), magic.elementsEqual(footerMagic),
      let app = try? reader.readDigest(), let generation = try? reader.read(UInt64.self),
      let count = try? reader.read(UInt32.self), count <= objectLimit,
      reader.remaining == Int(count) * entryByteCount
    else { return nil }
    return (app, generation, Int(count))
  }

  /// The error for a pack whose footer has another hash than its name.
  static func wrongName(_ path: String) -> PosternError {
    PosternError(
      .packWrongName, "The footer of the pack \(path) is not the one that its name names.",
      advice: "Copy it again from an archive or a copy that holds it.")
  }

  /// The error for a pack of another application or generation.
  static func wrongSpace(_ path: String) -> PosternError {
    PosternError(
      .packWrongSpace, "The pack \(path) belongs to another application or generation.",
      advice: "Put it back under the folder of its own application.")
  }

  /// The error for a pack whose bytes do not fit the format.
  static func damaged(_ path: String, _ what: String) -> PosternError {
    PosternError(
      .packDamaged, "The pack \(path) is damaged: \(what).",
      advice: "Copy it again from an archive or a copy that holds it.")
  }
}

extension ObjectKind {
  /// The most bytes that an object of the kind has: no reader takes more memory for one, whatever a footer says.
  var byteLimit: Int {
    switch self {
    case .chunk: DumpLimits.sealedChunkByteCount
    case .node: DumpLimits.nodeByteCount
    case .body: PackFormat.bodyByteLimit
    }
  }
}

/// Where an object lies in a pack.
public struct PackEntry: Hashable, Sendable {
  /// SHA-256 of the object's bytes.
  public let id: Digest
  /// The object's first byte in the file.
  public let offset: UInt64
  /// How many bytes it has, at least one.
  public let length: UInt32
  /// What the object is.
  public let kind: ObjectKind

  /// Makes an entry.
  public init(id: Digest, kind: ObjectKind, offset: UInt64, length: UInt32) {
    self.id = id
    self.offset = offset
    self.length = length
    self.kind = kind
  }

  /// An entry from its ``PackFormat/entryByteCount`` bytes; nil for an unknown kind.
  init?(_ entry: UnsafeRawBufferPointer) {
    guard let kind = ObjectKind(rawValue: entry[Digest.byteCount]) else { return nil }
    self.init(
      id: Digest(entry.bytes), kind: kind,
      offset: UInt64(bigEndian: entry.loadUnaligned(fromByteOffset: 33, as: UInt64.self)),
      length: UInt32(bigEndian: entry.loadUnaligned(fromByteOffset: 41, as: UInt32.self)))
  }

  /// The byte after the object's last.
  public var end: UInt64 { offset + UInt64(length) }

  /// Whether entries lie back to back from `start` to `end`, in any order.
  static func areContiguous(_ entries: some Sequence<PackEntry>, from start: UInt64, to end: UInt64) -> Bool {
    var position = start
    for entry in entries.sorted(by: { $0.offset < $1.offset }) {
      guard entry.offset == position, entry.length > 0 else { return false }
      position = entry.end
    }
    return position == end
  }
}

extension [PackEntry] {
  /// Bytes of the objects together.
  var objectByteCount: Int { reduce(0) { $0 + Int($1.length) } }

  /// Entries as a footer has them, ``PackFormat/entryByteCount`` bytes each.
  public var encoded: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count * PackFormat.entryByteCount)
    for entry in self { bytes.append(entry) }
    return bytes
  }

  /// Entries from their bytes; nil where those are of no such list.
  public init?(encoded bytes: [UInt8]) {
    guard bytes.count.isMultiple(of: PackFormat.entryByteCount) else { return nil }
    var entries: [PackEntry] = []
    entries.reserveCapacity(bytes.count / PackFormat.entryByteCount)
    let isWhole = bytes.withUnsafeBytes { buffer in
      for start in stride(from: 0, to: buffer.count, by: PackFormat.entryByteCount) {
        let one = UnsafeRawBufferPointer(rebasing: buffer[start..<start + PackFormat.entryByteCount])
        guard let entry = PackEntry(one) else { return false }
        entries.append(entry)
      }
      return true
    }
    guard isWhole else { return nil }
    self = entries
  }
}

extension [UInt8] {
  mutating func append(_ entry: PackEntry) {
    append(entry.id)
    append(entry.kind.rawValue)
    append(bigEndian: entry.offset)
    append(bigEndian: entry.length)
  }
}
