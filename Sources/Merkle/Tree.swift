public import Core

/// An append-only tree (RFC 6962) that remembers its right edge only: some 2,000 hashes at most.
///
/// A value: a caller appends to a copy, commits, and keeps the copy, so that a commit that fails leaves the
/// tree as it was. Everything left of the edge lies in the tiles that ``append(_:)`` hands out.
public struct Tree: Sendable {
  /// How many leaves the tree has.
  public private(set) var size: UInt64 = 0
  /// The root over all leaves.
  public private(set) var root = TreeHash.empty
  /// Roots of the perfect subtrees that the tree is made of, largest first: a bit of `size` each.
  private var peaks: [Digest] = []
  /// For each level the hashes of the tile that is not full yet; 255 at most.
  private var edge = [[Digest]](repeating: [], count: 8)

  /// A tree without leaves.
  public init() {}

  /// A tree of stored tiles, of which it reads the partial ones of its size: eight at most.
  ///
  /// - Parameters:
  ///   - size: how many leaves.
  ///   - root: the root that a checkpoint of that size states.
  ///   - read: the bytes of a tile; what it throws is thrown on.
  /// - Throws: `log.tile` when a tile has another length, `log.root` when the tiles give another root.
  public init(size: UInt64, root: Digest, reading read: (TileCoordinate) throws -> [UInt8]) throws {
    var hasher = TreeHasher()
    for tile in TileCoordinate.partials(treeSize: size).reversed() {
      let hashes = try tile.hashes(in: try read(tile))
      edge[tile.level] = hashes
      var start = 0
      for bit in stride(from: 7, through: 0, by: -1) where hashes.count & 1 << bit != 0 {
        peaks.append(hasher.root(ofPerfect: hashes[start..<start + 1 << bit]))
        start += 1 << bit
      }
    }
    self.size = size
    self.root = hasher.root(ofPeaks: peaks)
    guard self.root == root else {
      throw PosternError(
        .logRoot, "The stored tiles of size \(size) do not have the checkpoint's root.",
        advice: "Rebuild the tiles from the entries.")
    }
  }

  /// Appends leaves by their hashes.
  ///
  /// - Returns: the new size and root, and every tile that this size has and the old one had not: those that
  ///   were filled, and the partial ones of the new size, in the order of their levels' growth.
  public mutating func append(_ leafHashes: some Sequence<Digest>) -> Growth {
    var hasher = TreeHasher()
    var tiles: [Tile] = []
    let oldSize = size
    for hash in leafHashes { append(hash, &hasher, &tiles) }
    root = hasher.root(ofPeaks: peaks)
    for tile in TileCoordinate.partials(treeSize: size)
    where oldSize >> UInt64(8 * tile.level) != size >> UInt64(8 * tile.level) {
      tiles.append(Tile(tile, edge[tile.level]))
    }
    return Growth(size: size, root: root, tiles: tiles)
  }

  /// The partial tiles of the present size, lowest level first.
  public var partialTiles: [Tile] {
    TileCoordinate.partials(treeSize: size).map { Tile($0, edge[$0.level]) }
  }

  private mutating func append(_ leaf: Digest, _ hasher: inout TreeHasher, _ tiles: inout [Tile]) {
    var hash = leaf
    var height = 0
    place(hash, level: 0, &tiles)
    while size >> UInt64(height) & 1 == 1 {
      hash = hasher.node(peaks.removeLast(), hash)
      height += 1
      if height.isMultiple(of: 8) { place(hash, level: height / 8, &tiles) }
    }
    peaks.append(hash)
    size += 1
  }

  /// Puts a hash into its level's tile; a tile that is full leaves memory.
  private mutating func place(_ hash: Digest, level: Int, _ tiles: inout [Tile]) {
    edge[level].append(hash)
    guard edge[level].count == TileCoordinate.fullWidth else { return }
    let index = size >> UInt64(8 * (level + 1))
    tiles.append(Tile(TileCoordinate(checkedLevel: level, index: index, width: 256), edge[level]))
    edge[level].removeAll(keepingCapacity: true)
  }
}

/// What appending leaves made of a tree: what a checkpoint says, and what has to be stored.
public struct Growth: Hashable, Sendable {
  /// The new size.
  public let size: UInt64
  /// The new root.
  public let root: Digest
  /// The tiles that are new at this size.
  public let tiles: [Tile]
}
