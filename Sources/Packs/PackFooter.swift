internal import Bulk
public import Core

/// A pack's footer: which objects it holds, sorted by id.
///
/// Its SHA-256 is the pack's name. The bytes stay as they are, and an entry is decoded when it is asked for.
public struct PackFooter: Sendable {
  /// The application whose objects the pack holds.
  public let app: Digest
  /// The generation whose objects the pack holds; 0 for bodies of the whole application.
  public let generation: UInt64
  /// How many objects the pack holds.
  public let count: Int
  /// The footer as it stands in the file.
  public let bytes: [UInt8]

  /// The footer of these objects.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - generation: the generation.
  ///   - entries: sorted by id, each id once, at most ``PackFormat/objectLimit``.
  init(app: Digest, generation: UInt64, entries: [PackEntry]) {
    self.app = app
    self.generation = generation
    count = entries.count
    var bytes = PackFormat.footerMagic
    bytes.reserveCapacity(PackFormat.footerHeadByteCount + entries.count * PackFormat.entryByteCount)
    bytes.append(app)
    bytes.append(bigEndian: generation)
    bytes.append(bigEndian: UInt32(entries.count))
    for entry in entries { bytes.append(entry) }
    self.bytes = bytes
  }

  /// Reads and checks a footer that came from anywhere.
  ///
  /// Its hash is the name, its ids rise strictly, and its objects lie back to back from the header's end to
  /// the footer.
  ///
  /// - Parameters:
  ///   - bytes: the footer alone, without the trailer.
  ///   - name: the pack's name.
  ///   - source: what error messages call the pack.
  /// - Throws: `pack.wrong-name`, `pack.damaged`.
  public init(_ bytes: [UInt8], name: Digest, source: String) throws(PosternError) {
    guard SHA256.hash(bytes) == name else { throw PackFormat.wrongName(source) }
    guard let head = PackFormat.footerHead(of: bytes) else {
      throw PackFormat.damaged(source, "its footer is malformed")
    }
    (app, generation, count) = head
    self.bytes = bytes
    try check(source)
  }

  /// The name of a pack with this footer.
  public var name: Digest { SHA256.hash(bytes) }

  /// How many bytes a pack with this footer has before it: the header and the objects.
  public var dataByteCount: UInt64 {
    (0..<count).reduce(UInt64(PackFormat.headerByteCount)) { max($0, self[$1].end) }
  }

  /// The entry at a position of the sorted order.
  ///
  /// - Precondition: the position is below ``count``.
  public subscript(position: Int) -> PackEntry {
    bytes.withUnsafeBytes { buffer in
      let start = PackFormat.footerHeadByteCount + position * PackFormat.entryByteCount
      precondition(position >= 0 && position < count)
      let entry = UnsafeRawBufferPointer(rebasing: buffer[start..<start + PackFormat.entryByteCount])
      guard let decoded = PackEntry(entry) else { preconditionFailure("the kinds were checked") }
      return decoded
    }
  }

  /// The entries in the order in which the objects lie.
  var entriesAsTheyLie: [PackEntry] { (0..<count).map { self[$0] }.sorted { $0.offset < $1.offset } }

  /// The entry of an object, found by bisection; nil when the pack does not hold it.
  public func entry(_ id: Digest) -> PackEntry? {
    let place = (0..<count).firstPlace { self[$0].id < id }
    return place < count && self[place].id == id ? self[place] : nil
  }

  private func check(_ source: String) throws(PosternError) {
    var entries: [PackEntry] = []
    entries.reserveCapacity(count)
    for position in 0..<count {
      let kind = bytes[PackFormat.footerHeadByteCount + position * PackFormat.entryByteCount + Digest.byteCount]
      guard ObjectKind(rawValue: kind) != nil else {
        throw PackFormat.damaged(source, "an object is of no known kind")
      }
      let entry = self[position]
      guard entry.offset <= PackFormat.fileByteLimit, entry.length <= PackFormat.objectByteLimit else {
        throw PackFormat.damaged(source, "an object lies beyond the limits")
      }
      if let last = entries.last, last.id >= entry.id {
        throw PackFormat.damaged(source, "its ids do not rise")
      }
      entries.append(entry)
    }
    guard PackEntry.areContiguous(entries, from: UInt64(PackFormat.headerByteCount), to: dataByteCount) else {
      throw PackFormat.damaged(source, "its objects do not lie back to back")
    }
  }
}
