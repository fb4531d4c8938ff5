import GRPCCore
import NIOCore
import Synchronization

/// A server's connections and handlers: how many there are, and how they are told to end.
final class ServerConnections: Sendable {
  fileprivate struct Entry: Sendable {
    var channel: any Channel
    var handler: NIOLoopBound<ConnectionHandler>
    var loan: WindowLoan
    var address: PeerAddress
    /// The peer's preface has not come.
    var isGreeting = true
    /// Handlers that run: they may hold messages even when the connection is closed.
    var handlerCount = 0
    var isClosed = false
  }

  /// What one address has of the server.
  fileprivate struct Share: Sendable {
    var connectionCount = 0
    /// Connections whose prefaces have not crossed.
    var greetingCount = 0
    var handlerCount = 0
  }

  fileprivate enum Phase {
    case starting
    case listening(any Channel)
    case shuttingDown
    case failed(any Error)
  }

  fileprivate struct State {
    var phase = Phase.starting
    /// Somebody has asked the server to listen.
    var hasBegun = false
    var entries: [ObjectIdentifier: Entry] = [:]
    var shares: [PeerAddress: Share] = [:]
    var handlerCount = 0
    var addressWaiters: [UInt64: CheckedContinuation<WireAddress, any Error>] = [:]
    var nextWaiter: UInt64 = 0
    var endWaiter: CheckedContinuation<Void, Never>?

    /// Whether connections are taken: the kernel accepts them as soon as the socket is bound.
    var isAccepting: Bool {
      switch phase {
      case .starting, .listening: true
      case .shuttingDown, .failed: false
      }
    }

    /// Whether the last connection has gone after the listening socket; its handlers may run yet.
    var isOver: Bool {
      guard case .shuttingDown = phase else { return false }
      return entries.values.allSatisfy(\.isClosed)
    }
  }

  private let limits: WireServerLimits
  private let state = Mutex(State())
  /// What windows may widen by.
  let windowBudget: WindowBudget

  init(limits: WireServerLimits) {
    self.limits = limits
    windowBudget = WindowBudget(byteCount: max(limits.sharedWindowByteCount, 0))
  }

  // MARK: Listening

  /// The server is about to listen.
  ///
  /// - Throws: `RPCError` the second time.
  func begins() throws {
    let isFirst = state.withLock { state in
      defer { state.hasBegun = true }
      return !state.hasBegun
    }
    guard isFirst else { throw RPCError(code: .failedPrecondition, message: "A server transport listens once.") }
  }

  /// The server listens.
  ///
  /// - Throws: `RPCError` where it was shut down before.
  func listens(on channel: any Channel) throws {
    let address = WireAddress(host: channel.localAddress?.ipAddress ?? "", port: channel.localAddress?.port ?? 0)
    let waiters = state.withLock { state -> [CheckedContinuation<WireAddress, any Error>]? in
      guard case .starting = state.phase else { return nil }
      state.phase = .listening(channel)
      defer { state.addressWaiters.removeAll() }
      return Array(state.addressWaiters.values)
    }
    guard let waiters else {
      channel.close(promise: nil)
      throw RPCError(code: .failedPrecondition, message: "The server was shut down before it listened.")
    }
    for waiter in waiters { waiter.resume(returning: address) }
    // A listening socket that fails ends the server, as closing it does.
    channel.closeFuture.whenComplete { _ in self.listenerClosed() }
  }

  /// The server cannot listen.
  func failed(_ error: any Error) {
    let waiters = state.withLock { state in
      state.phase = .failed(error)
      defer { state.addressWaiters.removeAll() }
      return Array(state.addressWaiters.values)
    }
    for waiter in waiters { waiter.resume(throwing: error) }
  }

  /// Where the server listens, once it does.
  func boundAddress() async throws -> WireAddress {
    let id = state.withLock { state in
      defer { state.nextWaiter += 1 }
      return state.nextWaiter
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { waiter in
        let result = state.withLock { state -> Result<WireAddress, any Error>? in
          switch state.phase {
          case .starting:
            guard !Task.isCancelled else { return .failure(CancellationError()) }
            state.addressWaiters[id] = waiter
            return nil
          case .listening(let channel):
            return .success(
              WireAddress(host: channel.localAddress?.ipAddress ?? "", port: channel.localAddress?.port ?? 0))
          case .shuttingDown:
            return .failure(CancellationError())
          case .failed(let error):
            return .failure(error)
          }
        }
        if let result { waiter.resume(with: result) }
      }
    } onCancel: {
      state.withLock { $0.addressWaiters.removeValue(forKey: id) }?.resume(throwing: CancellationError())
    }
  }

  // MARK: Counting

  /// Takes a connection in; it keeps its place until it is closed and its last handler has ended, so that the windows
  /// of those that have one bound what all handlers hold.
  ///
  /// - Throws: `RPCError` when there are too many, or the server is shutting down.
  func add(
    _ channel: any Channel, _ handler: NIOLoopBound<ConnectionHandler>, _ loan: WindowLoan, address: PeerAddress
  ) throws {
    let isTaken = state.withLock { state in
      guard state.isAccepting, state.entries.count < limits.connectionLimit,
        state.hasRoom(for: address, limits)
      else { return false }
      state.entries[ObjectIdentifier(channel)] = Entry(channel: channel, handler: handler, loan: loan, address: address)
      state.shares[address, default: Share()].connectionCount += 1
      state.shares[address, default: Share()].greetingCount += 1
      return true
    }
    guard isTaken else { throw RPCError(code: .resourceExhausted, message: "Too many connections.") }
    let id = ObjectIdentifier(channel)
    channel.closeFuture.whenComplete { _ in self.closed(id) }
  }

  /// Notes that a connection's prefaces have crossed.
  func greeted(_ id: ObjectIdentifier) {
    update(id) { $0.endGreeting(of: id) }
  }

  /// Counts a handler of a connection in; false when there are too many, of its address or of all.
  func handlerStarts(of id: ObjectIdentifier) -> Bool {
    state.withLock { state in
      guard let address = state.entries[id]?.address, state.handlerCount < limits.handlerLimit,
        state.shares[address, default: Share()].handlerCount < limits.addressHandlerLimit
      else { return false }
      state.handlerCount += 1
      state.shares[address, default: Share()].handlerCount += 1
      state.entries[id]?.handlerCount += 1
      return true
    }
  }

  /// Counts a handler of a connection out.
  func handlerEnded(of id: ObjectIdentifier) {
    update(id) { state in
      guard let address = state.entries[id]?.address else { return }
      state.handlerCount -= 1
      state.shares[address]?.handlerCount -= 1
      state.entries[id]?.handlerCount -= 1
    }
  }

  private func closed(_ id: ObjectIdentifier) {
    update(id) { state in
      state.endGreeting(of: id)
      state.entries[id]?.isClosed = true
    }
  }

  /// Applies `body`, and takes the connection's place away if nothing needs it any more.
  private func update(_ id: ObjectIdentifier, _ body: (inout State) -> Void) {
    let (loan, waiter) = state.withLock { state -> (WindowLoan?, CheckedContinuation<Void, Never>?) in
      body(&state)
      guard let entry = state.entries[id], entry.isClosed else { return (nil, nil) }
      guard entry.handlerCount == 0 else { return (nil, state.takeEndWaiter()) }
      state.entries[id] = nil
      state.shares[entry.address]?.connectionCount -= 1
      if state.shares[entry.address]?.connectionCount == 0 { state.shares[entry.address] = nil }
      return (entry.loan, state.takeEndWaiter())
    }
    loan?.giveBack()
    waiter?.resume()
  }

  // MARK: Ending

  /// Waits until the server is shut down and the last connection has gone.
  func ended() async {
    await withCheckedContinuation { waiter in
      let isOver = state.withLock { state in
        if !state.isOver { state.endWaiter = waiter }
        return state.isOver
      }
      if isOver { waiter.resume() }
    }
  }

  /// Lets streams end for as long as `grace`, and takes nothing new.
  func shutDown(grace: TimeAmount) {
    end { handler in handler.shutDown(grace: grace) }
  }

  /// Ends everything now.
  func abort() {
    end { handler in handler.abort() }
  }

  private func end(_ tell: @escaping @Sendable (ConnectionHandler) -> Void) {
    let (listener, entries, waiters) = state.withLock { state in
      var listener: (any Channel)?
      if case .listening(let channel) = state.phase { listener = channel }
      state.phase = .shuttingDown
      defer { state.addressWaiters.removeAll() }
      return (listener, Array(state.entries.values), Array(state.addressWaiters.values))
    }
    for waiter in waiters { waiter.resume(throwing: CancellationError()) }
    listener?.close(promise: nil)
    for entry in entries {
      entry.channel.eventLoop.execute { tell(entry.handler.value) }
    }
    let waiter = state.withLock { $0.takeEndWaiter() }
    waiter?.resume()
  }

  private func listenerClosed() {
    let isUnexpected = state.withLock { state in
      guard case .listening = state.phase else { return false }
      return true
    }
    if isUnexpected { abort() }
  }
}

extension ServerConnections.State {
  /// Whether an address may have one more connection, which has everything to say yet.
  fileprivate func hasRoom(for address: PeerAddress, _ limits: WireServerLimits) -> Bool {
    guard let share = shares[address] else { return limits.addressConnectionLimit > 0 }
    return share.connectionCount < limits.addressConnectionLimit && share.greetingCount < limits.addressGreetingLimit
  }

  /// Counts a connection out of those whose prefaces have not crossed, once.
  fileprivate mutating func endGreeting(of id: ObjectIdentifier) {
    guard let entry = entries[id], entry.isGreeting else { return }
    entries[id]?.isGreeting = false
    shares[entry.address]?.greetingCount -= 1
  }

  /// Whoever waits for the end, once it is there.
  fileprivate mutating func takeEndWaiter() -> CheckedContinuation<Void, Never>? {
    guard isOver else { return nil }
    defer { endWaiter = nil }
    return endWaiter
  }
}
