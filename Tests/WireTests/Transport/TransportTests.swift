import GRPCCore
import NIOCore
import Testing
import Wire

@Suite(.serialized, .timeLimit(.minutes(2))) struct TransportTests {
  @Test func unaryCallsGoThroughOneAfterTheOther() async throws {
    try await withEcho { client, _, _ in
      for index in 0..<200 {
        let message = [UInt8](repeating: UInt8(index), count: index * 7)
        let answer = try await client.call("Echo", message)
        #expect(answer == message)
      }
    }
  }

  @Test func metadataAndTrailersTravelVerbatim() async throws {
    try await withEcho { client, _, _ in
      let sent: Metadata = ["text": "a b", "text": "again", "bytes-bin": .binary([0, 255])]
      try await client.unary(
        request: ClientRequest(message: [1], metadata: sent), descriptor: method("Echo"), serializer: BytesCoder(),
        deserializer: BytesCoder(), options: .defaults
      ) { response in
        #expect(response.metadata == sent)
        #expect(response.trailingMetadata == ["echo-trailer": "done"])
      }
    }
  }

  @Test func aHandlersOwnErrorIsInternal() async throws {
    struct Surprise: Error {}
    let handlers: [String: EchoHandler] = [
      "Throw": { _, _ in throw Surprise() },
      "Late": { _, _ in StreamingServerResponse { _ in throw Surprise() } },
    ]
    try await withEcho(handlers: handlers) { client, _, _ in
      for name in handlers.keys {
        let error = await #expect(throws: RPCError.self) { try await client.call(name, []) }
        #expect(error?.code == .internalError)
        #expect(error?.metadata[stringValues: "postern-code"].contains("wire.internal") == true)
      }
    }
  }

  @Test func anUnknownMethodIsUnimplemented() async throws {
    try await withEcho { client, _, _ in
      let error = await #expect(throws: RPCError.self) { try await client.call("Nothing", []) }
      #expect(error?.code == .unimplemented)
      let answer = try await client.call("Echo", [1])
      #expect(answer == [1])
    }
  }

  @Test func aDeadlineEndsTheCallOnBothSides() async throws {
    let cancelled = Signal()
    let handler: EchoHandler = { request, context in
      try await context.cancellation.cancelled
      cancelled.set()
      throw RPCError(code: .cancelled, message: "The handler saw it.")
    }
    try await withEcho(handlers: ["Slow": handler]) { client, _, _ in
      // The connection is there before the clock starts, and the time is long enough for the handler to begin.
      _ = try await client.call("Echo", [])
      let error = await #expect(throws: RPCError.self) {
        try await client.call("Slow", [], timeout: .seconds(1))
      }
      // Both sides keep the deadline: whichever is first says it in its own words.
      #expect(error?.code == .deadlineExceeded || error?.message == "The handler saw it.")
      try await cancelled.wait()
    }
  }

  @Test func cancellingAClientsCallCancelsTheHandler() async throws {
    let started = Signal()
    let cancelled = Signal()
    let handler: EchoHandler = { request, context in
      started.set()
      var count = 0
      do {
        for try await _ in request.messages { count += 1 }
      } catch {
        // The inbound ends with an error, and the handle says the same.
        #expect(context.cancellation.isCancelled)
        cancelled.set()
      }
      return StreamingServerResponse { _ in [:] }
    }
    try await withEcho(handlers: ["Wait": handler]) { client, _, _ in
      await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          try await client.bidirectionalStreaming(
            request: StreamingClientRequest { writer in
              try await writer.write([1])
              try await Task.sleep(for: .seconds(60))
            }, descriptor: method("Wait"), serializer: BytesCoder(), deserializer: BytesCoder(), options: .defaults
          ) { response in for try await _ in response.messages {} }
        }
        try? await started.wait()
        group.cancelAll()
      }
      try await cancelled.wait()
      let answer = try await client.call("Echo", [5])
      #expect(answer == [5])
    }
  }

  @Test func aHandlersRefusalReachesAClientThatIsStillSending() async throws {
    let handler: EchoHandler = { request, _ in
      for try await message in request.messages where message.first == 3 {
        throw RPCError(code: .aborted, message: "Three.", metadata: ["why": "three"])
      }
      return StreamingServerResponse { _ in [:] }
    }
    try await withEcho(handlers: ["Refuse": handler]) { client, _, _ in
      let error = await #expect(throws: RPCError.self) {
        try await client.clientStreaming(
          request: StreamingClientRequest { writer in
            for value in UInt64(0)... { try await writer.write([UInt8](repeating: UInt8(value & 255), count: 100_000)) }
          }, descriptor: method("Refuse"), serializer: BytesCoder(), deserializer: BytesCoder(), options: .defaults
        ) { try $0.message }
      }
      #expect(error?.code == .aborted)
      #expect(error?.message == "Three.")
      #expect(error?.metadata[stringValues: "why"].contains("three") == true)
    }
  }

  @Test func aWriterWaitsForCreditAndGoesOn() async throws {
    let mayRead = Signal()
    let handler: EchoHandler = { request, _ in
      try await mayRead.wait()
      var count = 0
      for try await message in request.messages { count += message.count }
      let total = count
      return StreamingServerResponse(single: ServerResponse(message: Array("\(total)".utf8)))
    }
    let written = Counter()
    let answer = try await withEcho(handlers: ["Later": handler]) { client, _, _ in
      try await withThrowingTaskGroup(of: [UInt8].self) { group in
        group.addTask {
          try await client.clientStreaming(
            request: StreamingClientRequest { writer in
              for _ in 0..<300 {
                try await writer.write([UInt8](repeating: 1, count: 100_000))
                written.increment()
              }
            }, descriptor: method("Later"), serializer: BytesCoder(), deserializer: BytesCoder(), options: .defaults
          ) { try $0.message }
        }
        let before = try await written.settled(from: 20)
        // The stream's first window is the longest message; one more mebibyte waits in the writer's queue.
        #expect((20...45).contains(before))
        mayRead.set()
        return try await group.next()
      }
    }
    #expect(answer == Array("30000000".utf8))
  }

  @Test func aReaderThatStopsStopsTheServer() async throws {
    let written = Counter()
    let handler: EchoHandler = { _, _ in
      StreamingServerResponse { writer in
        for _ in 0..<300 {
          try await writer.write([UInt8](repeating: 1, count: 100_000))
          written.increment()
        }
        return [:]
      }
    }
    var limits = WireLimits()
    limits.streamWindowByteCount = 3 << 20
    try await withEcho(client: limits, handlers: ["Much": handler]) { client, _, _ in
      let total = try await client.serverStreaming(
        request: ClientRequest(message: []), descriptor: method("Much"), serializer: BytesCoder(),
        deserializer: BytesCoder(), options: .defaults
      ) { response in
        #expect((25...50).contains(try await written.settled(from: 25)))
        var total = 0
        for try await message in response.messages { total += message.count }
        return total
      }
      #expect(total == 30_000_000)
    }
  }

  @Test func manyLargeStreamsFlowBothWaysAtOnce() async throws {
    try await withEcho { client, _, _ in
      try await withThrowingTaskGroup(of: Int.self) { group in
        for stream in 0..<8 {
          group.addTask {
            try await client.bidirectionalStreaming(
              request: StreamingClientRequest { writer in
                for index in 0..<24 {
                  try await writer.write([UInt8](repeating: UInt8(stream), count: 1 << 18 + index))
                }
              }, descriptor: method("Echo"), serializer: BytesCoder(), deserializer: BytesCoder(), options: .defaults
            ) { response in
              var count = 0
              for try await message in response.messages {
                #expect(message.count == 1 << 18 + count && message.first == UInt8(stream))
                count += 1
              }
              return count
            }
          }
        }
        for try await count in group { #expect(count == 24) }
      }
    }
  }

  @Test func callsBeyondTheStreamLimitWaitTheirTurn() async throws {
    var limits = WireServerLimits()
    limits.streamLimit = 3
    let running = Counter()
    let most = Counter()
    let handler: EchoHandler = { request, _ in
      let now = running.increment()
      most.raise(to: now)
      try await Task.sleep(for: .milliseconds(5))
      running.decrement()
      return StreamingServerResponse(single: ServerResponse(message: [1]))
    }
    try await withEcho(server: limits, handlers: ["Short": handler]) { client, _, _ in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<40 { group.addTask { _ = try await client.call("Short", []) } }
        try await group.waitForAll()
      }
    }
    #expect(most.value <= 4)
  }

  @Test func aMessageThatIsTooLongIsRefusedBeforeItIsSent() async throws {
    var limits = WireServerLimits()
    limits.connection.messageByteCount = 5_000
    try await withEcho(server: limits) { client, _, _ in
      let error = await #expect(throws: RPCError.self) {
        try await client.call("Echo", [UInt8](repeating: 0, count: 5_001))
      }
      #expect(error?.code == .cancelled || error?.code == .resourceExhausted)
      let answer = try await client.call("Echo", [UInt8](repeating: 9, count: 5_000))
      #expect(answer.count == 5_000)
    }
  }

  @Test func aGracefulShutdownLetsOpenStreamsEnd() async throws {
    try await withEcho { client, _, server in
      let first = Signal()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          try await client.bidirectionalStreaming(
            request: StreamingClientRequest { writer in
              try await writer.write([1])
              try await first.wait()
              server.beginGracefulShutdown()
              try await Task.sleep(for: .milliseconds(100))
              for _ in 0..<10 { try await writer.write([2]) }
            }, descriptor: method("Echo"), serializer: BytesCoder(), deserializer: BytesCoder(), options: .defaults
          ) { response in
            var count = 0
            for try await _ in response.messages {
              count += 1
              first.set()
            }
            #expect(count == 11)
          }
        }
        try await group.waitForAll()
      }
      let error = await #expect(throws: RPCError.self) { try await client.call("Echo", []) }
      #expect(error?.code == .unavailable)
    }
  }

  @Test func aServerListensOnce() async throws {
    let transport = WireServerTransport(host: "127.0.0.1", port: 0, logger: quiet)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await transport.listen { _, _ in } }
      let address = try await transport.boundAddress
      let error = await #expect(throws: RPCError.self) { try await transport.listen { _, _ in } }
      #expect(error?.code == .failedPrecondition)
      #expect(error?.message == "A server transport listens once.")
      // The first goes on as if nothing had been asked.
      check(try await transport.boundAddress, address)
      let peer = try await RawPeer.connect(to: address)
      try await peer.send([.ping(1)])
      check(try await peer.frames { $0 == .pong(1) }, [.pong(1)])
      await peer.close()
      transport.beginGracefulShutdown()
      try await group.waitForAll()
    }
    let late = await #expect(throws: RPCError.self) { try await transport.listen { _, _ in } }
    #expect(late?.code == .failedPrecondition)
  }

  @Test func aClientsShutdownLetsOpenStreamsEnd() async throws {
    let mayEnd = Signal()
    let started = Signal()
    let handler: EchoHandler = { _, _ in
      started.set()
      try await mayEnd.wait()
      return StreamingServerResponse(single: ServerResponse(message: [3]))
    }
    try await withEcho(handlers: ["Wait": handler]) { _, address, _ in
      let client = GRPCClient(transport: WireClientTransport(host: "127.0.0.1", port: address.port, logger: quiet))
      let connections = Task { try await client.runConnections() }
      let call = Task { try await client.call("Wait", []) }
      try await started.wait()
      client.beginGracefulShutdown()
      await #expect(throws: (any Error).self) { try await client.call("Echo", []) }
      mayEnd.set()
      check(try await call.value, [3])
      // The connection ends behind its last stream.
      try await connections.value
    }
  }

  @Test func aShutdownDoesNotWaitForeverForAStream() async throws {
    var limits = WireServerLimits()
    limits.shutdownSeconds = 0.1
    let started = Signal()
    let handler: EchoHandler = { _, context in
      started.set()
      try await context.cancellation.cancelled
      return StreamingServerResponse { _ in [:] }
    }
    try await withEcho(server: limits, handlers: ["Forever": handler]) { client, _, server in
      let call = Task { try await client.call("Forever", []) }
      try await started.wait()
      server.beginGracefulShutdown()
      let error = await #expect(throws: RPCError.self) { try await call.value }
      #expect(error?.code == .cancelled || error?.code == .unavailable)
    }
  }

  @Test func aHandlerThatNeverSeesTheEndGetsCancelledWithItsConnection() async throws {
    let started = Signal()
    let cancelled = Signal()
    let handler: EchoHandler = { _, context in
      started.set()
      try await context.cancellation.cancelled
      cancelled.set()
      return StreamingServerResponse { _ in [:] }
    }
    try await withEcho(handlers: ["Forever": handler]) { _, address, _ in
      let transport = WireClientTransport(host: "127.0.0.1", port: address.port, logger: quiet)
      let client = GRPCClient(transport: transport)
      let connections = Task { try await client.runConnections() }
      let call = Task { try await client.call("Forever", []) }
      try await started.wait()
      // Cancelling the client's connections closes them at once.
      connections.cancel()
      let error = await #expect(throws: RPCError.self) { try await call.value }
      #expect(error?.code == .unavailable || error?.code == .cancelled)
      try await cancelled.wait()
      _ = try? await connections.value
    }
  }
}
