import GRPCCore
import NIOCore

/// A client's request for a stream.
struct OpenWaiter {
  /// Tells it from others, for when it is taken back.
  var token: UInt64
  /// `service/method`.
  var method: String
  /// When it was made.
  let since = NIODeadline.now()
  /// Gets the stream.
  var promise: EventLoopPromise<WireStream>
}

extension ConnectionHandler {
  // MARK: Opening (client)

  /// Gives a stream to whoever asks, as soon as the server's limit allows.
  func open(_ waiter: OpenWaiter) {
    guard closeError == nil, context != nil else {
      waiter.promise.fail(closeError ?? RPCError(code: .unavailable, message: "The connection is closed."))
      return
    }
    if case .draining = machine.status {
      // Whichever side began it: the transport knows whether there is to be another connection.
      waiter.promise.fail(RPCError(code: .unavailable, message: "The connection takes no new streams."))
      return
    }
    openWaiters.append(waiter)
    admitWaiters()
  }

  /// Takes a request for a stream back.
  func cancelOpen(token: UInt64) {
    guard let index = openWaiters.firstIndex(where: { $0.token == token }) else { return }
    openWaiters.remove(at: index).promise.fail(CancellationError())
  }

  /// Gives streams to those who wait for one.
  func admitWaiters() {
    guard let context, let peer = machine.peer else { return }
    while !openWaiters.isEmpty, machine.mayOpen(reserved: reserved.count), let waiter = openWaiters.popFirst() {
      let stream = WireStream(
        method: waiter.method, id: nil, messageLimit: Int(peer.messageLimit), holdsCredit: false,
        eventLoop: context.eventLoop, connection: self)
      reserved[ObjectIdentifier(stream)] = stream
      waiter.promise.succeed(stream)
    }
  }

  /// Fails those who wait for a stream.
  func failWaiters(_ error: RPCError) {
    while let waiter = openWaiters.popFirst() { waiter.promise.fail(error) }
  }

  // MARK: Consuming

  /// A stream's reader has consumed messages of that cost: the peer may send as much again.
  func consumed(_ stream: WireStream, cost: Int) {
    guard let id = stream.loop.value.id, streams[id] != nil, closeError == nil else { return }
    // A stream's window follows the connection's, of which it takes at most half.
    var window = settings.streamWindow
    if settings.windowLoan != nil, case .open(_, let connectionWindow) = machine.status {
      window = min(window, connectionWindow / 2)
    }
    send(machine.consume(id, cost: cost, streamWindow: window), stream: id)
    flush()
  }

  private func send(_ grants: Grants, stream id: StreamID) {
    if let bytes = grants.stream { write(.credit(id, bytes)) }
    if let bytes = grants.connection {
      write(.credit(0, bytes))
      widen()
    }
  }

  /// Doubles the connection's window while messages flow, as far as limits and the server's budget allow.
  private func widen() {
    guard let loan = settings.windowLoan, case .open(_, let window) = machine.status else { return }
    let extra = min(window, settings.connectionWindow - window)
    guard extra > 0, loan.take(extra) else { return }
    if let grant = machine.widen(by: extra) { write(.credit(0, grant)) }
  }

  // MARK: Ending

  /// A stream's user is done with it.
  func release(_ stream: WireStream) {
    guard !stream.loop.value.isReleased else { return }
    stream.loop.value.isReleased = true
    stream.inbound.discard()
    guard let id = stream.loop.value.id else {
      if reserved.removeValue(forKey: ObjectIdentifier(stream)) != nil { finishUnopened(stream) }
      return
    }
    guard streams[id] != nil else { return }
    if settings.role == .server, machine.isOpen(id) {
      if !stream.outbound.isFinished {
        let status = Status(code: .internalError, message: "The handler ended without a status.")
        stream.finish(.status(status, [:]))
      }
      // What is queued still goes out; the stream is forgotten behind its status.
      enqueue(stream)
      sendReady()
    } else {
      finishRelease(stream)
    }
    flush()
  }

  /// Forgets a released stream; a client's that is still open is reset.
  func finishRelease(_ stream: WireStream) {
    guard let id = stream.loop.value.id, streams[id] != nil else { return }
    if machine.send(id, .reset) { write(.reset(id, settings.role == .client ? .cancelled : .internalError)) }
    stream.outbound.fail(RPCError(code: .cancelled, message: "The stream was released."))
    forget(id)
  }

  /// Forgets a stream that is closed, if its user is done with it.
  func forgetIfReleased(_ id: StreamID) {
    guard let stream = streams[id], stream.loop.value.isReleased else { return }
    forget(id)
  }

  /// Forgets a stream and gives back what it held.
  func forget(_ id: StreamID) {
    guard streams.removeValue(forKey: id) != nil else { return }
    send(machine.release(id), stream: id)
    lastUseAt = .now()
    admitWaiters()
    closeIfDone()
  }

  private func finishUnopened(_ stream: WireStream) {
    stream.outbound.fail(RPCError(code: .cancelled, message: "The stream was released."))
    admitWaiters()
    closeIfDone()
  }

  /// Gives a stream up on both sides.
  func reset(_ stream: WireStream, _ reason: ResetReason, because error: RPCError) {
    if let id = stream.loop.value.id, machine.send(id, .reset) { write(.reset(id, reason)) }
    stream.fail(error)
    if let id = stream.loop.value.id { forgetIfReleased(id) }
    admitWaiters()
    flush()
  }
}

extension ResetReason {
  /// The reset as GRPCCore's callers see it.
  var error: RPCError {
    switch self {
    case .cancelled: RPCError(code: .cancelled, message: "The peer cancelled the call.")
    case .refused: RPCError(code: .unavailable, message: "The server is too busy to look at the call.")
    case .stalled: RPCError(code: .aborted, message: "The call was kept waiting for too long.")
    case .tooLong: RPCError(code: .resourceExhausted, message: "A message is longer than the peer accepts.")
    case .internalError: RPCError(code: .internalError, message: "The peer gave the call up.")
    }
  }
}
