import Dispatch

/// A serial queue as an actor's executor: its jobs run in order, on a thread that no other task waits for.
///
/// For actors that wait for the disk, which would otherwise hold one of the few threads that all tasks share.
///
/// `@unchecked Sendable`: the queue is all its state, and Dispatch queues may be used from any thread; on
/// Linux the type lacks the annotation.
public final class SerialQueue: SerialExecutor, @unchecked Sendable {
  private let queue: DispatchQueue

  /// A queue.
  ///
  /// - Parameter label: what debuggers call it.
  public init(label: String) {
    queue = DispatchQueue(label: label)
  }

  /// Runs a job behind those that wait already.
  public func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
  }

  /// Runs a piece of code behind the jobs that wait already; it is told on which queue.
  package func run(_ body: @escaping @Sendable (SerialQueue) -> Void) {
    queue.async { body(self) }
  }

  /// Waits, on the thread of the caller, until everything is done that the queue has; not to be called on the queue.
  package func wait() { queue.sync {} }

  /// The queue as an actor names it.
  public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    UnownedSerialExecutor(ordinary: self)
  }
}
