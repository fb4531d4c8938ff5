import Bulk
import Core
import Merkle
import Sodium

/// A generator whose whole run a printed seed brings back (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}

/// A tree as RFC 6962 defines it, by recursion over the list of leaves, remembering what it computed.
final class NaiveTree {
  let leaves: [Digest]
  private var roots: [Range<Int>: Digest] = [:]

  init(leafCount: Int) {
    leaves = (0..<leafCount).map { TreeHash.leaf(Array("leaf \($0)".utf8)) }
  }

  func root(_ range: Range<Int>) -> Digest {
    if let root = roots[range] { return root }
    let root: Digest
    switch range.count {
    case 0: root = SHA256.hash([UInt8]())
    case 1: root = leaves[range.lowerBound]
    default:
      let middle = split(range)
      let children = [self.root(range.lowerBound..<middle), self.root(middle..<range.upperBound)]
      root = SHA256.hash([1] + children.flatMap(\.bytes))
    }
    roots[range] = root
    return root
  }

  func path(_ index: Int, _ range: Range<Int>) -> [Digest] {
    guard range.count > 1 else { return [] }
    let middle = split(range)
    return index < middle
      ? path(index, range.lowerBound..<middle) + [root(middle..<range.upperBound)]
      : path(index, middle..<range.upperBound) + [root(range.lowerBound..<middle)]
  }

  func consistency(_ old: Int, _ range: Range<Int>, known: Bool = true) -> [Digest] {
    guard old < range.upperBound else { return known ? [] : [root(range)] }
    let middle = split(range)
    return old <= middle
      ? consistency(old, range.lowerBound..<middle, known: known) + [root(middle..<range.upperBound)]
      : consistency(old, middle..<range.upperBound, known: false) + [root(range.lowerBound..<middle)]
  }

  /// A tile by its definition in C2SP tlog-tiles.
  func tile(_ tile: TileCoordinate) -> [UInt8] {
    let span = (0..<tile.level).reduce(1) { span, _ in span * 256 }
    return (0..<tile.width).flatMap { place in
      let start = (Int(tile.index) * 256 + place) * span
      return root(start..<start + span).bytes
    }
  }

  private func split(_ range: Range<Int>) -> Int {
    var half = 1
    while half * 2 < range.count { half *= 2 }
    return range.lowerBound + half
  }
}

/// Tiles as a log stores them, partial ones of every size included.
struct TileStore {
  private(set) var tiles: [TileCoordinate: [UInt8]] = [:]

  mutating func add(_ growth: Growth) {
    for tile in growth.tiles { tiles[tile.coordinate] = tile.bytes }
  }

  func read(_ tile: TileCoordinate) throws -> [UInt8] {
    guard let bytes = tiles[tile] else { throw Missing(tile: tile) }
    return bytes
  }

  struct Missing: Error {
    let tile: TileCoordinate
  }
}

func key(_ byte: UInt8) -> SigningKey {
  SigningKey(seed: SecretBytes(count: SigningKey.seedByteCount) { $0.copyBytes(from: repeatElement(byte, count: 32)) })
}

func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }

/// The code of what `body` throws; nil where it throws nothing, or something else.
func code(_ body: () throws -> Void) -> PosternError.Code? {
  do {
    try body()
    return nil
  } catch {
    return (error as? PosternError)?.code
  }
}
