import Synchronization

/// Lets a few tasks through at a time, one of each party at most, and the parties in turn.
///
/// For work that anybody can ask for and that costs: however much one party asks for, another waits for one task of each
/// party before it, and not for all that they asked for. Whoever took a turn passes it, also when it fails; a task that
/// is cancelled while it waits waits no longer.
public final class FairTurns: Sendable {
  /// What became of a task that asked for a turn.
  private enum Outcome {
    case turn
    case busy
    case givenUp
  }

  private struct Waiting {
    let number: UInt64
    let outcome: CheckedContinuation<Outcome, Never>
  }

  private struct State {
    /// Parties that have a turn.
    var active: Set<String> = []
    /// Parties that wait, the next one first, each once.
    var order: [String] = []
    var waiting: [String: [Waiting]] = [:]
    var nextNumber: UInt64 = 0

    /// Takes the turn of the first party that has none out of the order; nil where none may go on.
    mutating func next(limit: Int) -> Waiting? {
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

    /// Takes a task out that waits; nil where it has its turn already.
    mutating func remove(_ number: UInt64, of party: String) -> Waiting? {
      guard let place = waiting[party]?.firstIndex(where: { $0.number == number }) else { return nil }
      let task = waiting[party]?.remove(at: place)
      if waiting[party]?.isEmpty == true {
        waiting[party] = nil
        order.removeAll { $0 == party }
      }
      return task
    }
  }

  private let limit: Int
  private let waitingLimit: Int
  private let busy: PosternError
  private let givenUp: PosternError
  private let state = Mutex(State())

  /// Turns that are free.
  ///
  /// - Parameters:
  ///   - limit: how many tasks are let through at a time, at least 1.
  ///   - waitingLimit: how many tasks of one party may wait.
  ///   - busy: what one more is refused with.
  ///   - givenUp: what a task is told that is cancelled while it waits.
  public init(limit: Int, waitingLimit: Int, busy: PosternError, givenUp: PosternError) {
    precondition(limit > 0 && waitingLimit > 0)
    self.limit = limit
    self.waitingLimit = waitingLimit
    self.busy = busy
    self.givenUp = givenUp
  }

  /// How many tasks wait.
  public var waitingCount: Int { state.withLock { $0.waiting.values.reduce(0) { $0 + $1.count } } }

  /// Runs a step when it is the party's turn.
  ///
  /// - Parameters:
  ///   - party: on whose account the step is.
  ///   - step: what costs.
  /// - Throws: what the step throws; the refusals where too many of the party wait, or the task is cancelled while it
  ///   waits.
  public func take<Value>(
    for party: String, isolation: isolated (any Actor)? = #isolation,
    _ step: () async throws(PosternError) -> Value
  ) async throws(PosternError) -> Value {
    switch await take(party) {
    case .turn: break
    case .busy: throw busy
    case .givenUp: throw givenUp
    }
    defer { pass(party) }
    return try await step()
  }

  private func take(_ party: String, isolation: isolated (any Actor)? = #isolation) async -> Outcome {
    let number = state.withLock { state in
      state.nextNumber += 1
      return state.nextNumber
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let (refusal, next) = state.withLock { state -> (Outcome?, Waiting?) in
          let count = state.waiting[party]?.count ?? 0
          // Nobody would take out one that was cancelled before it waits.
          if Task.isCancelled { return (.givenUp, nil) }
          guard count < waitingLimit else { return (.busy, nil) }
          if count == 0 { state.order.append(party) }
          state.waiting[party, default: []].append(Waiting(number: number, outcome: continuation))
          return (nil, state.next(limit: limit))
        }
        if let refusal { continuation.resume(returning: refusal) }
        next?.outcome.resume(returning: .turn)
      }
    } onCancel: {
      state.withLock { $0.remove(number, of: party) }?.outcome.resume(returning: .givenUp)
    }
  }

  private func pass(_ party: String) {
    let next = state.withLock { state in
      state.active.remove(party)
      return state.next(limit: limit)
    }
    next?.outcome.resume(returning: .turn)
  }
}
