import Core
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct StepsUnderWayTests {
  /// A step that says when it begins, and ends when it is told to.
  private final class Step: Sendable {
    private let hasBegun = Atomic(false)
    private let (goOn, release) = AsyncStream<Void>.makeStream()
    private let failure: PosternError?

    init(failure: PosternError? = nil) { self.failure = failure }

    func begin(in steps: StepsUnderWay) async throws -> Task<Void, any Error> {
      let task = Task {
        try await steps.run { () async throws(PosternError) in
          hasBegun.store(true, ordering: .relaxed)
          for await _ in goOn {}
          if let failure { throw failure }
        }
      }
      while !hasBegun.load(ordering: .relaxed) { try await Task.sleep(for: .milliseconds(1)) }
      return task
    }

    func end() { release.finish() }
  }

  /// Who waits waits for all that had begun, whether it fails or not, and for nothing that begins later.
  @Test func whatHasBegunIsWaitedFor() async throws {
    let steps = StepsUnderWay()
    await steps.settle()
    let failure = PosternError("test.failure", "It failed.", advice: "")
    let (failing, other, late) = (Step(failure: failure), Step(), Step())
    let (first, second) = (try await failing.begin(in: steps), try await other.begin(in: steps))
    let isSettled = Mutex(false)
    // It waits before anything else begins.
    Task.immediate {
      await steps.settle()
      isSettled.withLock { $0 = true }
    }
    let third = try await late.begin(in: steps)
    failing.end()
    await #expect(throws: failure) { try await first.value }
    try await Task.sleep(for: .milliseconds(20))
    #expect(!isSettled.withLock { $0 })
    other.end()
    try await second.value
    while !isSettled.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
    late.end()
    try await third.value
    await steps.settle()
  }
}
