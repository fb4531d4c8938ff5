import GRPCCore
import NIOCore
import Testing
import Wire

@Suite(.serialized, .timeLimit(.minutes(2))) struct HostilePeerTests {
  /// A server that is quick to lose patience.
  private var impatient: WireServerLimits {
    var limits = WireServerLimits()
    limits.connection.handshakeTimeoutSeconds = 1
    limits.connection.keepaliveSeconds = 0.2
    limits.connection.keepaliveTimeoutSeconds = 1
    limits.connection.messageByteCount = 1_024
    return limits
  }

  /// The reason with which a server ends a connection on which `bytes` arrive.
  private func reason(
    _ bytes: ByteBuffer, limits: WireServerLimits? = nil, pieces: Int = .max
  ) async throws -> CloseReason? {
    try await withEcho(server: limits ?? impatient) { client, address, _ in
      let peer = try await RawPeer.connect(to: address)
      var rest = bytes
      while let piece = rest.readSlice(length: min(pieces, rest.readableBytes)), piece.readableBytes > 0 {
        await peer.send(piece)
        if pieces < .max { try await Task.sleep(for: .milliseconds(40)) }
      }
      let reason = try await peer.closeReason()
      await peer.close()
      // Whatever one peer does, the others are served.
      let answer = try await client.call("Echo", [1])
      #expect(answer == [1])
      return reason
    }
  }

  @Test func aPeerThatSaysNothingIsClosed() async throws {
    #expect(try await reason(ByteBuffer()) == .timeout)
  }

  @Test func aPeerThatDribblesItsPrefaceIsClosed() async throws {
    #expect(try await reason(Preface.largest.encoded, pieces: 1) == .timeout)
  }

  @Test func aPeerOfAnotherProtocolIsClosed() async throws {
    #expect(try await reason(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: x\r\n\r\n")) == .notPostern)
    var other = Preface.largest.encoded
    other.setInteger(UInt16(2), at: 12)
    #expect(try await reason(other) == .version)
  }

  @Test func aPeerThatBreaksARuleIsToldWhich() async throws {
    var tooLong = try encoded([.request(1, method: "test.Echo/Echo", [:])], preface: .largest)
    tooLong.writeBytes([0, 0, 4, 1, 3, 0, 0, 0, 0, 1])
    #expect(try await reason(tooLong) == .tooLong)
    #expect(try await reason(encoded([.end(1)], preface: .largest)) == .sequence)
    let overdraft: [Frame] =
      [.request(1, method: "test.Hold/Hold", [:])]
      + (0..<40).map { _ in .message(1, ByteBuffer(repeating: 1, count: 1_024)) }
    #expect([.credit, nil].contains(try await reason(encoded(overdraft, preface: .largest))))
    var malformed = try encoded([], preface: .largest)
    malformed.writeBytes([0, 0, 0, 0, 99, 0, 0, 0, 0, 1])
    #expect(try await reason(malformed) == .malformed)
    #expect(try await reason(encoded([.credit(0, .max)], preface: .largest)) == .credit)
  }

  @Test func aPeerThatAnswersNoPingIsClosed() async throws {
    #expect(try await reason(encoded([], preface: .largest)) == .timeout)
    // A stream that is open makes no difference: its handler is cancelled with it.
    #expect(try await reason(encoded([.request(1, method: "test.Echo/Echo", [:])], preface: .largest)) == .timeout)
  }

  @Test func anIdleConnectionIsEndedGracefully() async throws {
    var limits = impatient
    limits.connection.keepaliveSeconds = 60
    limits.idleSeconds = 0.1
    // Without the call of the other tests: the client's own connection is idle at the same time.
    try await withEcho(server: limits) { _, address, _ in
      let peer = try await RawPeer.connect(to: address)
      try await peer.send([])
      check(try await peer.closeReason(), .graceful)
      await peer.close()
    }
  }

  @Test func aStreamThatKeepsItsHandlerWaitingIsReset() async throws {
    var limits = WireServerLimits()
    limits.stallSeconds = 0.1
    try await withEcho(server: limits) { _, address, _ in
      let peer = try await RawPeer.connect(to: address)
      try await peer.send([.request(1, method: "test.Echo/Echo", [:])])
      let frames = try await peer.frames { $0 == .reset(1, .stalled) }
      #expect(frames.contains(.reset(1, .stalled)))
      await peer.close()
    }
  }

  @Test func aReaderThatGrantsNothingIsReset() async throws {
    var limits = WireServerLimits()
    limits.stallSeconds = 0.1
    let failed = Signal()
    let handler: EchoHandler = { _, _ in
      StreamingServerResponse { writer in
        do {
          while true { try await writer.write([UInt8](repeating: 1, count: 900)) }
        } catch {
          failed.set()
          throw error
        }
      }
    }
    try await withEcho(server: limits, handlers: ["Endless": handler]) { _, address, _ in
      let peer = try await RawPeer.connect(to: address)
      try await peer.send([.request(1, method: "test.Echo/Endless", [:]), .end(1)], preface: smallSettings())
      let frames = try await peer.frames { $0 == .reset(1, .stalled) }
      // The credit of the preface is enough for one such message.
      let messages = frames.filter { if case .message = $0 { true } else { false } }
      #expect(messages.count == 1)
      try await failed.wait()
      await peer.close()
    }
  }

  @Test func crumbsOfCreditDoNotKeepAStream() async throws {
    var limits = WireServerLimits()
    limits.stallSeconds = 0.3
    let handler: EchoHandler = { _, _ in
      StreamingServerResponse { writer in
        while true { try await writer.write([UInt8](repeating: 1, count: 900)) }
      }
    }
    try await withEcho(server: limits, handlers: ["Endless": handler]) { _, address, _ in
      let peer = try await RawPeer.connect(to: address)
      try await peer.send([.request(1, method: "test.Echo/Endless", [:]), .end(1)], preface: smallSettings())
      let dribble = Task {
        while !Task.isCancelled {
          try await peer.send([.credit(1, 1), .credit(0, 1)], preface: nil)
          try await Task.sleep(for: .milliseconds(20))
        }
      }
      let frames = try await peer.frames { $0 == .reset(1, .stalled) }
      #expect(frames.contains(.reset(1, .stalled)))
      dribble.cancel()
      await peer.close()
    }
  }

  @Test func aFloodOfPingsThatReadsNoPongsIsClosed() async throws {
    try await withEcho { client, address, _ in
      let peer = try await RawPeer.connect(to: address)
      try await peer.channel.setOption(.autoRead, value: false).get()
      try await peer.send([])
      let pings = try encoded((0..<10_000).map { .ping($0) }, preface: nil)
      // The socket buffers take some megabytes of pongs before the server sees that nobody reads them.
      for _ in 0..<100 { await peer.send(pings) }
      try await peer.channel.setOption(.autoRead, value: true).get()
      check(try await peer.closeReason(), .flood)
      let answer = try await client.call("Echo", [1])
      #expect(answer == [1])
      await peer.close()
    }
  }

  @Test func randomFramesLeaveTheServerServing() async throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    try await withEcho(server: impatient) { client, address, _ in
      await withThrowingTaskGroup(of: Void.self) { group in
        for round in 0..<60 {
          group.addTask { try await sendNoise(to: address, seed: seed &+ UInt64(round)) }
        }
      }
      let answer = try await client.call("Echo", [1])
      #expect(answer == [1])
    }
  }

  @Test func tooManyConnectionsAreClosedAtOnce() async throws {
    var limits = WireServerLimits()
    limits.connectionLimit = 3
    try await withEcho(server: limits) { client, address, _ in
      let answer = try await client.call("Echo", [1])
      #expect(answer == [1])
      var peers: [RawPeer] = []
      for _ in 0..<2 {
        let peer = try await RawPeer.connect(to: address)
        try await peer.send([.ping(3)])
        let frames = try await peer.frames { $0 == .pong(3) }
        #expect(frames == [.pong(3)])
        peers.append(peer)
      }
      let extra = try await RawPeer.connect(to: address)
      check(try await extra.frames(), [])
      for peer in peers { await peer.close() }
    }
  }

  @Test func tooManyHandlersAreRefused() async throws {
    var limits = WireServerLimits()
    limits.handlerLimit = 2
    let held = Counter()
    let handler: EchoHandler = { _, context in
      held.increment()
      try await context.cancellation.cancelled
      return StreamingServerResponse { _ in [:] }
    }
    try await withEcho(server: limits, handlers: ["Hold": handler]) { client, address, _ in
      let peer = try await RawPeer.connect(to: address)
      let requests: [Frame] = (1...3).map { .request($0, method: "test.Echo/Hold", [:]) }
      try await peer.send(requests)
      let frames = try await peer.frames { $0 == .reset(3, .refused) }
      #expect(frames == [.reset(3, .refused)])
      let error = await #expect(throws: RPCError.self) { try await client.call("Echo", []) }
      #expect(error?.code == .unavailable)
      await peer.close()
    }
  }

  @Test func anAddressHasItsShareOfTheHandlersAndNoMore() async throws {
    var limits = WireServerLimits()
    limits.handlerLimit = 8
    limits.addressHandlerLimit = 2
    let holding = Counter()
    let handler: EchoHandler = { _, context in
      holding.increment()
      defer { holding.decrement() }
      try await context.cancellation.cancelled
      return StreamingServerResponse { _ in [:] }
    }
    try await withEcho(server: limits, handlers: ["Hold": handler]) { client, address, _ in
      // Over two connections, because the share is the address's.
      let first = try await RawPeer.connect(to: address)
      try await first.send([.request(1, method: "test.Echo/Hold", [:])])
      check(try await holding.settled(from: 1), 1)
      let second = try await RawPeer.connect(to: address)
      try await second.send([1, 2].map { .request($0, method: "test.Echo/Hold", [:]) })
      let frames = try await second.frames { $0 == .reset(2, .refused) }
      #expect(frames == [.reset(2, .refused)])
      await #expect(throws: RPCError.self) { try await client.call("Echo", []) }
      // What a connection had is free when it has gone.
      await first.close()
      while holding.value > 1 { try await Task.sleep(for: .milliseconds(5)) }
      // A handler's end is seen here a little before its room is free.
      var answer: [UInt8]?
      while answer == nil {
        do {
          answer = try await client.call("Echo", [1])
        } catch let error as RPCError where error.code == .unavailable {
          try await Task.sleep(for: .milliseconds(5))
        }
      }
      #expect(answer == [1])
      await second.close()
    }
  }

  @Test func prefacesThatDoNotComeLeaveRoomForOthers() async throws {
    var limits = WireServerLimits()
    limits.addressGreetingLimit = 2
    try await withEcho(server: limits) { client, address, _ in
      let answer = try await client.call("Echo", [1])
      #expect(answer == [1])
      let silent = [try await RawPeer.connect(to: address), try await RawPeer.connect(to: address)]
      // Their prefaces are read before the next one is refused.
      for peer in silent { check(try await peer.bytes(count: 40).count, 40) }
      let extra = try await RawPeer.connect(to: address)
      check(try await extra.frames(), [])
      // One that has said its preface counts no more, as soon as it is answered, nor does one that has gone.
      try await silent[0].send([.ping(1)])
      let pong = try encoded([.pong(1)], preface: nil)
      check(try await silent[0].bytes(count: pong.readableBytes), Array(pong.readableBytesView))
      await silent[1].close()
      for _ in 0..<5 {
        let peer = try await RawPeer.connect(to: address)
        try await peer.send([.ping(3)])
        let frames = try await peer.frames { $0 == .pong(3) }
        #expect(frames == [.pong(3)])
        await peer.close()
      }
      await silent[0].close()
    }
  }

  @Test func aStreamWithoutAFirstMessageIsReset() async throws {
    var limits = WireServerLimits()
    limits.firstMessageSeconds = 0.2
    let hold: EchoHandler = { _, context in
      try await context.cancellation.cancelled
      throw RPCError(code: .cancelled, message: "")
    }
    try await withEcho(server: limits, handlers: ["Hold": hold]) { _, address, _ in
      // The first has a message, the second its end; the third has neither, whether its handler reads or not.
      let peer = try await RawPeer.connect(to: address)
      let frames: [Frame] = [
        .request(1, method: "test.Echo/Echo", [:]), .message(1, ByteBuffer(bytes: [1])),
        .request(2, method: "test.Echo/Hold", [:]), .end(2), .request(3, method: "test.Echo/Hold", [:]),
        .request(4, method: "test.Echo/Echo", [:]),
      ]
      try await peer.send(frames)
      let isDone = Counter()
      let answers = try await peer.frames { frame in
        if case .reset = frame { return isDone.increment() == 2 }
        return false
      }
      #expect(answers.contains(.reset(3, .stalled)) && answers.contains(.reset(4, .stalled)))
      try await peer.send([.ping(9)], preface: nil)
      await peer.close()
    }
  }

  @Test func firstMessagesMayQueueBehindOthers() async throws {
    var limits = WireServerLimits()
    limits.firstMessageSeconds = 1
    try await withEcho(server: limits) { _, address, _ in
      // A slow line: the first stream's message takes longer than the second may wait for its own, and none of its
      // pieces as long.
      let peer = try await RawPeer.connect(to: address)
      try await peer.send([
        .request(1, method: "test.Echo/Echo", [:]), .request(2, method: "test.Echo/Echo", [:]),
      ])
      var bytes = try encoded([.message(1, ByteBuffer(repeating: 7, count: 600))], preface: nil)
      while let piece = bytes.readSlice(length: min(50, bytes.readableBytes)), piece.readableBytes > 0 {
        await peer.send(piece)
        try await Task.sleep(for: .milliseconds(120))
      }
      try await peer.send([.message(2, ByteBuffer(bytes: [2])), .end(2)], preface: nil)
      let frames = try await peer.frames { if case .status(2, _, _) = $0 { true } else { false } }
      #expect(frames.contains(.message(2, ByteBuffer(bytes: [2]))))
      await peer.close()
    }
  }

  /// Sends valid frames in an order that makes no sense, some of them with a byte changed.
  private func sendNoise(to address: WireAddress, seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    let peer = try await RawPeer.connect(to: address)
    var bytes = try encoded([], preface: .largest)
    for _ in 0..<Int.random(in: 1..<20, using: &generator) {
      let frame = sampleFrames.randomElement(using: &generator) ?? .ping(0)
      bytes.writeImmutableBuffer(try encoded([frame], preface: nil))
    }
    for _ in 0..<Int.random(in: 0..<3, using: &generator) {
      let place = Int.random(in: 40..<bytes.readableBytes, using: &generator)
      bytes.setInteger(UInt8.random(in: 0...255, using: &generator), at: place)
    }
    await peer.send(bytes)
    if Bool.random(using: &generator) { _ = try await peer.frames() }
    await peer.close()
  }
}
