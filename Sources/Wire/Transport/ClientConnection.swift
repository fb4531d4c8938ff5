import GRPCCore
import NIOCore
import Synchronization

/// A client's connection, for tasks on any thread.
final class ClientConnection: Sendable {
  private let channel: any Channel
  private let handler: NIOLoopBound<ConnectionHandler>
  private let nextToken = Atomic<UInt64>(0)
  /// Succeeds when the prefaces have crossed.
  private let ready: EventLoopFuture<Void>
  /// Succeeds when no more streams should be opened here, because the peer said so or the connection is gone.
  private let spent: EventLoopFuture<Void>

  /// A connection that is being made.
  init(
    channel: any Channel, handler: NIOLoopBound<ConnectionHandler>, ready: EventLoopFuture<Void>,
    spent: EventLoopFuture<Void>
  ) {
    self.channel = channel
    self.handler = handler
    self.ready = ready
    self.spent = spent
  }

  /// The server, as GRPCCore describes peers.
  var remotePeer: String { channel.remoteAddress.map(peerDescription) ?? "unknown" }

  /// This side, as GRPCCore describes peers.
  var localPeer: String { channel.localAddress.map(peerDescription) ?? "unknown" }

  /// A stream, as soon as the server's limit allows one more.
  ///
  /// - Throws: `RPCError` with `unavailable` when the connection ends first or takes no new streams,
  ///   `failedPrecondition` when this side shuts it down meanwhile; `CancellationError`.
  func open(_ method: String) async throws -> WireStream {
    let token = nextToken.add(1, ordering: .relaxed).newValue
    let promise = channel.eventLoop.makePromise(of: WireStream.self)
    channel.eventLoop.execute { [handler] in
      handler.value.open(OpenWaiter(token: token, method: method, promise: promise))
    }
    return try await withTaskCancellationHandler {
      try await promise.futureResult.get()
    } onCancel: {
      channel.eventLoop.execute { [handler] in handler.value.cancelOpen(token: token) }
    }
  }

  /// Returns when streams may be opened.
  ///
  /// - Throws: why the connection ended before that.
  func untilReady() async throws {
    try await ready.get()
  }

  /// Returns when a new connection is due for new streams.
  func untilSpent() async {
    try? await spent.get()
  }

  /// Returns when the connection is gone.
  func untilClosed() async {
    try? await channel.closeFuture.get()
  }

  /// Opens no new streams, and closes behind the last one.
  func shutDown() {
    channel.eventLoop.execute { [handler] in handler.value.shutDown(grace: nil) }
  }

  /// Closes now.
  func abort() {
    channel.eventLoop.execute { [handler] in handler.value.abort() }
  }
}
