import GRPCCore
import NIOCore
import Synchronization

/// What one stream has yet to send, between the task that writes and the event loop that sends.
///
/// A write returns once the part is queued and little waits before it; it waits while much does, which is what
/// slows a writer down to the peer's credit and the socket.
final class OutboundQueue: Sendable {
  fileprivate struct State {
    var parts = CircularBuffer<StreamPart>()
    var queuedCost = 0
    /// Whether the event loop will look at this queue, or waits for credit on its behalf.
    var isScheduled = false
    /// Why no more is accepted.
    var failure: (any Error)?
    /// A metadata was written: messages may follow.
    var hasMetadata = false
    var isFinished = false
    var waiters: [UInt64: CheckedContinuation<Void, any Error>] = [:]
    var nextWaiter: UInt64 = 0
  }

  /// A write waits while more than this is queued, in bytes of cost.
  private static let queueCost = 1 << 20

  private let state = Mutex(State())
  private let messageLimit: Int

  /// A queue to a peer that accepts messages of so many bytes.
  init(messageLimit: Int) {
    self.messageLimit = messageLimit
  }

  // MARK: The writer's side

  /// Queues a part, and waits while too much is queued.
  ///
  /// - Parameter schedule: called when the event loop has to be told that there is something to send.
  /// - Throws: `RPCError` when the stream is closed, the part is out of order or the message too long;
  ///   `CancellationError` when the task is cancelled while it waits.
  func write(_ part: StreamPart, schedule: () -> Void) async throws {
    guard try append(part, schedule: schedule) else { return }
    let id = state.withLock { state in
      defer { state.nextWaiter += 1 }
      return state.nextWaiter
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { (waiter: CheckedContinuation<Void, any Error>) in
        let result = state.withLock { state -> Result<Void, any Error>? in
          if let failure = state.failure { return .failure(failure) }
          if state.queuedCost <= OutboundQueue.queueCost { return .success(()) }
          if Task.isCancelled { return .failure(CancellationError()) }
          state.waiters[id] = waiter
          return nil
        }
        if let result { waiter.resume(with: result) }
      }
    } onCancel: {
      state.withLock { $0.waiters.removeValue(forKey: id) }?.resume(throwing: CancellationError())
    }
  }

  /// Queues a part without waiting; true when the writer should wait.
  @discardableResult
  func append(_ part: StreamPart, schedule: () -> Void) throws -> Bool {
    let (isNew, isFull) = try state.withLock { state in
      try state.admit(part, messageLimit: messageLimit)
      state.parts.append(part)
      state.queuedCost += part.cost
      defer { state.isScheduled = true }
      return (!state.isScheduled, state.queuedCost > OutboundQueue.queueCost)
    }
    if isNew { schedule() }
    return isFull
  }

  /// Whether the last part was written: a client's end or a server's status.
  var isFinished: Bool { state.withLock { $0.isFinished } }

  // MARK: The event loop's side

  /// The part to send next; nil, with the queue no longer scheduled, when there is none.
  func front() -> StreamPart? {
    state.withLock { state in
      guard let part = state.parts.first else {
        state.isScheduled = false
        return nil
      }
      return part
    }
  }

  /// Drops the part that was sent, and lets writers go on.
  func removeFront() {
    let waiters = state.withLock { state -> [CheckedContinuation<Void, any Error>] in
      guard let part = state.parts.popFirst() else { return [] }
      state.queuedCost -= part.cost
      guard state.queuedCost <= OutboundQueue.queueCost else { return [] }
      return state.takeWaiters()
    }
    for waiter in waiters { waiter.resume() }
  }

  /// Drops what waits, and fails every write from now on.
  func fail(_ error: any Error) {
    let waiters = state.withLock { state -> [CheckedContinuation<Void, any Error>] in
      if state.failure == nil { state.failure = error }
      state.parts.removeAll()
      state.queuedCost = 0
      return state.takeWaiters()
    }
    for waiter in waiters { waiter.resume(throwing: error) }
  }
}

extension OutboundQueue.State {
  mutating func takeWaiters() -> [CheckedContinuation<Void, any Error>] {
    defer { waiters.removeAll() }
    return Array(waiters.values)
  }

  /// Notes a part, or throws where it may not follow what was written before.
  mutating func admit(_ part: StreamPart, messageLimit: Int) throws {
    if let failure { throw failure }
    guard !isFinished else { throw RPCError(code: .failedPrecondition, message: "The stream was finished.") }
    switch part {
    case .metadata:
      guard !hasMetadata else { throw RPCError(code: .internalError, message: "Metadata comes once, and first.") }
      hasMetadata = true
    case .message(let bytes):
      guard hasMetadata else { throw RPCError(code: .internalError, message: "Metadata comes before messages.") }
      guard bytes.count <= messageLimit else {
        throw RPCError(
          code: .resourceExhausted,
          message: "The message has \(bytes.count) bytes, and the peer accepts \(messageLimit).")
      }
    case .end, .status:
      isFinished = true
    }
  }
}
