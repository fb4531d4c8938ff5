import Synchronization

/// Lets a few tasks through at a time, one of each party at most, and the parties in turn.
///
/// For work that anybody can ask for and that costs: however much one party asks for, another waits for one task of each
/// party before it, and not for all that they asked for. Whoever took a turn passes it, also when it fails; a task that
/// is cancelled while it waits still gets its turn.
public final class FairTurns: Sendable {
  private struct State {
    /// Parties that have a turn.
    var active: Set<String> = []
    /// Parties that wait, the next one first, each once.
    var order: [String] = []
    var waiting: [String: [CheckedContinuation<Void, Never>]] = [:]

    /// Takes the turn of the first party that has none out of the order; nil where none may go on.
    mutating func next(limit: Int) -> CheckedContinuation<Void, Never>? {
      guard active.count < limit, let place = order.firstIndex(where: { !active.contains($0) }) else { return nil }
      let party = order.remove(at: place)
      guard var tasks = waiting.removeValue(forKey: party) else { return nil }
      let task = tasks.removeFirst()
      if !tasks.isEmpty {
        waiting[party] = tasks
        order.append(party)
      }
      active.insert(party)
      return task
    }
  }

  private let limit: Int
  private let state = Mutex(State())

  /// Turns that are free.
  ///
  /// - Parameter limit: how many tasks are let through at a time, at least 1.
  public init(limit: Int) {
    precondition(limit > 0)
    self.limit = limit
  }

  /// Runs a step when it is the party's turn.
  ///
  /// - Parameters:
  ///   - party: on whose account the step is.
  ///   - step: what costs.
  public func take<Value, Failure: Error>(
    for party: String, isolation: isolated (any Actor)? = #isolation,
    _ step: () async throws(Failure) -> Value
  ) async throws(Failure) -> Value {
    await take(party)
    defer { pass(party) }
    return try await step()
  }

  private func take(_ party: String, isolation: isolated (any Actor)? = #isolation) async {
    await withCheckedContinuation { continuation in
      let next = state.withLock { state in
        if state.waiting[party] == nil { state.order.append(party) }
        state.waiting[party, default: []].append(continuation)
        return state.next(limit: limit)
      }
      next?.resume()
    }
  }

  private func pass(_ party: String) {
    let next = state.withLock { state in
      state.active.remove(party)
      return state.next(limit: limit)
    }
    next?.resume()
  }
}
