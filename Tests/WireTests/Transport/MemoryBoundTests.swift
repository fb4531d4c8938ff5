import GRPCCore
import NIOCore
import Testing
import Wire

@Suite(.serialized, .timeLimit(.minutes(2))) struct MemoryBoundTests {
  /// A server whose longest message costs half of a connection's window.
  private var narrow: WireServerLimits {
    var limits = WireServerLimits()
    limits.connection.messageByteCount = 1_024
    limits.connection.connectionWindowByteCount = 2 * WireFormat.messageCost(1_024)
    limits.connection.streamWindowByteCount = WireFormat.messageCost(1_024)
    return limits
  }

  private let longest = Frame.message(1, ByteBuffer(repeating: 1, count: 1_024))

  private func isConnectionCredit(_ frame: Frame) -> Bool {
    if case .credit(0, _) = frame { true } else { false }
  }

  /// Waits until a counter has been raised.
  private func opened(_ gate: Counter) async throws {
    while gate.value == 0 { try await Task.sleep(for: .milliseconds(2)) }
  }

  @Test func theOnlyMessageOfAMethodHoldsItsCreditUntilTheHandlerEnds() async throws {
    let hasMessage = Signal()
    let gate = Counter()
    let handler: EchoHandler = { request, _ in
      for try await _ in request.messages {}
      hasMessage.set()
      try await self.opened(gate)
      return StreamingServerResponse(single: ServerResponse(message: [1]))
    }
    try await withEcho(server: narrow, singleRequestMethods: [method("Hold")], handlers: ["Hold": handler]) {
      _, address, _ in
      let peer = try await RawPeer.connect(to: address)
      try await peer.send([.request(1, method: "test.Echo/Hold", [:]), longest, .end(1)])
      try await hasMessage.wait()
      try await peer.send([.ping(5)], preface: nil)
      let frames = try await peer.frames { frame in
        if frame == .pong(5) { gate.increment() }
        return isConnectionCredit(frame)
      }
      let pong = try #require(frames.firstIndex(of: .pong(5)))
      let credit = try #require(frames.firstIndex(where: isConnectionCredit))
      #expect(pong < credit)
      #expect(frames[credit] == .credit(0, UInt32(WireFormat.messageCost(1_024))))
      await peer.close()
    }
  }

  @Test func aMessageOfAStreamHoldsItsCreditUntilTheNextIsAskedFor() async throws {
    let hasMessage = Signal()
    let gate = Counter()
    let handler: EchoHandler = { request, _ in
      for try await _ in request.messages {
        hasMessage.set()
        try await self.opened(gate)
      }
      return StreamingServerResponse(single: ServerResponse(message: [1]))
    }
    try await withEcho(server: narrow, handlers: ["Take": handler]) { _, address, _ in
      let peer = try await RawPeer.connect(to: address)
      try await peer.send([.request(1, method: "test.Echo/Take", [:]), longest])
      try await hasMessage.wait()
      try await peer.send([.ping(5)], preface: nil)
      let frames = try await peer.frames { frame in
        if frame == .pong(5) { gate.increment() }
        return isConnectionCredit(frame)
      }
      let pong = try #require(frames.firstIndex(of: .pong(5)))
      let credit = try #require(frames.firstIndex(where: isConnectionCredit))
      #expect(pong < credit)
      await peer.close()
    }
  }

  @Test func aClosedConnectionKeepsItsPlaceWhileAHandlerOfItRuns() async throws {
    var limits = WireServerLimits()
    limits.connectionLimit = 2
    let gate = Counter()
    let started = Signal()
    let cancelled = Signal()
    let handler: EchoHandler = { _, context in
      started.set()
      try await context.cancellation.cancelled
      cancelled.set()
      // Work that does not look whether anybody still waits for it.
      try await Task { try await self.opened(gate) }.value
      return StreamingServerResponse { _ in [:] }
    }
    try await withEcho(server: limits, handlers: ["Hold": handler]) { client, address, _ in
      defer { gate.increment() }
      let answer = try await client.call("Echo", [1])
      #expect(answer == [1])
      let peer = try await RawPeer.connect(to: address)
      try await peer.send([.request(1, method: "test.Echo/Hold", [:])])
      try await started.wait()
      await peer.close()
      try await cancelled.wait()
      let early = try await RawPeer.connect(to: address)
      check(try await early.frames(), [])
      gate.increment()
      var isServed = false
      for _ in 0..<1_000 where !isServed {
        let late = try await RawPeer.connect(to: address)
        try await late.send([.ping(7)])
        isServed = try await late.frames { $0 == .pong(7) } == [.pong(7)]
        await late.close()
      }
      #expect(isServed)
    }
  }
}
