/// Which side of a connection this is: only clients open streams.
package enum WireRole: Sendable {
  /// Opens connections and streams.
  case client
  /// Accepts them.
  case server
}

/// Where one stream stands, in both directions: which frames may be sent and received, and the credit of each.
package struct StreamStateMachine: Hashable, Sendable {
  /// One direction of an open stream.
  private enum Direction: Hashable, Sendable {
    /// A response has to come before messages.
    case expectingResponse
    /// Messages may flow.
    case flowing
    /// The client said that it sends no more.
    case ended
  }

  private enum State: Hashable, Sendable {
    case open(inbound: Direction, outbound: Direction)
    /// A status or a reset went in either direction.
    case closed
  }

  private var state: State
  /// What may still be sent on this stream.
  package private(set) var sendCredit: SendCredit
  /// What the peer may still send on this stream.
  package private(set) var receiveCredit: ReceiveCredit
  /// What arrived and was not consumed, in bytes of cost.
  package private(set) var bufferedCost = 0

  /// A stream that a request frame has just opened, as each side sees it.
  package init(role: WireRole, sendCredit: UInt32, receiveWindow: Int, messageLimit: Int) {
    state =
      switch role {
      case .client: .open(inbound: .expectingResponse, outbound: .flowing)
      case .server: .open(inbound: .flowing, outbound: .expectingResponse)
      }
    self.sendCredit = SendCredit(sendCredit)
    receiveCredit = ReceiveCredit(window: receiveWindow, messageLimit: messageLimit)
  }

  /// Whether a status or reset has gone either way.
  package var isClosed: Bool { state == .closed }

  /// Whether the peer may send anything more on this stream.
  package var expectsMore: Bool {
    guard case .open(let inbound, _) = state else { return false }
    return inbound != .ended
  }

  // MARK: Receiving

  /// A response: once, first, and to a client.
  package mutating func receiveResponse() throws(CloseReason) {
    guard case .open(.expectingResponse, let outbound) = state else { throw .sequence }
    state = .open(inbound: .flowing, outbound: outbound)
  }

  /// The announcement of a message.
  package mutating func receiveMessageHead(cost: Int) throws(CloseReason) {
    guard case .open(.flowing, _) = state else { throw .sequence }
    try receiveCredit.charge(cost)
    bufferedCost += cost
  }

  /// A client's end.
  package mutating func receiveEnd(role: WireRole) throws(CloseReason) {
    guard role == .server, case .open(.flowing, let outbound) = state else { throw .sequence }
    state = .open(inbound: .ended, outbound: outbound)
  }

  /// A server's status; it may come without a response.
  package mutating func receiveStatus(role: WireRole) throws(CloseReason) {
    guard role == .client, !isClosed else { throw .sequence }
    state = .closed
  }

  /// A reset.
  package mutating func receiveReset() {
    state = .closed
  }

  /// A grant.
  package mutating func receiveCredit(_ bytes: UInt32) throws(CloseReason) {
    try sendCredit.add(bytes)
  }

  // MARK: Sending

  /// Whether a response may be sent now; if so, it was.
  package mutating func sendResponse() -> Bool {
    guard case .open(let inbound, .expectingResponse) = state else { return false }
    state = .open(inbound: inbound, outbound: .flowing)
    return true
  }

  /// Whether messages may be sent, credit aside.
  package var maySendMessages: Bool {
    guard case .open(_, .flowing) = state else { return false }
    return true
  }

  /// Spends credit for a message.
  package mutating func spend(_ cost: Int) -> Bool { sendCredit.spend(cost) }

  /// Whether a client's end may be sent now; if so, it was.
  package mutating func sendEnd(role: WireRole) -> Bool {
    guard role == .client, case .open(let inbound, .flowing) = state else { return false }
    state = .open(inbound: inbound, outbound: .ended)
    return true
  }

  /// Whether a server's status may be sent now; if so, it was.
  package mutating func sendStatus(role: WireRole) -> Bool {
    guard role == .server, !isClosed else { return false }
    state = .closed
    return true
  }

  /// Whether a reset may be sent now; if so, it was.
  package mutating func sendReset() -> Bool {
    guard !isClosed else { return false }
    state = .closed
    return true
  }

  // MARK: Consuming

  /// Notes that messages of that cost were consumed, and returns the grant that is due.
  ///
  /// A peer that sends no more is granted no more.
  package mutating func consume(_ cost: Int, window: Int) -> UInt32? {
    bufferedCost -= min(cost, bufferedCost)
    guard expectsMore else { return nil }
    receiveCredit.widen(to: window)
    return receiveCredit.consume(cost)
  }
}
