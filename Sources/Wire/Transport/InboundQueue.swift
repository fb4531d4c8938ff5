import GRPCCore
import NIOCore
import Synchronization

/// What one stream has received, between the event loop that fills it and the task that reads it.
///
/// The peer's credit bounds it. A part is consumed when the reader asks for the next one: until then the reader holds
/// it. Consumption is reported back to the event loop, gathered: a report is due when enough has been consumed, or
/// when the reader is about to wait.
final class InboundQueue: Sendable {
  fileprivate typealias Waiter = CheckedContinuation<StreamPart?, any Error>

  fileprivate struct State {
    var parts = CircularBuffer<StreamPart>()
    /// What follows the last part: nil while more may come, then an end or an error.
    var ending: Result<Void, any Error>?
    var waiter: Waiter?
    var waitingSince: NIODeadline?
    var unreportedCost = 0
    var isCancelled = false
  }

  fileprivate enum Step {
    case part(StreamPart?)
    case fail(any Error)
    case wait
  }

  /// Reports go out once so much is consumed, in bytes of cost.
  private static let reportCost = 256 << 10

  private let state = Mutex(State())

  /// Since when a reader has been waiting for the peer; nil when none is.
  var waitingSince: NIODeadline? { state.withLock { $0.waitingSince } }

  /// Adds a part; dropped when the queue has ended.
  ///
  /// Returns the cost of a dropped message.
  func append(_ part: StreamPart) -> Int {
    let (waiter, dropped) = state.withLock { state -> (Waiter?, Int) in
      guard state.ending == nil else { return (nil, part.cost) }
      guard let waiter = state.waiter else {
        state.parts.append(part)
        return (nil, 0)
      }
      state.waiter = nil
      state.waitingSince = nil
      state.unreportedCost += part.cost
      return (waiter, 0)
    }
    waiter?.resume(returning: part)
    return dropped
  }

  /// Ends the queue behind the parts that it has.
  func finish() {
    let waiter = state.withLock { state -> Waiter? in
      guard state.ending == nil else { return nil }
      state.ending = .success(())
      return state.takeWaiter()
    }
    waiter?.resume(returning: nil)
  }

  /// Ends the queue with an error that the reader sees at once: the parts that wait are dropped.
  func fail(_ error: any Error) {
    let waiter = state.withLock { state -> Waiter? in
      if case .failure = state.ending { return nil }
      // A stream that has its status is complete: losing the connection afterwards takes nothing from it.
      if state.ending != nil { return nil }
      state.ending = .failure(error)
      state.parts.removeAll()
      return state.takeWaiter()
    }
    waiter?.resume(throwing: error)
  }

  /// Drops whatever is here and whatever comes: nobody reads any more.
  func discard() {
    let waiter = state.withLock { state -> Waiter? in
      state.ending = .success(())
      state.parts.removeAll()
      return state.takeWaiter()
    }
    waiter?.resume(returning: nil)
  }

  /// The next part; nil at the end.
  ///
  /// - Parameter report: told how much was consumed since it was last told.
  func next(report: (_ cost: Int) -> Void) async throws -> StreamPart? {
    switch take(report) {
    case .part(let part): return part
    case .fail(let error): throw error
    case .wait: break
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { park($0) }
    } onCancel: {
      let waiter = state.withLock { state -> Waiter? in
        state.isCancelled = true
        return state.takeWaiter()
      }
      waiter?.resume(throwing: CancellationError())
    }
  }

  private func take(_ report: (_ cost: Int) -> Void) -> Step {
    let (step, cost) = state.withLock { state -> (Step, Int) in
      // Before the step, which counts the part that it hands out. About to wait: the peer must be able to send what
      // is waited for.
      let cost = state.takeReport(atLeast: state.parts.isEmpty ? 1 : InboundQueue.reportCost)
      return (state.step(), cost)
    }
    if cost > 0 { report(cost) }
    return step
  }

  private func park(_ waiter: Waiter) {
    let step = state.withLock { state -> Step in
      let step = state.step()
      guard case .wait = step else { return step }
      guard state.waiter == nil else {
        return .fail(RPCError(code: .internalError, message: "A stream has one reader."))
      }
      state.waiter = waiter
      state.waitingSince = .now()
      return .wait
    }
    switch step {
    case .part(let part): waiter.resume(returning: part)
    case .fail(let error): waiter.resume(throwing: error)
    case .wait: break
    }
  }
}

extension InboundQueue.State {
  mutating func takeWaiter() -> CheckedContinuation<StreamPart?, any Error>? {
    defer {
      waiter = nil
      waitingSince = nil
    }
    return waiter
  }

  mutating func step() -> InboundQueue.Step {
    if isCancelled { return .fail(CancellationError()) }
    if let part = parts.popFirst() {
      unreportedCost += part.cost
      return .part(part)
    }
    switch ending {
    case .none: return .wait
    case .success: return .part(nil)
    case .failure(let error): return .fail(error)
    }
  }

  mutating func takeReport(atLeast least: Int) -> Int {
    guard unreportedCost >= least else { return 0 }
    defer { unreportedCost = 0 }
    return unreportedCost
  }
}

extension StreamPart {
  /// What the part takes of the credit: only messages take any.
  var cost: Int {
    guard case .message(let bytes) = self else { return 0 }
    return WireFormat.messageCost(bytes.count)
  }
}
