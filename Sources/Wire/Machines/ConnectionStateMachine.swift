/// One side of a connection as a value: which frames may come and go, and what each of them means.
///
/// It owns no socket, clock or task. Whoever drives it tells it what arrives and asks it before sending; it answers
/// with what to do, or throws the reason to close the connection with, after which it is closed.
package struct ConnectionStateMachine: ~Copyable {
  private enum State: ~Copyable {
    /// The peer's preface has not come.
    case greeting
    /// Streams may be opened.
    case open(StreamTable)
    /// Streams that are open may end; the connection ends with the last of them.
    case draining(StreamTable)
    /// Nothing more is sent or received.
    case closed
  }

  private var state: State = .greeting
  private let role: WireRole
  private let own: Preface

  /// A connection of which neither side has said anything.
  package init(role: WireRole, settings: Preface) {
    self.role = role
    own = settings
  }

  private init(_ state: consuming State, role: WireRole, own: Preface) {
    self.state = state
    self.role = role
    self.own = own
  }

  // MARK: Receiving

  /// Takes the peer's preface.
  ///
  /// - Throws: ``CloseReason/sequence`` for a second one.
  package mutating func receive(_ preface: Preface) throws(CloseReason) {
    switch consume self.state {
    case .greeting:
      self = .init(.open(StreamTable(role: role, own: own, peer: preface)), role: role, own: own)
    case _:
      self = .init(.closed, role: role, own: own)
      throw .sequence
    }
  }

  /// Charges a message that is about to arrive; memory for it is taken only afterwards.
  package mutating func receiveMessageHead(_ stream: StreamID, byteCount: Int) throws(CloseReason) {
    try withTable { (table, _) throws(CloseReason) in
      try table.receiveMessageHead(stream, byteCount: byteCount)
    }
  }

  /// Takes a frame.
  package mutating func receive(_ frame: Frame) throws(CloseReason) -> ReceiveAction {
    guard case .goAway(let last, let reason, let text) = frame else {
      return try withTable { (table, isDraining) throws(CloseReason) in
        try table.receive(frame, accepting: !isDraining)
      } ?? .none
    }
    guard reason == .graceful else {
      self = .init(.closed, role: role, own: own)
      return .close(reason, text: text)
    }
    drain()
    return .drain(lastStream: last)
  }

  /// Notes that all that was read is dealt with, and that the socket has room: the count of a flood begins anew.
  package mutating func noteRoom() {
    update { $0.noteRoom() }
  }

  // MARK: Sending

  /// Opens a stream, if the peer's limit and the connection's state allow.
  package mutating func open() -> StreamID? {
    switch consume self.state {
    case .open(var table):
      let stream = table.open()
      self = .init(.open(table), role: role, own: own)
      return stream
    case .draining(var table):
      let stream = table.openReserved()
      self = .init(.draining(table), role: role, own: own)
      return stream
    case .greeting:
      self = .init(.greeting, role: role, own: own)
      return nil
    case .closed:
      self = .init(.closed, role: role, own: own)
      return nil
    }
  }

  /// Whether ``open()`` would succeed after that many other calls of it, for a stream that is not promised yet.
  package func mayOpen(reserved: Int) -> Bool {
    switch state {
    case .open(let table): table.hasRoom(reserved: reserved)
    case .greeting: false
    case .draining: false
    case .closed: false
    }
  }

  /// Spends credit for a message, or says what it waits for.
  package mutating func spendForMessage(_ stream: StreamID, byteCount: Int) -> MessageVerdict {
    update { $0.spendForMessage(stream, byteCount: byteCount) } ?? .closed
  }

  /// Notes a frame other than a message that is about to be sent; false where it may not be.
  package mutating func send(_ stream: StreamID, _ step: SendStep) -> Bool {
    update { $0.send(stream, step) } ?? false
  }

  /// Closes a stream that has just been opened and finds no handler; false where it is closed already.
  ///
  /// - Throws: ``CloseReason/flood`` when too many are refused before the socket is seen to have room.
  package mutating func refuse(_ stream: StreamID) throws(CloseReason) -> Bool {
    try withTable { (table, _) throws(CloseReason) in try table.refuse(stream) } ?? false
  }

  // MARK: Consuming and ending

  /// Notes that messages were consumed, and returns the grants that are due.
  ///
  /// - Parameter streamWindow: how wide the stream's window may be by now.
  package mutating func consume(_ stream: StreamID, cost: Int, streamWindow: Int) -> Grants {
    update { $0.consume(stream, cost: cost, streamWindow: streamWindow) } ?? Grants()
  }

  /// Widens the connection's window and returns the grant that is due.
  package mutating func widen(by bytes: Int) -> UInt32? {
    update { $0.widen(by: bytes) } ?? nil
  }

  /// Forgets a stream that nobody uses any more.
  package mutating func release(_ stream: StreamID) -> Grants {
    update { $0.release(stream) } ?? Grants()
  }

  /// Opens and accepts no stream from here on; returns the last one that was.
  ///
  /// - Parameter reserved: how many streams a client has promised to its callers and may open yet; none when the peer
  ///   takes no more.
  @discardableResult
  package mutating func drain(reserved: Int = 0) -> StreamID {
    switch consume self.state {
    case .greeting:
      self = .init(.closed, role: role, own: own)
      return 0
    case .open(var table):
      table.drain(reserved: reserved)
      self = .init(.draining(table), role: role, own: own)
      return table.lastStream
    case .draining(var table):
      table.drain(reserved: reserved)
      self = .init(.draining(table), role: role, own: own)
      return table.lastStream
    case .closed:
      self = .init(.closed, role: role, own: own)
      return 0
    }
  }

  /// Sends and receives nothing any more.
  package mutating func close() {
    self = .init(.closed, role: role, own: own)
  }

  // MARK: Looking

  /// Where the connection stands, for whoever drives it.
  package var status: ConnectionStatus {
    switch state {
    case .greeting: .greeting
    case .open(let table): .open(streamCount: table.count, window: table.window)
    case .draining(let table): .draining(streamCount: table.count)
    case .closed: .closed
    }
  }

  /// What the peer announced; nil before its preface and after the end.
  package var peer: Preface? { look { $0.peer } }

  /// The newest stream that was opened.
  package var lastStream: StreamID { look { $0.lastStream } ?? 0 }

  /// Whether a stream is held and not closed.
  package func isOpen(_ stream: StreamID) -> Bool { look { $0.isOpen(stream) } ?? false }

  /// Whether the peer may send more on a stream.
  package func expectsMore(_ stream: StreamID) -> Bool { look { $0.expectsMore(stream) } ?? false }

  private func look<Result>(_ body: (StreamTable) -> Result) -> Result? {
    switch state {
    case .open(let table): body(table)
    case .draining(let table): body(table)
    case .greeting: nil
    case .closed: nil
    }
  }

  // MARK: Moving the table

  /// Applies `body` to the table; closes when it throws.
  ///
  /// Before the peer's preface no frame may come.
  private mutating func withTable<Result>(
    _ body: (inout StreamTable, _ isDraining: Bool) throws(CloseReason) -> Result
  ) throws(CloseReason) -> Result? {
    switch consume self.state {
    case .greeting:
      self = .init(.closed, role: role, own: own)
      throw .sequence
    case .open(var table):
      // Should `body` throw, this is what is left.
      self = .init(.closed, role: role, own: own)
      let result = try body(&table, false)
      self = .init(.open(table), role: role, own: own)
      return result
    case .draining(var table):
      self = .init(.closed, role: role, own: own)
      let result = try body(&table, true)
      self = .init(.draining(table), role: role, own: own)
      return result
    case .closed:
      self = .init(.closed, role: role, own: own)
      return nil
    }
  }

  /// Applies `body` to the table where there is one.
  private mutating func update<Result>(_ body: (inout StreamTable) -> Result) -> Result? {
    switch consume self.state {
    case .open(var table):
      let result = body(&table)
      self = .init(.open(table), role: role, own: own)
      return result
    case .draining(var table):
      let result = body(&table)
      self = .init(.draining(table), role: role, own: own)
      return result
    case let other:
      self = .init(other, role: role, own: own)
      return nil
    }
  }
}

/// Where a connection stands.
package enum ConnectionStatus: Equatable, Sendable {
  /// The peer's preface has not come.
  case greeting
  /// Streams may be opened; the window is the connection's, in bytes.
  case open(streamCount: Int, window: Int)
  /// The connection ends with its last stream.
  case draining(streamCount: Int)
  /// It has ended.
  case closed
}
