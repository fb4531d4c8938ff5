import Synchronization

/// Lets one task at a time through: whoever is of the first rank, then all others in the order in which they came.
///
/// An actor alone does not: wherever one of its calls waits, it takes up another; and a queue takes jobs in their
/// order and lets nobody go first. Whoever took a turn passes it, also when it fails; a task that is cancelled while it
/// waits still gets its turn.
public final class Turns: Sendable {
  /// Who goes before whom.
  public enum Rank: Sendable {
    /// Those for whom many others wait.
    case first
    /// Everybody else.
    case ordinary
  }

  private struct State {
    var isTaken = false
    var first: [CheckedContinuation<Void, Never>] = []
    var ordinary: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  /// A turn that is free.
  public init() {}

  /// Whether nobody has the turn or waits for it.
  public var isFree: Bool { state.withLock { !$0.isTaken } }

  /// Returns when it is the caller's turn; a turn that is free is taken before anything else runs on the caller's
  /// actor.
  public func take(_ rank: Rank = .ordinary, isolation: isolated (any Actor)? = #isolation) async {
    await withCheckedContinuation { continuation in
      let isFree = state.withLock { state in
        guard state.isTaken else {
          state.isTaken = true
          return true
        }
        switch rank {
        case .first: state.first.append(continuation)
        case .ordinary: state.ordinary.append(continuation)
        }
        return false
      }
      if isFree { continuation.resume() }
    }
  }

  /// Ends the caller's turn: it is the next one's.
  public func pass() {
    let next = state.withLock { state in
      if !state.first.isEmpty { return state.first.removeFirst() as CheckedContinuation<Void, Never>? }
      if !state.ordinary.isEmpty { return state.ordinary.removeFirst() }
      state.isTaken = false
      return nil
    }
    next?.resume()
  }
}
