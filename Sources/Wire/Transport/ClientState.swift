import GRPCCore
import NIOCore
import Synchronization

/// What a client transport knows of its connections, and who waits for one.
final class ClientState: Sendable {
  fileprivate typealias Waiter = CheckedContinuation<ClientConnection, any Error>

  fileprivate enum Phase {
    /// `connect()` was not called yet.
    case created
    /// There is no connection; one is made when somebody wants one.
    case unconnected
    case connected(ClientConnection)
    case shutDown
  }

  fileprivate struct State {
    var phase = Phase.created
    var pending: [UInt64: Waiter] = [:]
    var nextWaiter: UInt64 = 0
    /// The channels of an attempt that is under way: one for each address that is tried.
    var attempts: [any Channel] = []
    /// All connections that have not closed: the current one and those that drain.
    var connections: [ObjectIdentifier: ClientConnection] = [:]
  }

  private let state = Mutex(State())
  /// Yields when somebody wants a connection and there is none; ends with a shutdown.
  let wanted: AsyncStream<Void>
  private let wantedContinuation: AsyncStream<Void>.Continuation

  init() {
    (wanted, wantedContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// The error for a transport that is closed or closing.
  private static let closedError = RPCError(code: .failedPrecondition, message: "The client transport is closed.")

  // MARK: For those who want a stream

  /// The connection, once there is one.
  ///
  /// - Throws: `RPCError` with `unavailable` when an attempt fails, `failedPrecondition` after a shutdown;
  ///   `CancellationError`.
  func connection() async throws -> ClientConnection {
    let id = state.withLock { state in
      defer { state.nextWaiter += 1 }
      return state.nextWaiter
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { waiter in
        let result = state.withLock { state -> Result<ClientConnection, any Error>? in
          switch state.phase {
          case .connected(let connection): return .success(connection)
          case .shutDown: return .failure(ClientState.closedError)
          case .created, .unconnected:
            guard !Task.isCancelled else { return .failure(CancellationError()) }
            state.pending[id] = waiter
            return nil
          }
        }
        if let result { waiter.resume(with: result) } else { wantedContinuation.yield() }
      }
    } onCancel: {
      state.withLock { $0.pending.removeValue(forKey: id) }?.resume(throwing: CancellationError())
    }
  }

  // MARK: For the task that connects

  /// Whether `connect()` may run: it runs once.
  func start() throws {
    let isFirst = state.withLock { state in
      guard case .created = state.phase else { return false }
      state.phase = .unconnected
      return true
    }
    guard isFirst else { throw ClientState.closedError }
    wantedContinuation.yield()
  }

  /// Whether an attempt is worth making.
  func isWanted(isFirst: Bool) -> Bool {
    state.withLock { state in
      guard case .unconnected = state.phase else { return false }
      return isFirst || !state.pending.isEmpty
    }
  }

  /// Notes a channel of an attempt, so that a shutdown can end it; false after one.
  func begins(_ channel: any Channel) -> Bool {
    state.withLock { state in
      guard case .unconnected = state.phase else { return false }
      state.attempts.append(channel)
      return true
    }
  }

  /// Hands out a connection; false after a shutdown.
  func connected(_ connection: ClientConnection) -> Bool {
    let waiters = state.withLock { state -> [Waiter]? in
      state.attempts.removeAll()
      guard case .unconnected = state.phase else { return nil }
      state.phase = .connected(connection)
      state.connections[ObjectIdentifier(connection)] = connection
      defer { state.pending.removeAll() }
      return Array(state.pending.values)
    }
    guard let waiters else { return false }
    for waiter in waiters { waiter.resume(returning: connection) }
    return true
  }

  /// An attempt failed: those who wait learn of it.
  func failed(_ error: RPCError) {
    let waiters = state.withLock { state in
      state.attempts.removeAll()
      defer { state.pending.removeAll() }
      return Array(state.pending.values)
    }
    for waiter in waiters { waiter.resume(throwing: error) }
  }

  /// No more streams on that connection.
  func spent(_ connection: ClientConnection) {
    state.withLock { state in
      if case .connected(let current) = state.phase, current === connection { state.phase = .unconnected }
    }
  }

  /// That connection is gone.
  func closed(_ connection: ClientConnection) {
    spent(connection)
    _ = state.withLock { $0.connections.removeValue(forKey: ObjectIdentifier(connection)) }
  }

  // MARK: Ending

  /// No new streams; those that are open may end.
  func shutDown() {
    for connection in stop() { connection.shutDown() }
  }

  /// Everything ends now.
  func abort() {
    for connection in stop() { connection.abort() }
  }

  private func stop() -> [ClientConnection] {
    let (waiters, attempts, connections) = state.withLock { state in
      state.phase = .shutDown
      defer { state.pending.removeAll() }
      return (Array(state.pending.values), state.attempts, Array(state.connections.values))
    }
    wantedContinuation.finish()
    for waiter in waiters { waiter.resume(throwing: ClientState.closedError) }
    for channel in attempts { channel.close(promise: nil) }
    return connections
  }
}
