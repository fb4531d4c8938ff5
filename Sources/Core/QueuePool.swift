import Dispatch
import Synchronization

/// A few queues as the executor of tasks that wait for the disk, side by side.
///
/// What runs here holds none of the threads that all tasks share. A job goes to the next queue in turn; work that an
/// actor does for the task runs on the actor's own.
///
/// `@unchecked Sendable`: the queues never change, Dispatch queues may be used from any thread, and the counter is
/// atomic; on Linux the queues' type lacks the annotation.
public final class QueuePool: TaskExecutor, @unchecked Sendable {
  private let queues: [DispatchQueue]
  private let next = Atomic<Int>(0)

  /// A pool.
  ///
  /// - Parameters:
  ///   - label: what debuggers call it.
  ///   - width: how many jobs run at the same time, at least one.
  public init(label: String, width: Int) {
    queues = (0..<max(width, 1)).map { DispatchQueue(label: "\(label).\($0)") }
  }

  /// Runs a job behind those that wait on its queue already.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    let turn = next.wrappingAdd(1, ordering: .relaxed).oldValue
    queues[Int(UInt(bitPattern: turn) % UInt(queues.count))].async {
      job.runSynchronously(on: self.asUnownedTaskExecutor())
    }
  }
}
