public import GRPCCore
public import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// The server's end of the Postern wire, for a `GRPCServer`.
///
/// It listens once. Ending the task of ``listen(streamHandler:)`` closes all connections at once;
/// ``beginGracefulShutdown()`` lets open streams end, for as long as the limits say.
public final class WireServerTransport: ServerTransport {
  /// What messages are made of.
  public typealias Bytes = WireBytes

  private let host: String
  private let port: Int
  private let tls: WireServerTLS?
  private let limits: WireServerLimits
  private let logger: Logger
  private let heldMethods: Set<String>
  private let connections: ServerConnections

  /// A server that will listen at an address.
  ///
  /// - Parameters:
  ///   - host: a name or address of this machine.
  ///   - port: a TCP port; 0 for any that is free, see ``boundAddress``.
  ///   - tls: the certificate; nil for plain TCP.
  ///   - limits: what peers are held to.
  ///   - singleRequestMethods: methods that take one message, which therefore counts against the connection's window
  ///     until the handler has ended; that of any other counts until its handler asks for the next one.
  ///   - logger: told of connections that fail, at debug level.
  public init(
    host: String, port: Int, tls: WireServerTLS? = nil, limits: WireServerLimits = WireServerLimits(),
    singleRequestMethods: Set<MethodDescriptor> = PosternServices.singleRequestMethods, logger: Logger
  ) {
    self.host = host
    self.port = port
    self.tls = tls
    self.limits = limits
    self.logger = logger
    heldMethods = Set(singleRequestMethods.map(\.fullyQualifiedMethod))
    connections = ServerConnections(limits: limits)
  }

  /// Where the server listens, once it does.
  ///
  /// - Throws: what binding threw; `CancellationError` when the server ended first or the task is cancelled.
  public var boundAddress: WireAddress {
    get async throws { try await connections.boundAddress() }
  }

  /// Listens, and hands every stream to `streamHandler`; returns after a graceful shutdown.
  ///
  /// - Throws: what binding throws; `RPCError` with `failedPrecondition` for a second call, which changes nothing, and
  ///   after a shutdown.
  public func listen(
    streamHandler:
      @escaping @Sendable (
        _ stream: RPCStream<
          RPCAsyncSequence<RPCRequestPart<WireBytes>, any Error>, RPCWriter<RPCResponsePart<WireBytes>>.Closable
        >,
        _ context: ServerContext
      ) async -> Void
  ) async throws {
    try connections.begins()
    let (streams, continuation) = AsyncStream<AcceptedStream>.makeStream()
    let server: any Channel
    do {
      server = try await bind(continuation)
      try connections.listens(on: server)
    } catch {
      continuation.finish()
      connections.failed(error)
      throw error
    }
    await withTaskCancellationHandler {
      await withDiscardingTaskGroup { group in
        group.addTask {
          await self.connections.ended()
          continuation.finish()
        }
        for await stream in streams {
          group.addTask { await self.serve(stream, streamHandler) }
        }
      }
    } onCancel: {
      connections.abort()
    }
  }

  /// Takes no new connections or streams; what is open may end, for as long as the limits say.
  public func beginGracefulShutdown() {
    connections.shutDown(grace: .seconds(limits.shutdownSeconds))
  }

  private func serve(
    _ accepted: AcceptedStream,
    _ handler: @escaping @Sendable (RPCStream<Inbound, Outbound>, ServerContext) async -> Void
  ) async {
    await withServerContextRPCCancellationHandle { handle in
      let stream = accepted.stream
      defer {
        stream.release()
        connections.handlerEnded(of: accepted.connection)
      }
      if let refusal = stream.refusal {
        let error = RPCError(refusal)
        stream.finish(.status(Status(code: Status.Code(error.code), message: error.message), error.metadata))
        return
      }
      let context = ServerContext(
        descriptor: accepted.descriptor, remotePeer: accepted.remotePeer, localPeer: accepted.localPeer,
        cancellation: handle)
      // A task of its own, since the handle alone ends no wait that looks at its task.
      let task = Task {
        await handler(
          RPCStream(
            descriptor: accepted.descriptor, inbound: RPCAsyncSequence(wrapping: RequestSequence(stream: stream)),
            outbound: RPCWriter.Closable(wrapping: ResponseWriter(stream: stream))), context)
      }
      let cancel: @Sendable () -> Void = {
        handle.cancel()
        task.cancel()
      }
      stream.onCancel(cancel)
      let timer = stream.onTimeout(cancel)
      defer { timer?.cancel() }
      await withTaskCancellationHandler {
        await task.value
      } onCancel: {
        task.cancel()
      }
    }
  }

  private func bind(_ continuation: AsyncStream<AcceptedStream>.Continuation) async throws -> any Channel {
    try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.backlog, value: 256)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(.recvAllocator, value: connectionReceiveAllocator)
      .childChannelOption(.writeBufferWaterMark, value: connectionWaterMark)
      .childChannelInitializer { [self] channel in
        channel.eventLoop.makeCompletedFuture { try initialize(channel, continuation) }
      }
      .bind(host: host, port: port).get()
  }

  private func initialize(_ channel: any Channel, _ continuation: AsyncStream<AcceptedStream>.Continuation) throws {
    let address = PeerAddress(channel.remoteAddress)
    let remotePeer = channel.remoteAddress.map(peerDescription) ?? "unknown"
    let localPeer = channel.localAddress.map(peerDescription) ?? "unknown"
    let id = ObjectIdentifier(channel)
    let loan = WindowLoan(from: connections.windowBudget)
    var events = ConnectionEvents()
    events.isReady = { [connections] in connections.greeted(id) }
    events.opened = { [connections] stream in
      guard connections.handlerStarts(of: id) else { return false }
      let accepted = AcceptedStream(
        stream: stream, connection: id, descriptor: MethodDescriptor(path: stream.method), remotePeer: remotePeer,
        localPeer: localPeer)
      guard case .enqueued = continuation.yield(accepted) else {
        connections.handlerEnded(of: id)
        return false
      }
      return true
    }
    let handler = ConnectionHandler(settings: settings(loan), events: events)
    try connections.add(channel, NIOLoopBound(handler, eventLoop: channel.eventLoop), loan, address: address)
    if let tls {
      try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls.context))
    }
    try channel.pipeline.syncOperations.addHandler(handler)
  }

  private func settings(_ loan: WindowLoan) -> ConnectionSettings {
    let connection = limits.connection
    let widest = connection.windows
    return ConnectionSettings(
      role: .server,
      preface: connection.preface(
        streamLimit: limits.streamLimit, idleSeconds: limits.idleSeconds, startsNarrow: true),
      streamWindow: widest.stream, connectionWindow: widest.connection, windowLoan: loan, heldMethods: heldMethods,
      handshake: .seconds(connection.handshakeTimeoutSeconds), keepalive: .seconds(connection.keepaliveSeconds),
      keepaliveTimeout: .seconds(connection.keepaliveTimeoutSeconds), idle: .seconds(limits.idleSeconds),
      stall: .seconds(limits.stallSeconds), firstMessage: .seconds(limits.firstMessageSeconds), logger: logger)
  }
}

/// A host's address and a port.
public struct WireAddress: Sendable, Hashable {
  /// The numeric address.
  public var host: String
  /// The TCP port.
  public var port: Int

  /// An address.
  public init(host: String, port: Int) {
    self.host = host
    self.port = port
  }
}

/// A stream on its way from an event loop to the task that serves it.
private struct AcceptedStream: Sendable {
  var stream: WireStream
  var connection: ObjectIdentifier
  var descriptor: MethodDescriptor
  var remotePeer: String
  var localPeer: String
}

extension MethodDescriptor {
  /// The method that `service/method` names.
  fileprivate init(path: String) {
    let slash = path.lastIndex(of: "/") ?? path.endIndex
    self.init(fullyQualifiedService: String(path[..<slash]), method: String(path[slash...].dropFirst()))
  }
}
