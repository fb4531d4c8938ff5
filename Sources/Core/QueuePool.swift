import Synchronization

/// A few queues as the executor of tasks that wait for the disk, side by side.
///
/// What runs here holds none of the threads that all tasks share. The next queue that is free takes the next job, so
/// that no job waits behind a slow one while a queue is idle; work that an actor does for the task runs on the actor's
/// own.
public final class QueuePool: TaskExecutor {
  private struct State {
    var idle: [SerialQueue]
    /// Jobs that came when every queue was busy, in the order in which they came.
    var waiting: [UnownedJob] = []
  }

  private let state: Mutex<State>

  /// A pool.
  ///
  /// - Parameters:
  ///   - label: what debuggers call it.
  ///   - width: how many jobs run at the same time, at least one.
  public init(label: String, width: Int) {
    state = Mutex(State(idle: (0..<max(width, 1)).map { SerialQueue(label: "\(label).\($0)") }))
  }

  /// Runs a job on a queue that is free, or on the first that will be.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    let queue = state.withLock { state in
      let queue = state.idle.popLast()
      if queue == nil { state.waiting.append(job) }
      return queue
    }
    queue?.run { self.run(job, on: $0) }
  }

  /// Runs a job, and those that wait by then, until none does.
  private func run(_ first: UnownedJob, on queue: SerialQueue) {
    var next: UnownedJob? = first
    while let job = next {
      job.runSynchronously(on: asUnownedTaskExecutor())
      next = state.withLock { state in
        guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
        state.idle.append(queue)
        return nil
      }
    }
  }
}
