import GRPCCore
import NIOCore
import NIOPosix
import Testing
import Wire

/// One end of a TCP connection without the wire's own handlers: the other side of a transport under test.
struct RawPeer: Sendable {
  let channel: any Channel
  private let received: AsyncStream<ByteBuffer>

  private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    let continuation: AsyncStream<ByteBuffer>.Continuation

    init(_ continuation: AsyncStream<ByteBuffer>.Continuation) {
      self.continuation = continuation
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      continuation.yield(unwrapInboundIn(data))
    }

    func channelInactive(context: ChannelHandlerContext) {
      continuation.finish()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      context.close(promise: nil)
    }
  }

  private init(channel: any Channel, received: AsyncStream<ByteBuffer>) {
    self.channel = channel
    self.received = received
  }

  /// A connection to a server under test.
  static func connect(to address: WireAddress) async throws -> RawPeer {
    let (received, continuation) = AsyncStream<ByteBuffer>.makeStream()
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Collector(continuation))
        }
      }
      .connect(host: address.host, port: address.port).get()
    return RawPeer(channel: channel, received: received)
  }

  /// A listening socket whose connections are handed to `accept`, one after the other.
  static func listen(accept: @escaping @Sendable (RawPeer) -> Void) async throws -> any Channel {
    try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          let (received, continuation) = AsyncStream<ByteBuffer>.makeStream()
          try channel.pipeline.syncOperations.addHandler(Collector(continuation))
          accept(RawPeer(channel: channel, received: received))
        }
      }
      .bind(host: "127.0.0.1", port: 0).get()
  }

  /// Sends bytes; a connection that is gone swallows them.
  func send(_ bytes: ByteBuffer) async {
    try? await channel.writeAndFlush(bytes)
  }

  /// Sends frames, behind a preface unless told otherwise.
  func send(_ frames: [Frame], preface: Preface? = .largest) async throws {
    await send(try encoded(frames, preface: preface))
  }

  /// Every frame until the other side closes or `last` says that it is enough.
  func frames(until last: @escaping @Sendable (Frame) -> Bool = { _ in false }) async throws -> [Frame] {
    try await withThrowingTaskGroup(of: [Frame].self) { group in
      group.addTask {
        var decoder = FrameDecoder(settings: .largest)
        var frames: [Frame] = []
        for await piece in received {
          var piece = piece
          while let event = try decoder.next(from: &piece) {
            guard case .frame(let frame) = event else { continue }
            frames.append(frame)
            if last(frame) { return frames }
          }
        }
        return frames
      }
      group.addTask {
        try await Task.sleep(for: .seconds(30))
        throw RPCError(code: .deadlineExceeded, message: "The peer did not close.")
      }
      let frames = try await group.next() ?? []
      group.cancelAll()
      return frames
    }
  }

  /// The first so many bytes that come.
  func bytes(count: Int) async throws -> [UInt8] {
    var bytes: [UInt8] = []
    for await piece in received {
      bytes.append(contentsOf: piece.readableBytesView)
      if bytes.count >= count { break }
    }
    return bytes
  }

  /// Why the other side ends the connection.
  func closeReason() async throws -> CloseReason? {
    let frames = try await frames { frame in
      if case .goAway = frame { true } else { false }
    }
    guard case .goAway(_, let reason, _) = frames.last else { return nil }
    return reason
  }

  func close() async {
    try? await channel.close()
  }
}
