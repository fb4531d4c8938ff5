public import GRPCCore
public import Logging
import NIOCore
import NIOPosix

/// The client's end of the Postern wire, for a `GRPCClient`.
///
/// It keeps one connection, which carries all streams. When that breaks, its streams fail with `unavailable`, and
/// the next call makes a new one at once: how long to wait before a call is tried again is its caller's affair, and
/// `waitForReady` is not honoured.
public final class WireClientTransport: ClientTransport {
  /// What messages are made of.
  public typealias Bytes = WireBytes

  private let host: String
  private let port: Int
  private let tls: WireClientTLS?
  private let limits: WireLimits
  private let logger: Logger
  private let state = ClientState()

  /// A client of one server.
  ///
  /// - Parameters:
  ///   - host: the server's name or address.
  ///   - port: its TCP port.
  ///   - tls: whom to trust; nil for plain TCP.
  ///   - limits: what the server is held to.
  ///   - logger: told of connections that fail, at debug level.
  public init(
    host: String, port: Int, tls: WireClientTLS? = nil, limits: WireLimits = WireLimits(), logger: Logger
  ) {
    self.host = host
    self.port = port
    self.tls = tls
    self.limits = limits
    self.logger = logger
  }

  /// Calls are never repeated by the transport's choice.
  public var retryThrottle: RetryThrottle? { nil }

  /// Methods have no configuration of the transport's own.
  public func config(forMethod descriptor: MethodDescriptor) -> MethodConfig? { nil }

  /// Connects, and goes on doing so when calls need it, until a graceful shutdown and the last stream's end.
  ///
  /// Cancelling the task closes everything at once.
  ///
  /// - Throws: `RPCError` with `failedPrecondition` when called twice.
  public func connect() async throws {
    try state.start()
    await withTaskCancellationHandler {
      await run()
    } onCancel: {
      state.abort()
    }
  }

  /// Opens no new streams; those that are open may end.
  public func beginGracefulShutdown() {
    state.shutDown()
  }

  /// Opens a stream for `closure`, which ends with it: what is not finished by then is reset.
  ///
  /// It waits for the connection, and for the server's limit on open streams.
  ///
  /// - Throws: `RPCError` with `unavailable` when there is no connection, `failedPrecondition` after a shutdown;
  ///   `CancellationError`; what `closure` throws.
  public func withStream<T: Sendable>(
    descriptor: MethodDescriptor, options: CallOptions,
    _ closure: (
      _ stream: RPCStream<
        RPCAsyncSequence<RPCResponsePart<WireBytes>, any Error>, RPCWriter<RPCRequestPart<WireBytes>>.Closable
      >,
      _ context: ClientContext
    ) async throws -> T
  ) async throws -> T {
    let (connection, stream) = try await open(descriptor)
    // Releasing a stream that has its status is silent; any other tells the server that nobody waits any more.
    defer { stream.release() }
    return try await closure(
      RPCStream(
        descriptor: descriptor, inbound: RPCAsyncSequence(wrapping: ResponseSequence(stream: stream)),
        outbound: RPCWriter.Closable(wrapping: RequestWriter(stream: stream))),
      ClientContext(
        descriptor: descriptor, remotePeer: connection.remotePeer, localPeer: connection.localPeer))
  }

  private func open(_ descriptor: MethodDescriptor) async throws -> (ClientConnection, WireStream) {
    let connection = try await state.connection()
    do {
      return (connection, try await connection.open(descriptor.fullyQualifiedMethod))
    } catch let error as RPCError where error.code == .unavailable {
      // It ended between being handed out and being used; nothing was sent, so another one may serve.
      state.spent(connection)
      let other = try await state.connection()
      return (other, try await other.open(descriptor.fullyQualifiedMethod))
    }
  }

  // MARK: Connecting

  private func run() async {
    var isFirst = true
    await withDiscardingTaskGroup { group in
      for await _ in state.wanted where state.isWanted(isFirst: isFirst) {
        isFirst = false
        do {
          let connection = try await attempt()
          guard state.connected(connection) else {
            connection.abort()
            continue
          }
          group.addTask {
            await connection.untilClosed()
            self.state.closed(connection)
          }
          await connection.untilSpent()
          state.spent(connection)
        } catch {
          state.failed(unavailable(error))
        }
      }
    }
  }

  private func attempt() async throws -> ClientConnection {
    let connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connectTimeout(.seconds(limits.handshakeTimeoutSeconds))
      .channelOption(.tcpOption(.tcp_nodelay), value: 1)
      .channelOption(.recvAllocator, value: connectionReceiveAllocator)
      .channelOption(.writeBufferWaterMark, value: connectionWaterMark)
      .connect(host: host, port: port) { [self] channel in
        channel.eventLoop.makeCompletedFuture { try initialize(channel) }
      }
    try await connection.untilReady()
    return connection
  }

  /// Sets a channel up; a name with several addresses has one for each that is tried.
  private func initialize(_ channel: any Channel) throws -> ClientConnection {
    guard state.begins(channel) else { throw RPCError(code: .failedPrecondition, message: "The client is closed.") }
    let isReady = channel.eventLoop.makePromise(of: Void.self)
    let isSpent = channel.eventLoop.makePromise(of: Void.self)
    var events = ConnectionEvents()
    // A promise takes its first answer and is deaf to later ones.
    events.isReady = { isReady.succeed() }
    events.isDraining = { isSpent.succeed() }
    events.closed = { error in
      isReady.fail(error)
      isSpent.succeed()
    }
    channel.closeFuture.whenComplete { _ in
      isReady.fail(RPCError(code: .unavailable, message: "The connection was closed."))
      isSpent.succeed()
    }
    let handler = ConnectionHandler(settings: settings, events: events)
    if let tls { try channel.pipeline.syncOperations.addHandler(tls.handler(host: host)) }
    try channel.pipeline.syncOperations.addHandler(handler)
    return ClientConnection(
      channel: channel, handler: NIOLoopBound(handler, eventLoop: channel.eventLoop), ready: isReady.futureResult,
      spent: isSpent.futureResult)
  }

  private var settings: ConnectionSettings {
    let widest = limits.windows
    return ConnectionSettings(
      role: .client, preface: limits.preface(streamLimit: 0, idleSeconds: 0, startsNarrow: false),
      streamWindow: widest.stream, connectionWindow: widest.connection, windowLoan: nil,
      handshake: .seconds(limits.handshakeTimeoutSeconds), keepalive: .seconds(limits.keepaliveSeconds),
      keepaliveTimeout: .seconds(limits.keepaliveTimeoutSeconds), idle: nil, stall: nil,
      answer: .seconds(limits.answerSeconds), logger: logger)
  }

  private func unavailable(_ error: any Error) -> RPCError {
    if let error = error as? RPCError, error.code != .unavailable { return error }
    // Without the cause, whose message would be added to this one.
    let reason = NetworkReason.words(of: error)
    return RPCError(code: .unavailable, message: "\(host):\(port) cannot be reached: \(reason).")
  }
}
