import Core
import Synchronization

/// Counts the nodes that all open pushes brought, whose ids are in memory until each push ends.
///
/// A node is small: without a count, a push within its budget of bytes could still fill the archive's memory.
final class NodeCounter: Sendable {
  private let limit: Int
  private let count = Atomic<Int>(0)

  /// A counter that lets so many in at once.
  init(limit: Int) {
    self.limit = limit
  }

  /// Takes room for nodes.
  ///
  /// - Throws: `push.too-many` when open pushes hold as many as they may.
  func take(_ nodes: Int) throws(PosternError) {
    guard count.add(nodes, ordering: .relaxed).newValue <= limit else {
      count.subtract(nodes, ordering: .relaxed)
      throw PosternError(
        .pushTooMany, "The archive's open pushes hold as many nodes as its memory may take.",
        advice: "Try again when other pushes have ended, or push with larger chunks.")
    }
  }

  /// Gives room back.
  func give(_ nodes: Int) {
    count.subtract(nodes, ordering: .relaxed)
  }
}
