import Synchronization

/// Lets one task at a time through, in the order in which they came.
///
/// An actor alone does not: wherever one of its calls waits, it takes up another. Whoever took a turn passes it,
/// also when it fails; a task that is cancelled while it waits still gets its turn.
final class Turns: Sendable {
  private struct State {
    var isTaken = false
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  /// Whether nobody has the turn or waits for it.
  var isFree: Bool { state.withLock { !$0.isTaken } }

  /// Returns when it is the caller's turn; a turn that is free is taken before anything else runs on the caller's
  /// actor.
  func take(isolation: isolated (any Actor)? = #isolation) async {
    await withCheckedContinuation { continuation in
      let isFree = state.withLock { state in
        if state.isTaken { state.waiting.append(continuation) }
        defer { state.isTaken = true }
        return !state.isTaken
      }
      if isFree { continuation.resume() }
    }
  }

  /// Ends the caller's turn: it is the next one's.
  func pass() {
    let next = state.withLock { state in
      guard !state.waiting.isEmpty else {
        state.isTaken = false
        return nil as CheckedContinuation<Void, Never>?
      }
      return state.waiting.removeFirst()
    }
    next?.resume()
  }
}
