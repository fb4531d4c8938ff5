import Synchronization

/// Who writes next: whoever is of the first rank, then all others in the order in which they came.
///
/// It stands before the writer's queue, which takes jobs in their order and could let nobody go first.
final class WriterTurns: Sendable {
  /// Who goes before whom.
  enum Rank {
    /// The sequencer, for which every push waits.
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

  /// Returns when it is the caller's turn, also when the task was cancelled.
  func take(_ rank: Rank) async {
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
  func pass() {
    let next = state.withLock { state in
      if !state.first.isEmpty { return state.first.removeFirst() as CheckedContinuation<Void, Never>? }
      if !state.ordinary.isEmpty { return state.ordinary.removeFirst() }
      state.isTaken = false
      return nil
    }
    next?.resume()
  }
}
