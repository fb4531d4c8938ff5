import Core
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct FairTurnsTests {
  /// A step that says when it begins, and ends when it is told to.
  private final class Steps: Sendable {
    private struct State {
      var begun: [String] = []
      var isReleased = false
      var running = 0
      var most = 0
    }

    private let state = Mutex(State())

    var begun: [String] { state.withLock(\.begun) }
    var most: Int { state.withLock(\.most) }

    func release() { state.withLock { $0.isReleased = true } }

    func run(_ name: String) async {
      state.withLock { state in
        state.begun.append(name)
        state.running += 1
        state.most = max(state.most, state.running)
      }
      while !Task.isCancelled, !state.withLock(\.isReleased) { try? await Task.sleep(for: .milliseconds(1)) }
      await Task.yield()
      state.withLock { $0.running -= 1 }
    }
  }

  private static let busy = PosternError("test.busy", "Too many wait.", advice: "")
  private static let givenUp = PosternError("test.given-up", "Nobody waits for it.", advice: "")

  private func turns(limit: Int, waitingLimit: Int = 100) -> FairTurns {
    FairTurns(limit: limit, waitingLimit: waitingLimit, busy: Self.busy, givenUp: Self.givenUp)
  }

  /// Whoever asks for much has one turn at a time, and everybody else the next ones.
  @Test func onePartysManyStepsHoldUpNobody() async throws {
    let turns = turns(limit: 2)
    let steps = Steps()
    try await withThrowingTaskGroup { group in
      for number in 0..<20 {
        group.addTask { try? await turns.take(for: "many") { await steps.run("many \(number)") } }
      }
      while steps.begun.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
      group.addTask { try? await turns.take(for: "one") { await steps.run("one") } }
      // While the first of the many is at work.
      while steps.begun.count < 2 { try await Task.sleep(for: .milliseconds(1)) }
      #expect(steps.begun.last == "one")
      steps.release()
    }
    #expect(Set(steps.begun).count == 21 && steps.most == 2)
  }

  /// With one turn at a time, parties that wait take theirs one after the other.
  @Test func partiesTakeTurns() async throws {
    let turns = turns(limit: 1)
    let steps = Steps()
    try await withThrowingTaskGroup { group in
      group.addTask { try? await turns.take(for: "a") { await steps.run("a") } }
      while steps.begun.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
      for party in ["a", "b", "c"] {
        for _ in 0..<3 { group.addTask { try? await turns.take(for: party) { await steps.run(party) } } }
      }
      while turns.waitingCount < 9 { try await Task.sleep(for: .milliseconds(1)) }
      steps.release()
    }
    #expect(steps.begun.count == 10 && steps.most == 1)
    for start in stride(from: 1, to: 10, by: 3) {
      #expect(Set(steps.begun[start..<start + 3]) == ["a", "b", "c"])
    }
  }

  /// A step that fails passes its turn.
  @Test func aFailurePassesTheTurn() async {
    let turns = turns(limit: 1)
    let failure = PosternError("test.failure", "It failed.", advice: "")
    for _ in 0..<3 {
      await #expect(throws: failure) { try await turns.take(for: "a") { () throws(PosternError) in throw failure } }
    }
  }

  /// No more of one party wait than may, whoever gives up waits no longer, and nobody's turn is lost with them.
  @Test func whoGivesUpWaitsNoLonger() async throws {
    let turns = turns(limit: 1, waitingLimit: 3)
    let steps = Steps()
    try await withThrowingTaskGroup { group in
      group.addTask { try? await turns.take(for: "a") { await steps.run("a") } }
      while steps.begun.isEmpty { try await Task.sleep(for: .milliseconds(1)) }
      let waiting = (0..<3).map { _ in
        Task { try await turns.take(for: "b") { () throws(PosternError) in await steps.run("b") } }
      }
      while turns.waitingCount < 3 { try await Task.sleep(for: .milliseconds(1)) }
      await #expect(throws: Self.busy) { try await turns.take(for: "b") { () throws(PosternError) in } }
      group.addTask { try? await turns.take(for: "c") { await steps.run("c") } }
      while turns.waitingCount < 4 { try await Task.sleep(for: .milliseconds(1)) }
      for task in waiting { task.cancel() }
      for task in waiting { await #expect(throws: Self.givenUp) { try await task.value } }
      #expect(turns.waitingCount == 1)
      let late = Task {
        while !Task.isCancelled { await Task.yield() }
        try await turns.take(for: "b") { () throws(PosternError) in await steps.run("b") }
      }
      late.cancel()
      await #expect(throws: Self.givenUp) { try await late.value }
      steps.release()
    }
    #expect(steps.begun == ["a", "c"] && turns.waitingCount == 0)
  }
}
