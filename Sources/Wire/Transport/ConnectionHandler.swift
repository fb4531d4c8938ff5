import GRPCCore
import Logging
import NIOCore

/// What a connection tells its owner; on the event loop, so the owner must not block.
struct ConnectionEvents: Sendable {
  /// The peer's preface is here: streams may be opened.
  var isReady: @Sendable () -> Void = {}
  /// A client opened a stream; its metadata is in its inbound queue.
  ///
  /// False refuses it.
  var opened: @Sendable (WireStream) -> Bool = { _ in false }
  /// The peer takes no new streams.
  var isDraining: @Sendable () -> Void = {}
  /// The connection is gone, and why.
  var closed: @Sendable (RPCError) -> Void = { _ in }
}

/// What a connection is made with.
struct ConnectionSettings: Sendable {
  var role: WireRole
  var preface: Preface
  /// How wide windows may become, in bytes.
  var streamWindow: Int
  var connectionWindow: Int
  /// Where wider windows come from; nil where they start at their widest.
  var windowLoan: WindowLoan?
  /// Methods (`service/method`) of one message in, which holds its credit until the handler has ended.
  var heldMethods: Set<String> = []
  var handshake: TimeAmount
  var keepalive: TimeAmount
  var keepaliveTimeout: TimeAmount
  /// Nil for a side that does not close idle connections.
  var idle: TimeAmount?
  /// Nil for a side that does not reset stalled streams.
  var stall: TimeAmount?
  /// Nil for a side that is sent no requests.
  var firstMessage: TimeAmount?
  /// Nil for a side that awaits no answers.
  var answer: TimeAmount?
  var logger: Logger
}

/// The channel handler at the end of a connection's pipeline: it moves bytes between the socket and the state
/// machines, and parts between the state machines and the streams' queues.
///
/// It lives on its event loop, which is the only one to touch it.
final class ConnectionHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = Never
  typealias OutboundOut = ByteBuffer

  let settings: ConnectionSettings
  let events: ConnectionEvents
  var decoder: FrameDecoder
  var machine: ConnectionStateMachine
  var context: ChannelHandlerContext?

  /// Streams by number.
  var streams: [StreamID: WireStream] = [:]
  /// A client's streams whose request is not sent yet.
  var reserved: [ObjectIdentifier: WireStream] = [:]
  /// A client's requests for a stream, first come first served.
  var openWaiters = CircularBuffer<OpenWaiter>()
  /// Streams that have something to send.
  var ready = CircularBuffer<WireStream>()
  /// Streams that wait for the connection's credit, in the order in which they asked.
  var creditWaiters = CircularBuffer<WireStream>()
  /// Bytes written and not flushed.
  var unflushedByteCount = 0

  var lastReadAt = NIODeadline.now()
  var lastUseAt = NIODeadline.now()
  /// When bytes of a message came last.
  var lastMessageAt = NIODeadline.now()
  /// When a message was sent last.
  var lastMessageSentAt = NIODeadline.now()
  /// When the peer last granted credit for what was still to be sent.
  var lastCreditAt = NIODeadline.now()
  var pingSentAt: NIODeadline?
  var timers: [Timer] = []
  /// Why the connection is closing; nothing is read any more.
  var closeError: RPCError?

  /// Something scheduled that must not outlive the connection.
  enum Timer {
    case once(Scheduled<Void>)
    case repeated(RepeatedTask)

    func cancel() {
      switch self {
      case .once(let scheduled): scheduled.cancel()
      case .repeated(let task): task.cancel()
      }
    }
  }

  init(settings: ConnectionSettings, events: ConnectionEvents) {
    self.settings = settings
    self.events = events
    decoder = FrameDecoder(settings: settings.preface)
    machine = ConnectionStateMachine(role: settings.role, settings: settings.preface)
  }

  // MARK: Channel callbacks

  func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { begin(context) }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    self.context = nil
  }

  func channelActive(context: ChannelHandlerContext) {
    begin(context)
    context.fireChannelActive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard closeError == nil else { return }
    lastReadAt = .now()
    pingSentAt = nil
    if decoder.isInMessage { lastMessageAt = lastReadAt }
    var bytes = unwrapInboundIn(data)
    do throws(CloseReason) {
      while closeError == nil, let event = try decoder.next(from: &bytes) {
        try handle(event)
      }
    } catch {
      fail(error)
    }
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    // Credit may have come for streams that had none.
    sendReady()
    flush()
    if context.channel.isWritable { machine.noteRoom() }
    context.fireChannelReadComplete()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { sendReady() }
    context.fireChannelWritabilityChanged()
  }

  func channelInactive(context: ChannelHandlerContext) {
    end(RPCError(code: .unavailable, message: "The connection was lost."))
    context.fireChannelInactive()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    settings.logger.debug("A connection failed.", metadata: ["error": "\(error)"])
    end(RPCError(code: .unavailable, message: "The connection failed.", cause: error))
    context.close(promise: nil)
  }

  private func begin(_ context: ChannelHandlerContext) {
    guard timers.isEmpty else { return }
    write(settings.preface.encoded)
    flush()
    startTimers(context)
  }

  // MARK: Receiving

  private func handle(_ event: WireEvent) throws(CloseReason) {
    switch event {
    case .preface(let preface):
      try machine.receive(preface)
      lastUseAt = .now()
      events.isReady()
      admitWaiters()
    case .messageHead(let stream, let byteCount):
      try machine.receiveMessageHead(stream, byteCount: byteCount)
      lastMessageAt = lastReadAt
      streams[stream]?.loop.value.hasMessage = true
    case .frame(let frame):
      try handle(try machine.receive(frame))
    }
  }

  private func handle(_ action: ReceiveAction) throws(CloseReason) {
    switch action {
    case .none: break
    case .open(let id, let method, let metadata): try accept(id, method, metadata)
    case .deliver(let id, let part): deliver(id, part)
    case .reset(let id, let reason):
      streams[id]?.fail(reason.error)
      forgetIfReleased(id)
      admitWaiters()
    case .resume(let id):
      if sendsMore(id) { lastCreditAt = lastReadAt }
      streams[id].map(enqueue)
    case .resumeAll:
      if streams.keys.contains(where: sendsMore) { lastCreditAt = lastReadAt }
      while let stream = creditWaiters.popLast() {
        stream.loop.value.waitsForConnection = false
        if !stream.loop.value.isQueued {
          stream.loop.value.isQueued = true
          ready.prepend(stream)
        }
      }
    case .sendReset(let id, let reason): write(.reset(id, reason))
    case .sendCredit(let bytes): write(.credit(0, bytes))
    case .sendPong(let value): write(.pong(value))
    case .drain(let lastStream): drain(after: lastStream)
    case .close(let reason, let text): peerCloses(reason, text)
    }
  }

  /// Whether a client's stream still has something to send, its end at least: no other gets on by credit.
  private func sendsMore(_ id: StreamID) -> Bool {
    guard settings.answer != nil, let stream = streams[id] else { return false }
    return stream.loop.value.endSentAt == nil && machine.isOpen(id)
  }

  /// Hands a new stream to the server, with its metadata in it before anything else can arrive.
  private func accept(_ id: StreamID, _ method: String, _ metadata: Metadata) throws(CloseReason) {
    guard let context else { return }
    var metadata = metadata
    let (timeout, refusal) = RequestTimeout.take(from: &metadata)
    let stream = WireStream(
      method: method, id: id, messageLimit: Int(machine.peer?.messageLimit ?? 0),
      holdsCredit: settings.heldMethods.contains(method), refusal: refusal, timeout: timeout,
      eventLoop: context.eventLoop, connection: self)
    streams[id] = stream
    _ = stream.inbound.append(.metadata(metadata))
    guard events.opened(stream) else {
      if try machine.refuse(id) { write(.reset(id, .refused)) }
      forget(id)
      return
    }
  }

  private func deliver(_ id: StreamID, _ part: StreamPart) {
    guard let stream = streams[id] else { return }
    let dropped = stream.inbound.append(part)
    if dropped > 0 { consumed(stream, cost: dropped) }
    switch part {
    case .metadata, .message: break
    case .end: stream.inbound.finish()
    case .status:
      stream.inbound.finish()
      stream.outbound.fail(RPCError(code: .unavailable, message: "The server has ended the stream."))
      forgetIfReleased(id)
      admitWaiters()
    }
  }

  /// The peer takes no new streams: those that it did not look at may be tried elsewhere.
  private func drain(after lastStream: StreamID) {
    let refused = RPCError(code: .unavailable, message: "The server is shutting down.")
    for (id, stream) in streams where id > lastStream {
      _ = machine.send(id, .reset)
      stream.fail(refused)
      forgetIfReleased(id)
    }
    for stream in reserved.values { stream.fail(refused) }
    failWaiters(refused)
    events.isDraining()
    closeIfDone()
  }

  private func peerCloses(_ reason: CloseReason, _ text: String) {
    settings.logger.debug("The peer closes a connection.", metadata: ["reason": "\(reason)", "text": "\(text)"])
    end(RPCError(code: .unavailable, message: "The peer closed the connection: \(reason). \(text)"))
    context?.close(promise: nil)
  }
}
