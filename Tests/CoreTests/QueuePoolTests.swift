import Core
import Dispatch
import Glibc
import Synchronization
import Testing

@Suite struct QueuePoolTests {
  /// Jobs that come while one queue is held go to the others, however many come.
  @Test func noJobWaitsBehindASlowOneWhileAQueueIsFree() async throws {
    let pool = QueuePool(label: "test", width: 2)
    let gate = DispatchSemaphore(value: 0)
    let held = Running()
    let slow = Task(executorPreference: pool) {
      held.change(by: 1)
      return wait(for: gate)
    }
    while held.most == 0 { await Task.yield() }
    let sum = await withTaskGroup(of: Int.self) { group in
      for number in 1...100 { group.addTask(executorPreference: pool) { number } }
      return await group.reduce(0, +)
    }
    #expect(sum == 5_050)
    gate.signal()
    #expect(await slow.value)
  }

  @Test func asManyJobsRunAtATimeAsThereAreQueues() async {
    let pool = QueuePool(label: "test", width: 3)
    let running = Running()
    let deadline = ContinuousClock.now + .seconds(30)
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<64 {
        group.addTask(executorPreference: pool) {
          running.change(by: 1)
          while running.most < 3, .now < deadline { usleep(1_000) }
          // A fourth would come in now.
          usleep(1_000)
          running.change(by: -1)
        }
      }
    }
    #expect(running.most == 3)
  }
}

private func wait(for gate: DispatchSemaphore) -> Bool { gate.wait(timeout: .now() + 30) == .success }

/// How many jobs run, and how many did at most.
private final class Running: Sendable {
  private let counts = Mutex([0, 0])

  var most: Int { counts.withLock { $0[1] } }

  func change(by difference: Int) {
    counts.withLock { $0 = [$0[0] + difference, max($0[1], $0[0] + difference)] }
  }
}
