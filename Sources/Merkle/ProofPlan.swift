public import Core

/// Which subtrees a proof or a root is made of, before any tile is read.
///
/// Knowing the tiles beforehand lets a reader over a network fetch them side by side and then make the proof
/// without waiting: ``tiles``, then ``hashes(reading:)`` over what came.
public struct ProofPlan: Sendable {
  /// The size of the tree whose tiles are read.
  public let treeSize: UInt64
  /// The leaves under each hash, in the order of the hashes.
  private let ranges: [Range<UInt64>]

  /// The audit path of a leaf (RFC 6962, section 2.1.1), the leaf's sibling first.
  ///
  /// - Throws: `log.range` when the tree has no such leaf.
  public init(inclusionOf index: UInt64, treeSize: UInt64) throws(PosternError) {
    guard index < treeSize else {
      throw outside("There is no leaf \(index) in a tree of \(treeSize).")
    }
    self.treeSize = treeSize
    var siblings: [Range<UInt64>] = []
    var range = 0..<treeSize
    while range.upperBound - range.lowerBound > 1 {
      let (left, right) = halves(range)
      siblings.append(index < left.upperBound ? right : left)
      range = index < left.upperBound ? left : right
    }
    ranges = siblings.reversed()
  }

  /// The proof that one tree is a later state of another (RFC 6962, section 2.1.2).
  ///
  /// Empty between equal sizes, and from a tree without leaves.
  ///
  /// - Throws: `log.range` when the older size is the larger.
  public init(consistencyFrom oldSize: UInt64, to newSize: UInt64) throws(PosternError) {
    guard oldSize <= newSize else {
      throw outside("A tree of \(oldSize) leaves cannot have become one of \(newSize).")
    }
    treeSize = newSize
    guard oldSize > 0 else {
      ranges = []
      return
    }
    var siblings: [Range<UInt64>] = []
    var range = 0..<newSize
    while range.upperBound != oldSize {
      let (left, right) = halves(range)
      siblings.append(oldSize <= left.upperBound ? right : left)
      range = oldSize <= left.upperBound ? left : right
    }
    // The verifier knows the old root; where that is a subtree of the new tree, it is not repeated.
    if range.lowerBound > 0 { siblings.append(range) }
    ranges = siblings.reversed()
  }

  /// The root at some size, from the tiles of a tree of that size or a larger one.
  ///
  /// - Throws: `log.range` when that size is larger than the tree.
  public init(rootOf size: UInt64, treeSize: UInt64) throws(PosternError) {
    guard size <= treeSize else {
      throw outside("A tree of \(treeSize) leaves has no root at \(size).")
    }
    self.treeSize = treeSize
    ranges = [0..<size]
  }

  /// The tiles that ``hashes(reading:)`` will ask for, each once.
  public var tiles: [TileCoordinate] {
    var seen: Set<TileCoordinate> = []
    return ranges.flatMap(subtrees).map { $0.tile(treeSize: treeSize) }.filter { seen.insert($0).inserted }
  }

  /// The hashes, in the order of the proof.
  ///
  /// - Parameter read: the bytes of a tile, called once for each of ``tiles``; what it throws is thrown on.
  /// - Throws: `log.tile` when a tile has another length than its width says.
  public func hashes(reading read: (TileCoordinate) throws -> [UInt8]) throws -> [Digest] {
    var hasher = TreeHasher()
    var cache: [TileCoordinate: [Digest]] = [:]
    return try ranges.map { range in
      var peaks: [Digest] = []
      for subtree in subtrees(range) {
        let coordinate = subtree.tile(treeSize: treeSize)
        let tile = try cache[coordinate] ?? coordinate.hashes(in: try read(coordinate))
        cache[coordinate] = tile
        peaks.append(hasher.root(ofPerfect: tile[subtree.places]))
      }
      return hasher.root(ofPeaks: peaks)
    }
  }
}

/// A perfect subtree: 2^height leaves from index × 2^height on.
private struct Subtree {
  let height: Int
  let index: UInt64

  /// Where its hashes start among those of its tile's level.
  private var start: UInt64 { index << UInt64(height % 8) }

  /// Its places in its tile; a subtree is at most half a tile wide, so one tile holds it.
  var places: Range<Int> {
    let first = Int(start % 256)
    return first..<first + 1 << (height % 8)
  }

  /// The tile that holds the subtree's hashes, as wide as the tree has it.
  func tile(treeSize: UInt64) -> TileCoordinate {
    let levelSize = treeSize >> UInt64(8 * (height / 8))
    let width = min(256, levelSize - start / 256 * 256)
    return TileCoordinate(checkedLevel: height / 8, index: start / 256, width: Int(width))
  }
}

/// The perfect subtrees that the leaves of a proof's range are made of, largest first.
private func subtrees(_ range: Range<UInt64>) -> [Subtree] {
  var subtrees: [Subtree] = []
  var start = range.lowerBound
  while start < range.upperBound {
    let height = 63 - (range.upperBound - start).leadingZeroBitCount
    subtrees.append(Subtree(height: height, index: start >> UInt64(height)))
    start += 1 << UInt64(height)
  }
  return subtrees
}

/// A range split as RFC 6962 splits it: the left part is the largest power of two smaller than the whole.
private func halves(_ range: Range<UInt64>) -> (left: Range<UInt64>, right: Range<UInt64>) {
  let count = range.upperBound - range.lowerBound
  let middle = range.lowerBound + 1 << UInt64(63 - (count - 1).leadingZeroBitCount)
  return (range.lowerBound..<middle, middle..<range.upperBound)
}

private func outside(_ message: String) -> PosternError {
  PosternError(.logRange, message, advice: "Ask within the size of a checkpoint that you verified.")
}
