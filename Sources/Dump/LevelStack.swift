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
  /// - Parameter limit: the most nodes of one group.
  public mutating func next(_ limit: Int) -> (level: Int, nodes: [Node])? {
    guard let level = waiting.keys.min(), var nodes = waiting.removeValue(forKey: level) else { return nil }
    let group = Array(nodes.suffix(limit))
    nodes.removeLast(group.count)
    if !nodes.isEmpty { waiting[level] = nodes }
    return (level, group)
  }
}

extension LevelStack: Sendable where Node: Sendable {}
