import Synchronization

/// Counts steps that are under way side by side, so that others can wait until those have ended.
public final class StepsUnderWay: Sendable {
  private struct State {
    var numbers: Set<UInt64> = []
    var next: UInt64 = 0
    var waiting: [Waiting] = []
  }

  private struct Waiting {
    /// Steps that are waited for.
    var numbers: Set<UInt64>
    let continuation: CheckedContinuation<Void, Never>
  }

  private let state = Mutex(State())

  /// None is under way.
  public init() {}

  /// Takes a step.
  ///
  /// - Throws: what the step throws.
  public func run<Value>(
    isolation: isolated (any Actor)? = #isolation, _ step: () async throws(PosternError) -> Value
  ) async throws(PosternError) -> Value {
    let number = state.withLock { state in
      defer { state.next += 1 }
      state.numbers.insert(state.next)
      return state.next
    }
    defer { end(number) }
    return try await step()
  }

  /// Returns when all steps that are under way now have ended, whatever has begun meanwhile; a task that is cancelled
  /// waits as well.
  public func settle(isolation: isolated (any Actor)? = #isolation) async {
    await withCheckedContinuation { continuation in
      let isSettled = state.withLock { state in
        guard !state.numbers.isEmpty else { return true }
        state.waiting.append(Waiting(numbers: state.numbers, continuation: continuation))
        return false
      }
      if isSettled { continuation.resume() }
    }
  }

  private func end(_ number: UInt64) {
    let settled = state.withLock { state in
      state.numbers.remove(number)
      for position in state.waiting.indices { state.waiting[position].numbers.remove(number) }
      let settled = state.waiting.filter(\.numbers.isEmpty)
      state.waiting.removeAll(where: \.numbers.isEmpty)
      return settled
    }
    for waiting in settled { waiting.continuation.resume() }
  }
}
