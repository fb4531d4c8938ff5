/// Nodes of a tree that were reached and not looked below yet, by their levels.
///
/// The lowest come first: a walk that goes down before it goes on leaves few nodes waiting, whatever the tree's size.
public struct LevelStack<Node> {
  private var waiting: [Int: [Node]] = [:]

  /// No nodes.
  public init() {}

  /// Lets nodes of a level wait.
  public mutating func add(_ nodes: some Collection<Node>, level: Int) {
    if !nodes.isEmpty { waiting[level, default: []] += nodes }
  }

  /// The next nodes to look below, those that came last first; nil where none wait.
  ///
  /// - Parameters:
  ///   - limit: the most that one group costs, unless one node alone costs more.
  ///   - cost: what a node costs.
  public mutating func next(
    _ limit: Int, cost: (Node) -> Int = { _ in 1 }
  ) -> (level: Int, nodes: [Node])? {
    guard let level = waiting.keys.min(), var nodes = waiting.removeValue(forKey: level) else { return nil }
    var (start, room) = (nodes.count, limit)
    while start > 0, start == nodes.count || cost(nodes[start - 1]) <= room {
      start -= 1
      room -= cost(nodes[start])
    }
    let group = Array(nodes[start...])
    nodes.removeSubrange(start...)
    if !nodes.isEmpty { waiting[level] = nodes }
    return (level, group)
  }
}

extension LevelStack: Sendable where Node: Sendable {}
