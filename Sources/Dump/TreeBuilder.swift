public import Core

/// Builds the tree above a state's chunks as they come, and gives out each node as soon as it is complete.
///
/// Nodes are cut by what they hold: after a child whose key says so, once there are four, and at 64 in any
/// case. The same children give the same tree, and an equal run in the middle of two states cuts alike after
/// a few nodes, so that its subtrees are shared. The key is secret and pseudo-random, so a cut shows nothing.
///
/// It holds at most 64 children a level.
public struct TreeBuilder: ~Copyable, Sendable {
  /// The rule that ends a node.
  enum Cut {
    /// The fewest children, the last node of a level apart.
    static let minimum = 4
    /// One child in so many ends a node that has the minimum; with four that makes 16 on average.
    static let divisor: UInt64 = 13

    static func follows(_ child: ObjectReference, count: Int) -> Bool {
      count >= DumpLimits.nodeChildCount || (count >= minimum && child.key.leadingWord % divisor == 0)
    }
  }

  private var sealer: NodeSealer
  /// The children of each level's next node, level 1 first.
  ///
  /// A level is added by the first node below it, so the topmost has not completed a node yet.
  private var levels: [[ObjectReference]] = [[]]
  private var stateByteCount = 0

  /// A builder for one dump.
  public init(secret: borrowing GenerationSecret) {
    sealer = NodeSealer(secret: secret)
  }

  /// The most nodes that a tree above so many chunks has.
  public static func nodeCountLimit(chunkCount: Int) -> Int {
    // Of a level's nodes all but the last have the minimum of children, which sums up to one node for three chunks.
    chunkCount / (Cut.minimum - 1) + DumpLimits.nodeLevel
  }

  /// The most bytes that the sealed nodes above so many chunks have together.
  public static func sealedByteCountLimit(chunkCount: Int) -> Int {
    let nodeCount = nodeCountLimit(chunkCount: chunkCount)
    let emptyByteCount = NodeLayout.byteCount(publicCount: 0, childCount: 0)
    let childByteCount = NodeLayout.byteCount(publicCount: 1, childCount: 1) - emptyByteCount
    return nodeCount * emptyByteCount + (chunkCount + nodeCount) * childByteCount
  }

  /// Appends the state's next chunk.
  ///
  /// - Parameters:
  ///   - chunk: what was sealed now, or what a former epoch of the same generation left.
  ///   - completed: where nodes go that are complete with it, children before their parents.
  /// - Throws: `dump.child-length` for a reference that no chunk can have, `dump.too-large` beyond
  ///   ``DumpLimits/stateByteCount``.
  public mutating func append(
    _ chunk: ObjectReference, completed: inout [SealedNode]
  ) throws(PosternError) {
    guard (1...DumpLimits.chunkByteCount).contains(chunk.plainByteCount),
      DumpLimits.childByteCounts(ofNodeAt: 1).contains(chunk.sealedByteCount)
    else { throw .childLength() }
    guard stateByteCount <= DumpLimits.stateByteCount - chunk.plainByteCount else { throw .tooLarge }
    stateByteCount += chunk.plainByteCount
    try append(chunk, toNodeAt: 1, completed: &completed)
  }

  /// Completes the tree.
  ///
  /// - Parameter completed: where the remaining nodes go, children before their parents.
  /// - Returns: the root, always a node, whose plain length is the state's.
  /// - Throws: `dump.too-large` for more chunks than the highest tree holds.
  public consuming func finish(completed: inout [SealedNode]) throws(PosternError) -> ObjectReference {
    var level = 1
    while level < levels.count {
      if !levels[level - 1].isEmpty { try completeNode(at: level, completed: &completed) }
      level += 1
    }
    // One node below the top is the whole tree; a parent would say nothing more.
    if level > 1, levels[level - 1].count == 1 { return levels[level - 1][0] }
    return try sealNode(at: level, completed: &completed)
  }

  private mutating func append(
    _ child: ObjectReference, toNodeAt level: Int, completed: inout [SealedNode]
  ) throws(PosternError) {
    if levels.count < level { levels.append([]) }
    levels[level - 1].append(child)
    guard Cut.follows(child, count: levels[level - 1].count) else { return }
    try completeNode(at: level, completed: &completed)
  }

  private mutating func completeNode(at level: Int, completed: inout [SealedNode]) throws(PosternError) {
    let node = try sealNode(at: level, completed: &completed)
    try append(node, toNodeAt: level + 1, completed: &completed)
  }

  private mutating func sealNode(
    at level: Int, completed: inout [SealedNode]
  ) throws(PosternError) -> ObjectReference {
    guard level <= DumpLimits.nodeLevel else { throw .tooLarge }
    let node = sealer.seal(levels[level - 1], level: level)
    levels[level - 1].removeAll(keepingCapacity: true)
    completed.append(node)
    return node.reference
  }
}
