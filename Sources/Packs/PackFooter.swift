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
  /// How many bytes a pack with this footer has before it: the header and the objects.
  public let dataByteCount: UInt64

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
    dataByteCount = entries.reduce(UInt64(PackFormat.headerByteCount)) { max($0, $1.end) }
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
    dataByteCount = try PackFooter.check(bytes, count: count, source)
  }

  /// The name of a pack with this footer.
  public var name: Digest { SHA256.hash(bytes) }

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
    let place = (0..<count).position { self[$0].id < id }
    return place < count && self[place].id == id ? self[place] : nil
  }

  /// Checks the entries.
  ///
  /// - Returns: where the last object ends.
  private static func check(_ bytes: [UInt8], count: Int, _ source: String) throws(PosternError) -> UInt64 {
    // Where each object begins, and its length in the lower half: sorted as numbers, which is quick.
    var spans: [UInt64] = []
    spans.reserveCapacity(count)
    let wrong: String? = bytes.withUnsafeBytes { buffer in
      var last: Digest?
      for position in 0..<count {
        let start = PackFormat.entryOffset(position)
        let raw = UnsafeRawBufferPointer(rebasing: buffer[start..<start + PackFormat.entryByteCount])
        guard let entry = PackEntry(raw) else { return "an object is of no known kind" }
        guard entry.offset <= PackFormat.fileByteLimit, 1...PackFormat.objectByteLimit ~= Int(entry.length) else {
          return "an object lies beyond the limits"
        }
        if let last, last >= entry.id { return "its ids do not rise" }
        last = entry.id
        spans.append(entry.offset << 32 | UInt64(entry.length))
      }
      return nil
    }
    if let wrong { throw PackFormat.damaged(source, wrong) }
    spans.sort()
    var end = UInt64(PackFormat.headerByteCount)
    for span in spans {
      guard span >> 32 == end else { throw PackFormat.damaged(source, "its objects do not lie back to back") }
      end += span & UInt64(UInt32.max)
    }
    return end
  }
}
