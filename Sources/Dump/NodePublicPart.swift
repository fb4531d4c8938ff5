import Bulk
public import Core

/// Where a node's fields lie: `public part ‖ sealed part ‖ tag`.
enum NodeLayout {
  static let format: UInt8 = 1
  /// Format, level, count.
  static let headerByteCount = 4
  /// Id and sealed length.
  static let publicChildByteCount = 36
  /// Index, key, plain length.
  static let sealedChildByteCount = 42

  static func publicByteCount(_ publicCount: Int) -> Int {
    headerByteCount + publicCount * publicChildByteCount
  }

  static func byteCount(publicCount: Int, childCount: Int) -> Int {
    publicByteCount(publicCount) + childCount * sealedChildByteCount + AES256GCM.tagByteCount
  }
}

/// What anyone can read in a node without a key: its level, and which objects it needs.
///
/// The list is sorted by id and names each child once, so that it says what must be there and neither the
/// state's order nor where a child repeats.
public struct NodePublicPart: Hashable, Sendable {
  /// An object that the node needs.
  public struct Child: Hashable, Sendable {
    /// SHA-256 of its stored bytes.
    public let id: Digest
    /// How many bytes are stored.
    public let sealedByteCount: Int
  }

  /// How far above the chunks the node stands, from 1 to the limit ``DumpLimits/nodeLevel``.
  ///
  /// The children of level 1 are chunks, those of level n are nodes of level n - 1.
  public let level: Int
  /// The children, their ids rising strictly; at most ``DumpLimits/nodeChildCount``, none only in the node of
  /// an empty state.
  public let children: [Child]
  /// How many children the node has in the state's order, repeated ones counted each time.
  let orderedCount: Int

  /// How many bytes of the node the public part takes.
  public var byteCount: Int { NodeLayout.publicByteCount(children.count) }

  /// The most children that a node of so many bytes names; at least one, so that it can be what a node costs.
  public static func childCountLimit(nodeByteCount: Int) -> Int {
    let least = DumpLimits.nodeByteCountMinimum
    let childByteCount = NodeLayout.byteCount(publicCount: 1, childCount: 1) - least
    return min(max(1, (nodeByteCount - least) / childByteCount), DumpLimits.nodeChildCount)
  }

  /// How many bytes of a node say its level.
  public static let levelPrefixByteCount = 2

  /// The level that the first bytes of a node state; nil where they are no node's.
  ///
  /// - Parameter prefix: ``levelPrefixByteCount`` bytes of a node that was parsed whole before.
  public static func level(inPrefix prefix: [UInt8]) -> Int? {
    guard prefix.count == levelPrefixByteCount, prefix[0] == NodeLayout.format else { return nil }
    return Int(prefix[1])
  }

  /// Parses a whole node, as it is stored, as far as that goes without its key.
  ///
  /// - Throws: `dump.node-malformed`, `dump.node-level`, `dump.node-order` or `dump.child-length`.
  public init(parsing node: ArraySlice<UInt8>) throws(PosternError) {
    guard node.count <= DumpLimits.nodeByteCount else { throw .malformedNode }
    do {
      var reader = ByteReader(node)
      guard try reader.read(UInt8.self) == NodeLayout.format else { throw PosternError.malformedNode }
      level = Int(try reader.read(UInt8.self))
      guard (1...DumpLimits.nodeLevel).contains(level) else { throw PosternError.nodeLevel }
      let count = Int(try reader.read(UInt16.self))
      guard count <= DumpLimits.nodeChildCount, count > 0 || level == 1 else { throw PosternError.malformedNode }
      children = try NodePublicPart.readChildren(count, level: level, from: &reader)
      orderedCount = try NodePublicPart.orderedCount(sealedByteCount: reader.remaining, distinctCount: count)
    } catch let error as PosternError {
      throw error
    } catch {
      throw .malformedNode
    }
  }

  /// Parses a whole node, as it is stored, as far as that goes without its key.
  ///
  /// - Throws: as ``init(parsing:)-(ArraySlice<UInt8>)``.
  public init(parsing node: [UInt8]) throws(PosternError) {
    try self.init(parsing: node[...])
  }

  private static func readChildren(_ count: Int, level: Int, from reader: inout ByteReader) throws -> [Child] {
    let lengths = DumpLimits.childByteCounts(ofNodeAt: level)
    var children: [Child] = []
    children.reserveCapacity(count)
    for index in 0..<count {
      let child = Child(id: try reader.readDigest(), sealedByteCount: Int(try reader.read(UInt32.self)))
      if let last = children.last, last.id >= child.id { throw PosternError.nodeOrder(index) }
      guard lengths.contains(child.sealedByteCount) else { throw PosternError.childLength(index) }
      children.append(child)
    }
    return children
  }

  /// How many children lie in the sealed part, which must name every one of the public part's.
  private static func orderedCount(sealedByteCount: Int, distinctCount: Int) throws(PosternError) -> Int {
    let (count, rest) = (sealedByteCount - AES256GCM.tagByteCount)
      .quotientAndRemainder(dividingBy: NodeLayout.sealedChildByteCount)
    let upper = distinctCount == 0 ? 0 : DumpLimits.nodeChildCount
    guard rest == 0, count >= distinctCount, count <= upper else { throw .malformedNode }
    return count
  }
}
