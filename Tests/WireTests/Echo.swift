import GRPCCore
import Logging
import NIOCore
import Wire

/// Bytes as messages, with nothing around them.
struct BytesCoder: MessageSerializer, MessageDeserializer {
  func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }

  func deserialize<Bytes: GRPCContiguousBytes>(_ serializedMessageBytes: Bytes) throws -> [UInt8] {
    serializedMessageBytes.withUnsafeBytes { Array($0) }
  }
}

/// Buffers as messages, not copied.
struct BufferCoder: MessageSerializer, MessageDeserializer {
  func serialize<Bytes: GRPCContiguousBytes>(_ message: ByteBuffer) throws -> Bytes {
    let bytes = WireBytes(head: ByteBuffer(), tail: message)
    return bytes as? Bytes ?? Bytes(message.readableBytesView)
  }

  func deserialize<Bytes: GRPCContiguousBytes>(_ serializedMessageBytes: Bytes) throws -> ByteBuffer {
    (serializedMessageBytes as? WireBytes)?.joined ?? serializedMessageBytes.withUnsafeBytes { ByteBuffer(bytes: $0) }
  }
}

typealias EchoHandler =
  @Sendable (StreamingServerRequest<[UInt8]>, ServerContext) async throws -> StreamingServerResponse<[UInt8]>

/// A method of the tests' own service.
func method(_ name: String) -> MethodDescriptor {
  MethodDescriptor(fullyQualifiedService: "test.Echo", method: name)
}

/// A server and a client of it, for as long as `body` takes.
func withEcho<Result: Sendable>(
  server limits: WireServerLimits = WireServerLimits(), client clientLimits: WireLimits = WireLimits(),
  serverTLS: WireServerTLS? = nil, clientTLS: WireClientTLS? = nil,
  singleRequestMethods: Set<MethodDescriptor> = [], handlers: [String: EchoHandler] = [:],
  body:
    @Sendable @escaping (GRPCClient<WireClientTransport>, WireAddress, GRPCServer<WireServerTransport>) async throws
    -> Result
) async throws -> Result {
  let transport = WireServerTransport(
    host: "127.0.0.1", port: 0, tls: serverTLS, limits: limits, singleRequestMethods: singleRequestMethods,
    logger: quiet)
  var router = RPCRouter<WireServerTransport>()
  for (name, handler) in handlers.merging(["Echo": echo], uniquingKeysWith: { given, _ in given }) {
    router.registerHandler(
      forMethod: method(name), deserializer: BytesCoder(), serializer: BytesCoder(), handler: handler)
  }
  let server = GRPCServer(transport: transport, router: router)
  return try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { try await server.serve() }
    let address = try await transport.boundAddress
    let result = try await withGRPCClient(
      transport: WireClientTransport(
        host: "127.0.0.1", port: address.port, tls: clientTLS, limits: clientLimits, logger: quiet)
    ) { try await body($0, address, server) }
    server.beginGracefulShutdown()
    try await group.waitForAll()
    return result
  }
}

/// Sends back what comes.
let echo: EchoHandler = { request, _ in
  StreamingServerResponse(metadata: request.metadata) { writer in
    for try await message in request.messages { try await writer.write(message) }
    return ["echo-trailer": "done"]
  }
}

/// A log that nobody reads.
let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

extension GRPCClient<WireClientTransport> {
  /// One message each way.
  func call(_ name: String, _ message: [UInt8], timeout: Duration? = .seconds(20)) async throws -> [UInt8] {
    var options = CallOptions.defaults
    options.timeout = timeout
    return try await unary(
      request: ClientRequest(message: message), descriptor: method(name), serializer: BytesCoder(),
      deserializer: BytesCoder(), options: options
    ) { try $0.message }
  }
}
