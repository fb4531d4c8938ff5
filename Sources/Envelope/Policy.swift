public import Core

/// One gate of a policy: so many of its positions open it.
public struct Gate: Hashable, Sendable {
  /// What fills a gate's positions.
  public indirect enum Child: Hashable, Sendable {
    /// A nested gate, which takes one position.
    case gate(Gate)
    /// A member, which takes as many consecutive positions as its weight says.
    case member(ShardPublicKey, weight: Int)
  }

  /// How many positions open the gate.
  public let threshold: Int
  /// Gates and members in the order that numbers the positions.
  public let children: [Child]

  /// A gate as somebody wrote it, unchecked; ``Policy`` checks the whole tree.
  ///
  /// - Parameters:
  ///   - threshold: how many positions open the gate.
  ///   - children: gates and members, in order.
  public init(threshold: Int, children: [Child]) {
    self.threshold = threshold
    self.children = children
  }
}

/// A tree of threshold gates over members that keeps every rule: who, together, opens the council door.
///
/// Leaves are numbered from 0 as their positions appear in a transcript: a gate's positions in order, a nested
/// gate's own directly after it. Gates are numbered in pre-order, the root being 0.
public struct Policy: Sendable {
  /// How deep gates may nest, the root being 1.
  public static let depthLimit = 8
  /// How many gates there may be.
  public static let gateLimit = 64
  /// The largest weight, and the most leaf positions in all, and in the root.
  public static let leafLimit = 1_024
  /// The most positions in a nested gate.
  public static let nestedPositionLimit = 255

  /// The outermost gate.
  public let root: Gate
  /// The tree's encoding, which is bound into everything sealed under it.
  public let bytes: [UInt8]
  let layout: PolicyLayout

  /// A policy whose tree keeps every rule.
  ///
  /// - Throws: the first rule broken, gate by gate in pre-order: `policy.depth`, `policy.gates`,
  ///   `policy.weight`, `policy.twice`, `policy.positions`, `policy.leaves`, `policy.threshold`, with the
  ///   gate's number.
  public init(root: Gate) throws(PosternError) {
    var rules = PolicyRules()
    try rules.check(root, depth: 1)
    self.root = root
    var bytes: [UInt8] = []
    root.encode(into: &bytes)
    self.bytes = bytes
    layout = PolicyLayout(root)
  }

  /// How many leaves there are.
  public var leafCount: Int { layout.leaves.count }

  /// Whose each leaf is.
  public var leaves: [ShardPublicKey] { layout.leaves }

  /// How many gates there are.
  public var gateCount: Int { layout.gates.count }

  /// Every member once, in the order of its first leaf.
  public var members: [ShardPublicKey] {
    var seen: Set<ShardPublicKey> = []
    return layout.leaves.filter { seen.insert($0).inserted }
  }

  /// The leaves of one member, rising.
  public func leaves(of member: ShardPublicKey) -> [Int] {
    layout.leaves.indices.filter { layout.leaves[$0] == member }
  }

  /// Whether these members together open the door.
  public func isSatisfied(by members: Set<ShardPublicKey>) -> Bool {
    layout.isSatisfied { members.contains(layout.leaves[$0]) }
  }

  /// Whether these leaves together open the door.
  public func isSatisfied(byLeaves leaves: Set<Int>) -> Bool {
    layout.isSatisfied { leaves.contains($0) }
  }
}

extension Policy: Hashable {
  /// Whether two policies are the same tree.
  public static func == (left: Policy, right: Policy) -> Bool {
    left.bytes == right.bytes
  }

  /// Feeds the tree's encoding.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(bytes)
  }
}
