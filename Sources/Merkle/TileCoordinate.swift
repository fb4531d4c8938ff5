public import Core

/// Which tile of hashes: level, index and width (C2SP tlog-tiles).
///
/// The hash at place `i` of the tile is the root over the leaves from (index × 256 + i) × 256^level on, as
/// many as 256^level.
public struct TileCoordinate: Hashable, Sendable {
  /// How many hashes a full tile has.
  public static let fullWidth = 256
  /// The highest level that the format can name.
  ///
  /// Trees of 64-bit sizes reach level 7.
  public static let maximumLevel = 63

  /// 0 for leaf hashes, 1 for the roots of full tiles of leaf hashes, and so on to 63.
  public let level: Int
  /// The tile's place in its level, from 0.
  public let index: UInt64
  /// How many hashes it has: 1 to 255 in a partial tile, 256 in a full one.
  public let width: Int

  /// A coordinate from outside.
  ///
  /// - Throws: `log.tile-path` when level or width is out of range.
  public init(level: Int, index: UInt64, width: Int) throws(PosternError) {
    guard (0...Self.maximumLevel).contains(level), (1...Self.fullWidth).contains(width) else {
      throw PosternError(
        .logTilePath, "There is no tile of level \(level) and width \(width).",
        advice: "Levels go from 0 to 63, widths from 1 to 256.")
    }
    self.init(checkedLevel: level, index: index, width: width)
  }

  /// The tile of a level at an index as a tree of some size has it; nil where the tree has none there.
  public init?(level: Int, index: UInt64, treeSize: UInt64) {
    guard (0...Self.maximumLevel).contains(level) else { return nil }
    let levelSize = treeSize >> UInt64(8 * level)
    guard index <= levelSize / 256, index * 256 < levelSize else { return nil }
    let width = min(UInt64(Self.fullWidth), levelSize - index * 256)
    self.init(checkedLevel: level, index: index, width: Int(width))
  }

  init(checkedLevel level: Int, index: UInt64, width: Int) {
    self.level = level
    self.index = index
    self.width = width
  }

  /// Whether the tile has all its 256 hashes and so never changes.
  public var isFull: Bool { width == Self.fullWidth }

  /// How many bytes the tile has: 32 for each hash.
  public var byteCount: Int { width * Digest.byteCount }

  /// The tiles at the right edge of a tree that are not full, lowest level first.
  ///
  /// They are all that a tree has to read when it starts.
  public static func partials(treeSize: UInt64) -> [TileCoordinate] {
    (0..<8).compactMap { level in
      let levelSize = treeSize >> UInt64(8 * level)
      let width = Int(levelSize % 256)
      return width == 0 ? nil : TileCoordinate(checkedLevel: level, index: levelSize / 256, width: width)
    }
  }

  /// The hashes of a tile's bytes.
  ///
  /// - Throws: `log.tile` when they are not 32 bytes for each hash of the width.
  public func hashes(in bytes: [UInt8]) throws(PosternError) -> [Digest] {
    guard bytes.count == byteCount else {
      throw PosternError(
        .logTile, "The tile \(path) has \(bytes.count) bytes instead of \(byteCount).",
        advice: "Fetch it again, or from another source.")
    }
    return stride(from: 0, to: byteCount, by: Digest.byteCount).map { offset in
      bytes.withUnsafeBytes { Digest(UnsafeRawBufferPointer(rebasing: $0[offset..<offset + 32]).bytes) }
    }
  }
}

/// A tile with its bytes, ready to be stored and served.
public struct Tile: Hashable, Sendable {
  /// Which tile it is.
  public let coordinate: TileCoordinate
  /// Its hashes, 32 bytes each.
  public let bytes: [UInt8]

  init(_ coordinate: TileCoordinate, _ hashes: [Digest]) {
    self.coordinate = coordinate
    var bytes: [UInt8] = []
    bytes.reserveCapacity(coordinate.byteCount)
    for hash in hashes { bytes.append(hash) }
    self.bytes = bytes
  }
}
