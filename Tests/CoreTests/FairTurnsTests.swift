import Core
import Synchronization
import Testing

@Suite struct FairTurnsTests {
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
      while !state.withLock(\.isReleased) { try? await Task.sleep(for: .milliseconds(1)) }
      await Task.yield()
      state.withLock { $0.running -= 1 }
    }
  }

  /// Whoever asks for much has one turn at a time, and everybody else the next ones.
  @Test func onePartysManyStepsHoldUpNobody() async {
    let turns = FairTurns(limit: 2)
    let steps = Steps()
    await withTaskGroup { group in
      for number in 0..<20 {
        group.addTask { await turns.take(for: "many") { await steps.run("many \(number)") } }
      }
      while steps.begun.isEmpty { await Task.yield() }
      group.addTask { await turns.take(for: "one") { await steps.run("one") } }
      // While the first of the many is at work.
      while steps.begun.count < 2 { await Task.yield() }
      #expect(steps.begun.last == "one")
      steps.release()
    }
    #expect(Set(steps.begun).count == 21 && steps.most == 2)
  }

  /// With one turn at a time, parties that wait take theirs one after the other.
  @Test func partiesTakeTurns() async {
    let turns = FairTurns(limit: 1)
    let steps = Steps()
    await withTaskGroup { group in
      group.addTask { await turns.take(for: "a") { await steps.run("a") } }
      while steps.begun.isEmpty { await Task.yield() }
      for party in ["a", "b", "c"] {
        for _ in 0..<3 { group.addTask { await turns.take(for: party) { await steps.run(party) } } }
      }
      // Longer than ten tasks take to ask.
      try? await Task.sleep(for: .milliseconds(100))
      steps.release()
    }
    #expect(steps.begun.count == 10 && steps.most == 1)
    for start in stride(from: 1, to: 10, by: 3) {
      #expect(Set(steps.begun[start..<start + 3]) == ["a", "b", "c"])
    }
  }

  /// A step that fails passes its turn.
  @Test func aFailurePassesTheTurn() async {
    struct Failure: Error {}
    let turns = FairTurns(limit: 1)
    for _ in 0..<3 {
      await #expect(throws: Failure.self) {
        try await turns.take(for: "a") { () async throws(Failure) in throw Failure() }
      }
    }
  }
}
