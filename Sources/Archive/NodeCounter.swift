import Core
import Synchronization

/// Counts the nodes that all open pushes brought, whose ids are in memory until each push ends.
///
/// A node is small: without a count, a push within its budget of bytes could still fill the archive's memory. And no
/// application may take more than a quarter of what all may, so that one cannot shut the others out.
final class NodeCounter: Sendable {
  private let limit: Int
  private let state = Mutex(State())

  private struct State {
    var total = 0
    var counts: [Digest: Int] = [:]
  }

  /// A counter that lets so many in at once.
  init(limit: Int) {
    self.limit = limit
  }

  /// Takes room for an application's nodes.
  ///
  /// - Throws: `push.too-many` when its open pushes, or all, hold as many as they may.
  func take(_ nodes: Int, for app: Digest) throws(PosternError) {
    guard nodes > 0 else { return }
    let isTaken = state.withLock { state in
      let own = state.counts[app, default: 0] + nodes
      guard own <= limit / 4, state.total + nodes <= limit else { return false }
      state.counts[app] = own
      state.total += nodes
      return true
    }
    guard isTaken else {
      throw PosternError(
        .pushTooMany, "Open pushes hold as many nodes as the archive's memory may take.",
        advice: "Try again when other pushes have ended, or push with larger chunks.")
    }
  }

  /// Gives room back.
  func give(_ nodes: Int, of app: Digest) {
    guard nodes > 0 else { return }
    state.withLock { state in
      let rest = state.counts[app, default: 0] - nodes
      state.counts[app] = rest > 0 ? rest : nil
      state.total -= nodes
    }
  }
}
