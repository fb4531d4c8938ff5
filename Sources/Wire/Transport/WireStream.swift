import Core
import GRPCCore
import NIOCore
import Synchronization

/// One stream, as the tasks that use it and the event loop that carries it share it.
final class WireStream: Sendable {
  /// What only the event loop looks at.
  struct LoopState {
    /// The stream's number; a client's has none before its request is sent.
    var id: StreamID?
    /// Whether it stands in the line of those that have something to send.
    var isQueued = false
    /// Whether it stands in the line of those that wait for the connection's credit.
    var waitsForConnection = false
    /// Since when it has had a message to send and too little credit; crumbs of credit do not start it anew.
    var blockedSince: NIODeadline?
    /// When it was opened; a client's when its request was sent.
    var openedAt = NIODeadline.now()
    /// Whether its peer's first message has begun to arrive.
    var hasMessage = false
    /// Whether its request has a deadline, which is all the patience that a client needs.
    var hasDeadline = false
    /// When a client's end had gone to the socket with all that was before it.
    var endSentAt: NIODeadline?
    /// Whether its user is done with it.
    var isReleased = false
  }

  /// `service/method`.
  let method: String
  /// Why a server answers the request without a handler; nil for one that is well formed.
  let refusal: PosternError?
  /// How long a server's handler may take; nil where the request does not say.
  private let timeout: Duration?
  /// What was received.
  let inbound: InboundQueue
  /// What is to be sent.
  let outbound: OutboundQueue
  /// What only the event loop looks at.
  let loop: NIOLoopBoundBox<LoopState>

  /// Whether what was received counts as consumed only when the stream's user is done with it.
  private let holdsCredit: Bool
  private let eventLoop: any EventLoop
  private let connection: NIOLoopBound<ConnectionHandler>
  private let cancelled = Mutex<(isFired: Bool, action: (@Sendable () -> Void)?)>((false, nil))

  /// A stream of a connection; on its event loop.
  init(
    method: String, id: StreamID?, messageLimit: Int, holdsCredit: Bool, refusal: PosternError? = nil,
    timeout: Duration? = nil, eventLoop: any EventLoop, connection: ConnectionHandler
  ) {
    self.method = method
    self.refusal = refusal
    self.timeout = timeout
    self.holdsCredit = holdsCredit
    self.eventLoop = eventLoop
    loop = NIOLoopBoundBox(LoopState(id: id), eventLoop: eventLoop)
    self.connection = NIOLoopBound(connection, eventLoop: eventLoop)
    inbound = InboundQueue()
    outbound = OutboundQueue(messageLimit: messageLimit)
  }

  /// The next part that was received; nil at the end.
  func next() async throws -> StreamPart? {
    try await inbound.next { cost in
      guard !holdsCredit else { return }
      eventLoop.execute { self.connection.value.consumed(self, cost: cost) }
    }
  }

  /// Queues a part to be sent, and waits while too much is queued.
  func write(_ part: StreamPart) async throws {
    try await outbound.write(part) {
      eventLoop.execute { self.connection.value.outboundIsReady(self) }
    }
  }

  /// Queues the last part without waiting; a stream that is closed or finished already stays as it is.
  func finish(_ part: StreamPart) {
    _ = try? outbound.append(part) {
      eventLoop.execute { self.connection.value.outboundIsReady(self) }
    }
  }

  /// Tells the connection that the stream's user is done with it, whatever state it is in.
  func release() {
    eventLoop.execute { self.connection.value.release(self) }
  }

  /// Gives the stream up; this side sees `error`, or one that says the reason.
  func reset(_ reason: ResetReason, because error: RPCError? = nil) {
    eventLoop.execute { self.connection.value.reset(self, reason, because: error ?? reason.error) }
  }

  /// Has `action` called when the peer gives the stream up or the connection is lost; at once if that has happened.
  func onCancel(_ action: @escaping @Sendable () -> Void) {
    let isFired = cancelled.withLock { state in
      if !state.isFired { state.action = action }
      return state.isFired
    }
    if isFired { action() }
  }

  /// Has `action` called when the request's time is up, unless the timer is cancelled before; nil where it has none.
  func onTimeout(_ action: @escaping @Sendable () -> Void) -> Scheduled<Void>? {
    timeout.map { eventLoop.scheduleTask(in: TimeAmount($0), action) }
  }

  /// Calls what ``onCancel(_:)`` was given, and ends both directions with an error.
  func fail(_ error: RPCError) {
    // First the handle: a handler whose inbound ends with an error finds that the call is cancelled.
    let action = cancelled.withLock { state in
      defer { state = (true, nil) }
      return state.action
    }
    action?()
    inbound.fail(error)
    outbound.fail(error)
  }
}
