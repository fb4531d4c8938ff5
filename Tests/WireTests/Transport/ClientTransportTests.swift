import GRPCCore
import NIOCore
import Testing
import Wire

@Suite(.serialized, .timeLimit(.minutes(2))) struct ClientTransportTests {
  /// A client of a server that is no Postern server, for as long as `body` takes.
  private func withRawServer(
    limits: WireLimits = WireLimits(), accept: @escaping @Sendable (RawPeer) -> Void,
    body: @Sendable @escaping (GRPCClient<WireClientTransport>) async throws -> Void
  ) async throws {
    let listener = try await RawPeer.listen(accept: accept)
    let port = listener.localAddress?.port ?? 0
    try await withGRPCClient(
      transport: WireClientTransport(host: "127.0.0.1", port: port, limits: limits, logger: quiet),
      handleClient: body)
    try await listener.close()
  }

  @Test func aServerThatNobodyRunsIsUnavailable() async throws {
    let listener = try await RawPeer.listen { _ in }
    let port = listener.localAddress?.port ?? 0
    try await listener.close()
    try await withGRPCClient(transport: WireClientTransport(host: "127.0.0.1", port: port, logger: quiet)) { client in
      for _ in 0..<2 {
        let error = await #expect(throws: RPCError.self) { try await client.call("Echo", []) }
        #expect(error?.code == .unavailable)
      }
    }
  }

  /// Whoever calls decides how long to wait; the transport adds nothing to that.
  @Test func everyCallConnectsAtOnce() async throws {
    let listener = try await RawPeer.listen { _ in }
    let port = listener.localAddress?.port ?? 0
    try await listener.close()
    try await withGRPCClient(transport: WireClientTransport(host: "127.0.0.1", port: port, logger: quiet)) { client in
      let start = ContinuousClock.now
      for _ in 0..<50 { await #expect(throws: RPCError.self) { try await client.call("Echo", []) } }
      #expect(ContinuousClock.now - start < .seconds(5))
    }
  }

  @Test func aServerThatSaysNothingIsUnavailable() async throws {
    var limits = WireLimits()
    limits.handshakeTimeoutSeconds = 0.2
    try await withRawServer(limits: limits) { _ in
    } body: { client in
      let error = await #expect(throws: RPCError.self) { try await client.call("Echo", []) }
      #expect(error?.code == .unavailable)
    }
  }

  @Test func aServerThatBreaksARuleIsUnavailable() async throws {
    let wrong: [[Frame]] = [
      [.request(1, method: "a/b", [:])], [.end(1)], [.response(1, [:]), .response(1, [:])],
      [.message(1, ByteBuffer(bytes: [1]))], [.status(9, Status(code: .ok, message: ""), [:])],
      [.goAway(lastStream: 0, .malformed, text: "your fault")],
    ]
    for frames in wrong {
      try await withRawServer { peer in
        Task {
          // The first request opens stream 1, which is what the frames speak of.
          try await peer.send([])
          _ = try await peer.frames { if case .request = $0 { true } else { false } }
          try await peer.send(frames, preface: nil)
        }
      } body: { client in
        let error = await #expect(throws: RPCError.self, "\(frames)") {
          try await client.call("Echo", [], timeout: nil)
        }
        #expect(error?.code == .unavailable)
      }
    }
  }

  @Test func aServerThatStopsAnsweringIsUnavailable() async throws {
    var limits = WireLimits()
    limits.keepaliveSeconds = 0.1
    limits.keepaliveTimeoutSeconds = 0.1
    try await withRawServer(limits: limits) { peer in
      Task { try await peer.send([]) }
    } body: { client in
      let error = await #expect(throws: RPCError.self) { try await client.call("Echo", [], timeout: nil) }
      #expect(error?.code == .unavailable)
    }
  }

  /// A server that answers pings and says `frames` for every frame that `isAsked` picks.
  private func polite(
    _ peer: RawPeer, preface: Preface = .largest, _ answer: @escaping @Sendable (Frame) -> [Frame] = { _ in [] }
  ) {
    Task {
      try await peer.send([], preface: preface)
      _ = try await peer.frames { frame in
        var answers = answer(frame)
        if case .ping(let value) = frame { answers.append(.pong(value)) }
        if !answers.isEmpty { Task { [answers] in try await peer.send(answers, preface: nil) } }
        return false
      }
    }
  }

  /// Sends `count` messages, with a pause before each, and takes one.
  private func upload(
    _ client: GRPCClient<WireClientTransport>, count: Int, size: Int = 1, pause: Duration = .zero,
    timeout: Duration? = nil
  ) async throws -> [UInt8] {
    var options = CallOptions.defaults
    options.timeout = timeout
    let request = StreamingClientRequest<[UInt8]> { writer in
      for _ in 0..<count {
        try await Task.sleep(for: pause)
        try await writer.write([UInt8](repeating: 1, count: size))
      }
    }
    return try await client.clientStreaming(
      request: request, descriptor: method("Echo"), serializer: BytesCoder(), deserializer: BytesCoder(),
      options: options
    ) { try $0.message }
  }

  @Test func aServerThatAnswersPingsAloneIsUnavailable() async throws {
    var limits = WireLimits()
    limits.answerSeconds = 0.3
    limits.keepaliveSeconds = 0.1
    // Nothing at all; no credit; no room for a stream.
    let prefaces: [(Preface, size: Int)] = [
      (.largest, 1), (smallSettings(), 900), (smallSettings(streams: 0), 1),
    ]
    for (preface, size) in prefaces {
      try await withRawServer(limits: limits) {
        polite($0, preface: preface)
      } body: { client in
        let start = ContinuousClock.now
        let error = await #expect(throws: RPCError.self) { try await upload(client, count: 3, size: size) }
        #expect(error?.code == .unavailable)
        #expect(ContinuousClock.now - start < .seconds(5))
      }
    }
  }

  /// Credit for what is sent already is no headway, neither the stream's nor the connection's.
  @Test(arguments: [StreamID(0), 1]) func creditAloneIsNoAnswer(_ stream: StreamID) async throws {
    var limits = WireLimits()
    limits.answerSeconds = 0.4
    try await withRawServer(limits: limits) { peer in
      Task {
        try await peer.send([])
        _ = try await peer.frames { if case .end = $0 { true } else { false } }
        for _ in 0..<100 {
          try await Task.sleep(for: .milliseconds(100))
          try await peer.send([.credit(stream, 1)], preface: nil)
        }
      }
    } body: { client in
      let start = ContinuousClock.now
      let error = await #expect(throws: RPCError.self) { try await upload(client, count: 1) }
      #expect(error?.code == .unavailable)
      #expect(ContinuousClock.now - start < .seconds(5))
    }
  }

  @Test func aSilentServerIsWaitedForWhileTheClientSends() async throws {
    var limits = WireLimits()
    limits.answerSeconds = 1.5
    try await withRawServer(limits: limits) { peer in
      polite(peer) { frame in
        guard case .end(let id) = frame else { return [] }
        return [
          .response(id, [:]), .message(id, ByteBuffer(bytes: [9])), .status(id, Status(code: .ok, message: ""), [:]),
        ]
      }
    } body: { client in
      // All pauses together are longer than the client waits, and none is nearly as long.
      let answer = try await upload(client, count: 7, pause: .milliseconds(300))
      #expect(answer == [9])
    }
  }

  @Test func anAnswerMayComeSlowly() async throws {
    var limits = WireLimits()
    limits.answerSeconds = 1
    try await withRawServer(limits: limits) { peer in
      Task {
        try await peer.send([])
        _ = try await peer.frames { if case .end = $0 { true } else { false } }
        var bytes = try encoded([.response(1, [:]), .message(1, ByteBuffer(repeating: 7, count: 600))], preface: nil)
        while let piece = bytes.readSlice(length: min(60, bytes.readableBytes)), piece.readableBytes > 0 {
          await peer.send(piece)
          // Eleven times, so longer than the client waits for any one of them.
          try await Task.sleep(for: .milliseconds(150))
        }
        try await peer.send([.status(1, Status(code: .ok, message: ""), [:])], preface: nil)
      }
    } body: { client in
      let answer = try await upload(client, count: 1)
      #expect(answer == [UInt8](repeating: 7, count: 600))
    }
  }

  @Test func aDeadlineIsAllThePatienceThatACallNeeds() async throws {
    var limits = WireLimits()
    limits.answerSeconds = 0.1
    try await withRawServer(limits: limits) {
      polite($0)
    } body: { client in
      let start = ContinuousClock.now
      let error = await #expect(throws: RPCError.self) { try await upload(client, count: 1, timeout: .seconds(0.8)) }
      #expect(error?.code == .deadlineExceeded)
      #expect(ContinuousClock.now - start > .seconds(0.7))
    }
  }

  @Test func theNextCallConnectsAgain() async throws {
    let count = Counter()
    try await withRawServer { peer in
      // The first connection dies with its first request; later ones answer.
      let isFirst = count.increment() == 1
      Task {
        try await peer.send([])
        _ = try await peer.frames { if case .end = $0 { true } else { false } }
        guard !isFirst else { return await peer.close() }
        let answer: [Frame] = [
          .response(1, [:]), .message(1, ByteBuffer(bytes: [42])), .status(1, Status(code: .ok, message: ""), [:]),
        ]
        try await peer.send(answer, preface: nil)
      }
    } body: { client in
      let error = await #expect(throws: RPCError.self) { try await client.call("Echo", []) }
      #expect(error?.code == .unavailable)
      let answer = try await client.call("Echo", [])
      #expect(answer == [42])
    }
    #expect(count.value == 2)
  }

  @Test func aDrainingConnectionIsLeftForANewOne() async throws {
    let count = Counter()
    try await withRawServer { peer in
      let isFirst = count.increment() == 1
      Task {
        try await peer.send([])
        _ = try await peer.frames { if case .end = $0 { true } else { false } }
        if isFirst { try await peer.send([.goAway(lastStream: 1, .graceful, text: "")], preface: nil) }
        try await Task.sleep(for: .milliseconds(50))
        let answer: [Frame] = [
          .response(1, [:]), .message(1, ByteBuffer(bytes: [isFirst ? 1 : 2])),
          .status(1, Status(code: .ok, message: ""), [:]),
        ]
        try await peer.send(answer, preface: nil)
      }
    } body: { client in
      // The first answer comes over the old connection although it drains; the second needs a new one.
      let first = try await client.call("Echo", [])
      #expect(first == [1])
      let second = try await client.call("Echo", [])
      #expect(second == [2])
    }
  }

  @Test func callsAfterAShutdownAreRefused() async throws {
    let transport = WireClientTransport(host: "127.0.0.1", port: 1, logger: quiet)
    transport.beginGracefulShutdown()
    let error = await #expect(throws: RPCError.self) {
      try await transport.withStream(descriptor: method("Echo"), options: .defaults) { _, _ in }
    }
    #expect(error?.code == .failedPrecondition)
    await #expect(throws: RPCError.self) { try await transport.connect() }
  }

  @Test func aCallThatIsCancelledWhileItWaitsForAConnectionEnds() async throws {
    let transport = WireClientTransport(host: "127.0.0.1", port: 1, logger: quiet)
    let call = Task { try await transport.withStream(descriptor: method("Echo"), options: .defaults) { _, _ in } }
    try await Task.sleep(for: .milliseconds(20))
    call.cancel()
    await #expect(throws: CancellationError.self) { try await call.value }
  }
}
