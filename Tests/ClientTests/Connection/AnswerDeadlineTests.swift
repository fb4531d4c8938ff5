import Client
import Core
import GRPCCore
import Logging
import Merkle
import NIOCore
import Synchronization
import Testing
import Trust
import Wire

/// An archive that answers a little now and then, and never gets to the end.
@Suite(.timeLimit(.minutes(1))) struct AnswerDeadlineTests {
  /// Requests and answers as their bytes.
  private struct RawCoder: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) throws -> Bytes { Bytes(message) }

    func deserialize<Bytes: GRPCContiguousBytes>(_ serializedMessageBytes: Bytes) throws -> [UInt8] {
      serializedMessageBytes.withUnsafeBytes { Array($0) }
    }
  }

  /// Serves `count` messages to each question, with a pause before each, while `body` asks.
  private static func serve(
    _ count: Int, pause: Duration, _ body: @Sendable (ArchiveConnection) async throws -> Void
  ) async throws {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let transport = WireServerTransport(host: "127.0.0.1", port: 0, logger: logger)
    var router = RPCRouter<WireServerTransport>()
    func register<Output: Sendable>(
      _ service: String, _ method: String, _ serializer: some MessageSerializer<Output>, _ message: Output
    ) {
      router.registerHandler(
        forMethod: MethodDescriptor(fullyQualifiedService: "postern.v1.\(service)", method: method),
        deserializer: RawCoder(), serializer: serializer
      ) { _, _ in
        StreamingServerResponse { writer in
          for _ in 0..<count {
            try await Task.sleep(for: pause)
            try await writer.write(message)
          }
          return [:]
        }
      }
    }
    let object = ObjectBatch.Object(id: .zero, kind: 1, byteCount: 1)
    let batch = try ObjectBatch(objects: [object], data: ByteBuffer(bytes: [1]))
    register("Catalog", "GetObjects", ObjectBatchSerializer(), batch)
    // `GetEntriesResponse`: a part of one byte.
    register("Log", "GetEntries", RawCoder(), [0x0A, 1, 0])
    let server = GRPCServer(transport: transport, router: router)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serve() }
      let bound = try await transport.boundAddress
      let address = ArchiveAddress(host: bound.host, port: bound.port)
      try await ArchiveConnection.open(address, answerLimit: .milliseconds(500)) { try await body($0) }
      server.beginGracefulShutdown()
      try await group.waitForAll()
    }
  }

  private static func query() throws -> ObjectQuery { try ObjectQuery(app: .zero, generation: 1, ids: [.zero]) }

  @Test func anAnswerWithoutEndIsGivenUp() async throws {
    try await Self.serve(400, pause: .milliseconds(50)) { archive in
      let start = ContinuousClock.now
      let objects = await #expect(throws: PosternError.self) { try await archive.objects(Self.query()) { _ in } }
      let entries = await #expect(throws: PosternError.self) {
        try await archive.entries(try BundleCoordinate(index: 0, width: 256))
      }
      for error in [objects, entries] {
        #expect(error?.code == .wireDeadline)
        #expect(error?.advice.contains("another archive") == true)
      }
      #expect(ContinuousClock.now - start < .seconds(10))
    }
  }

  /// Whoever takes long to deal with what came waits for no archive.
  @Test func aSlowReaderIsNotTheArchivesFault() async throws {
    try await Self.serve(4, pause: .zero) { archive in
      let count = Mutex(0)
      try await archive.objects(Self.query()) { objects in
        try await Task.sleep(for: .milliseconds(300))
        count.withLock { $0 += objects.count }
      }
      #expect(count.withLock { $0 } == 4)
    }
  }
}
