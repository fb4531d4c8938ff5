import GRPCCore
import NIOCore

/// Everything that a connection past its prefaces has to remember: its streams, its credit and the peer's limits.
///
/// A value: ``ConnectionStateMachine`` moves it from state to state.
package struct StreamTable: Sendable {
  private let role: WireRole
  private let own: Preface
  /// What the peer accepts.
  package let peer: Preface

  private var streams: [StreamID: StreamStateMachine] = [:]
  /// The newest stream that was opened.
  package private(set) var lastStream: StreamID = 0
  private var sendCredit: SendCredit
  private var receiveCredit: ReceiveCredit
  /// Frames that asked for an answer since the socket was last seen to have room.
  private var unansweredCount = 0
  /// Streams that are not closed.
  private var openCount = 0
  /// Streams that a client may open yet though it drains.
  private var reservedCount = Int.max
  /// The message that is arriving: charged to the connection and, if it was open, to its stream; not here yet.
  private var incoming: (stream: StreamID, streamCost: Int)?

  /// More frames than this that ask for an answer, before the socket is seen to have room, are a flood.
  package static let floodLimit = 1_000

  init(role: WireRole, own: Preface, peer: Preface) {
    self.role = role
    self.own = own
    self.peer = peer
    sendCredit = SendCredit(peer.connectionCredit)
    receiveCredit = ReceiveCredit(window: Int(own.connectionCredit), messageLimit: Int(own.messageLimit))
  }

  /// Whether no stream is held: none is open and none has messages that wait.
  package var isEmpty: Bool { streams.isEmpty }

  /// How many streams are held.
  package var count: Int { streams.count }

  /// The connection's window for what the peer sends, in bytes.
  package var window: Int { receiveCredit.window }

  // MARK: Receiving

  /// Takes a frame other than a goaway, which is the connection's affair.
  mutating func receive(_ frame: Frame, accepting: Bool) throws(CloseReason) -> ReceiveAction {
    switch frame {
    case .request(let id, let method, let metadata):
      return try receiveRequest(id, method, metadata, accepting: accepting)
    case .response(let id, let metadata):
      return try receive(id) { (stream) throws(CloseReason) in
        try stream.receiveResponse()
        return .deliver(id, .metadata(metadata))
      }
    case .message(let id, let payload):
      let streamCost = incoming?.streamCost ?? 0
      incoming = nil
      guard let stream = streams[id], !stream.isClosed else {
        return discard(id, cost: WireFormat.messageCost(payload.readableBytes), streamCost: streamCost)
      }
      return .deliver(id, .message(WireBytes(payload)))
    case .end(let id):
      let role = role
      return try receive(id) { (stream) throws(CloseReason) in
        try stream.receiveEnd(role: role)
        return .deliver(id, .end)
      }
    case .status(let id, let status, let metadata):
      let role = role
      return try receive(id) { (stream) throws(CloseReason) in
        try stream.receiveStatus(role: role)
        return .deliver(id, .status(status, metadata))
      }
    case .reset(let id, let reason):
      try countUnanswered()
      return try receive(id) { (stream) throws(CloseReason) in
        stream.receiveReset()
        return .reset(id, reason)
      }
    case .credit(let id, let bytes):
      guard id != 0 else {
        try sendCredit.add(bytes)
        return .resumeAll
      }
      return try receive(id) { (stream) throws(CloseReason) in
        try stream.receiveCredit(bytes)
        return .resume(id)
      }
    case .ping(let value):
      try countUnanswered()
      return .sendPong(value)
    case .pong, .goAway:
      return .none
    }
  }

  /// Charges a message that is about to arrive, before memory is taken for it.
  mutating func receiveMessageHead(_ id: StreamID, byteCount: Int) throws(CloseReason) {
    let cost = WireFormat.messageCost(byteCount)
    try receiveCredit.charge(cost)
    incoming = (id, 0)
    guard var stream = streams[id], !stream.isClosed else {
      // It may have been sent before the peer learnt that the stream is closed.
      guard id <= lastStream else { throw .sequence }
      return
    }
    try stream.receiveMessageHead(cost: cost)
    incoming = (id, cost)
    streams[id] = stream
  }

  private mutating func receiveRequest(
    _ id: StreamID, _ method: String, _ metadata: Metadata, accepting: Bool
  ) throws(CloseReason) -> ReceiveAction {
    guard role == .server, id > lastStream else { throw .sequence }
    lastStream = id
    // Streams whose handlers still run after a reset count too, up to as many again: resetting at once must not
    // be a way to have more handlers than the limit allows.
    guard accepting, openCount < Int(own.streamLimit), streams.count < 2 * Int(own.streamLimit) else {
      try countUnanswered()
      return .sendReset(id, .refused)
    }
    insert(id)
    return .open(id, method: method, metadata)
  }

  /// Applies `body` to a stream that is held and open; a frame for one that is not is late, and dropped.
  private mutating func receive(
    _ id: StreamID, _ body: (inout StreamStateMachine) throws(CloseReason) -> ReceiveAction
  ) throws(CloseReason) -> ReceiveAction {
    guard var stream = streams[id], !stream.isClosed else {
      guard id <= lastStream else { throw .sequence }
      return .none
    }
    let action = try body(&stream)
    update(id, stream)
    return action
  }

  /// A message that nobody waits for gives its credit back to the connection.
  private mutating func discard(_ id: StreamID, cost: Int, streamCost: Int) -> ReceiveAction {
    if var stream = streams[id] {
      // The stream's release must not count it again.
      _ = stream.consume(streamCost, window: 0)
      streams[id] = stream
    }
    guard let grant = receiveCredit.consume(cost) else { return .none }
    return .sendCredit(grant)
  }

  private mutating func countUnanswered() throws(CloseReason) {
    unansweredCount += 1
    guard unansweredCount <= StreamTable.floodLimit else { throw .flood }
  }

  /// Notes that all that was read is dealt with, and that the socket has room: little of what was written waits.
  mutating func noteRoom() {
    unansweredCount = 0
  }

  // MARK: Sending

  /// Opens a stream for a client, if the server's limit allows one more.
  mutating func open() -> StreamID? {
    guard role == .client, openCount < Int(peer.streamLimit), lastStream < StreamID.max else { return nil }
    lastStream += 1
    insert(lastStream)
    return lastStream
  }

  /// Takes back the right to open streams, but for those that are promised; what was taken back before stays so.
  mutating func drain(reserved: Int) {
    reservedCount = min(reservedCount, reserved)
  }

  /// Opens one of the streams that were promised before draining began.
  mutating func openReserved() -> StreamID? {
    guard reservedCount > 0, let stream = open() else { return nil }
    reservedCount -= 1
    return stream
  }

  /// Whether a client may open one more stream than those that it is about to open already.
  func hasRoom(reserved: Int) -> Bool {
    openCount + reserved < Int(peer.streamLimit) && Int(lastStream) + reserved < Int(StreamID.max)
  }

  /// Spends credit for a message, or says what it waits for.
  mutating func spendForMessage(_ id: StreamID, byteCount: Int) -> MessageVerdict {
    guard var stream = streams[id], stream.maySendMessages else { return .closed }
    guard byteCount <= Int(peer.messageLimit) else { return .tooLong }
    let cost = WireFormat.messageCost(byteCount)
    guard stream.sendCredit.available >= cost else { return .waitForStream }
    guard sendCredit.spend(cost) else { return .waitForConnection }
    _ = stream.spend(cost)
    streams[id] = stream
    return .send
  }

  /// Notes a frame other than a message that is about to be sent; false where it may not be.
  mutating func send(_ id: StreamID, _ step: SendStep) -> Bool {
    guard var stream = streams[id] else { return false }
    let allowed =
      switch step {
      case .response: stream.sendResponse()
      case .end: stream.sendEnd(role: role)
      case .status: stream.sendStatus(role: role)
      case .reset: stream.sendReset()
      }
    update(id, stream)
    return allowed
  }

  /// Closes a stream that has just been opened and finds no handler; false where it is closed already.
  ///
  /// - Throws: ``CloseReason/flood`` when too many are refused before the socket is seen to have room.
  mutating func refuse(_ id: StreamID) throws(CloseReason) -> Bool {
    try countUnanswered()
    return send(id, .reset)
  }

  // MARK: Consuming and releasing

  /// Notes that messages were consumed, and returns the grants that are due.
  mutating func consume(_ id: StreamID, cost: Int, streamWindow: Int) -> Grants {
    guard var stream = streams[id] else { return Grants() }
    let streamGrant = stream.consume(cost, window: streamWindow)
    streams[id] = stream
    return Grants(stream: streamGrant, connection: receiveCredit.consume(cost))
  }

  /// Forgets a stream; what it still holds goes back to the connection.
  mutating func release(_ id: StreamID) -> Grants {
    guard let stream = streams.removeValue(forKey: id) else { return Grants() }
    if !stream.isClosed { openCount -= 1 }
    var held = stream.bufferedCost
    // A message that is still arriving gives its credit back when it is here.
    if let incoming, incoming.stream == id { held -= incoming.streamCost }
    return Grants(connection: receiveCredit.consume(held))
  }

  /// Widens the connection's window, and returns the grant that is due.
  mutating func widen(by bytes: Int) -> UInt32? {
    receiveCredit.widen(to: receiveCredit.window + bytes)
    return receiveCredit.consume(0)
  }

  /// Whether a stream is held and not closed.
  func isOpen(_ id: StreamID) -> Bool { streams[id].map { !$0.isClosed } ?? false }

  /// Whether the peer may send more on a stream.
  func expectsMore(_ id: StreamID) -> Bool { streams[id]?.expectsMore ?? false }

  private mutating func insert(_ id: StreamID) {
    streams[id] = StreamStateMachine(
      role: role, sendCredit: peer.streamCredit, receiveWindow: Int(own.streamCredit),
      messageLimit: Int(own.messageLimit))
    openCount += 1
  }

  /// Puts a changed stream back, and counts it out when it was closed.
  private mutating func update(_ id: StreamID, _ stream: StreamStateMachine) {
    if stream.isClosed, streams[id]?.isClosed == false { openCount -= 1 }
    streams[id] = stream
  }
}
