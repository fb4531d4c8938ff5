public import Core

/// Which bundle of entries: index and width (C2SP tlog-tiles); the entries of the level-0 tile of that place.
public struct BundleCoordinate: Hashable, Sendable {
  /// The bundle's place, from 0: its first entry is number index × 256 of the log.
  public let index: UInt64
  /// How many entries it has: 1 to 255 in a partial bundle, 256 in a full one.
  public let width: Int

  /// A coordinate from outside.
  ///
  /// - Throws: `log.tile-path` when the width is out of range.
  public init(index: UInt64, width: Int) throws(PosternError) {
    guard (1...TileCoordinate.fullWidth).contains(width) else {
      throw PosternError(
        .logTilePath, "There is no bundle of width \(width).", advice: "Widths go from 1 to 256.")
    }
    self.init(checkedIndex: index, width: width)
  }

  /// The bundle at an index as a tree of some size has it; nil where the tree has none there.
  public init?(index: UInt64, treeSize: UInt64) {
    guard let tile = TileCoordinate(level: 0, index: index, treeSize: treeSize) else { return nil }
    self.init(checkedIndex: index, width: tile.width)
  }

  init(checkedIndex index: UInt64, width: Int) {
    self.index = index
    self.width = width
  }

  /// The place of the bundle that has an entry.
  public static func index(ofEntry number: UInt64) -> UInt64 { number / UInt64(TileCoordinate.fullWidth) }

  /// The numbers of its entries in the log; none where they would not fit, which is in no log.
  public var entryNumbers: Range<UInt64> {
    let (first, isBeyond) = index.multipliedReportingOverflow(by: UInt64(TileCoordinate.fullWidth))
    guard !isBeyond, first <= UInt64.max - UInt64(width) else { return 0..<0 }
    return first..<first + UInt64(width)
  }

  /// The tile that holds the hashes of these entries.
  public var tile: TileCoordinate { TileCoordinate(checkedLevel: 0, index: index, width: width) }

  /// The most bytes that a bundle of this width can have: 65,537 an entry.
  public var maximumByteCount: Int { width * (2 + EntryBundle.maximumEntryByteCount) }
}

/// Entries of the log in order, as they are stored and served: each behind its length as a big-endian `u16`.
public struct EntryBundle: Hashable, Sendable {
  /// The most bytes that an entry can have.
  public static let maximumEntryByteCount = 65_535

  /// The entries, at most 256.
  public let entries: [[UInt8]]

  /// A bundle of entries.
  ///
  /// - Throws: `log.entry-length` with the entry's place when one has more than 65,535 bytes, `log.bundle`
  ///   when they are none or more than 256.
  public init(_ entries: [[UInt8]]) throws(PosternError) {
    guard (1...TileCoordinate.fullWidth).contains(entries.count) else {
      throw PosternError(
        .logBundle, "A bundle of \(entries.count) entries cannot be.", advice: "Bundles hold 1 to 256 entries.")
    }
    if let long = entries.firstIndex(where: { $0.count > Self.maximumEntryByteCount }) {
      throw PosternError(
        .logEntryLength, "An entry of \(entries[long].count) bytes does not fit the log.",
        advice: "Entries have at most 65,535 bytes.", index: long)
    }
    self.entries = entries
  }

  /// Reads a bundle of a known width; no length in it makes more memory be taken than the bytes have.
  ///
  /// - Throws: `log.bundle` when the bytes do not hold exactly that many entries.
  public init(parsing bytes: [UInt8], width: Int) throws(PosternError) {
    var reader = ByteReader(bytes)
    var entries: [[UInt8]] = []
    do throws(ByteReader.Failure) {
      while entries.count < width { entries.append(Array(try reader.read(Int(try reader.read(UInt16.self))))) }
      try reader.finish()
    } catch {
      throw PosternError(
        .logBundle, "The bundle does not hold \(width) entries: \(error.rawValue).",
        advice: "Fetch it again, or from another source.", index: entries.count)
    }
    try self.init(entries)
  }

  /// The bundle as it is stored and served.
  public var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(entries.reduce(0) { $0 + 2 + $1.count })
    for entry in entries {
      bytes.append(bigEndian: UInt16(entry.count))
      bytes.append(contentsOf: entry)
    }
    return bytes
  }

  /// The leaf hash of each entry, in order.
  public var leafHashes: [Digest] {
    var hasher = TreeHasher()
    var hashes: [Digest] = []
    hashes.reserveCapacity(entries.count)
    for entry in entries { hashes.append(hasher.leaf(entry[...])) }
    return hashes
  }
}
