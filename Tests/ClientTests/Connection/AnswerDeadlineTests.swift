import Client
import Core
import FoundationEssentials
import GRPCCore
import Glibc
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

  /// Serves `count` messages of some bytes to each question, with a pause before each, while `body` asks.
  private static func serve(
    _ count: Int, byteCount: Int = 1, pause: Duration, _ body: @Sendable (ArchiveConnection) async throws -> Void
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
    let object = ObjectBatch.Object(id: .zero, kind: 1, byteCount: byteCount)
    let batch = try ObjectBatch(objects: [object], data: ByteBuffer(repeating: 1, count: byteCount))
    register("Catalog", "GetObjects", ObjectBatchSerializer(), batch)
    // `GetEntriesResponse`: its one field, with a length of two bytes.
    let head = [0x0A, UInt8(byteCount & 0x7F | 0x80), UInt8(byteCount >> 7)]
    register("Log", "GetEntries", RawCoder(), head + Array(repeating: 1, count: byteCount))
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

  /// Over a slow line an answer takes as long as it is long.
  @Test func whatComesIsGivenTime() async throws {
    try await Self.serve(4, byteCount: 1_024, pause: .milliseconds(300)) { archive in
      let count = Mutex(0)
      try await archive.objects(Self.query()) { objects in count.withLock { $0 += objects.count } }
      #expect(count.withLock { $0 } == 4)
      #expect(try await archive.entries(try BundleCoordinate(index: 0, width: 256)).count == 4_096)
    }
  }

  /// Who does not want the answer any more does not wait for it, and is not told that the archive is slow.
  @Test func aCallerIsCancelled() async throws {
    try await Self.serve(1, pause: .seconds(2)) { archive in
      let start = ContinuousClock.now
      await #expect(throws: CancellationError.self) {
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await archive.objects(Self.query()) { _ in } }
          try await Task.sleep(for: .milliseconds(100))
          group.cancelAll()
          try await group.waitForAll()
        }
      }
      #expect(ContinuousClock.now - start < .milliseconds(400))
    }
  }

  /// A large state takes tens of thousands of questions, each answered soon: none leaves anything until it would have
  /// been given up.
  @Test func anAnsweredQuestionLeavesNothing() async throws {
    let deadlines = AnswerDeadlines()
    async let _ = deadlines.watch()
    for _ in 0..<1_000 { try await deadlines.bounding { _ in } }
    let before = try Self.residentByteCount()
    let count = 40_000
    for _ in 0..<count { try await deadlines.bounding { _ in } }
    // A timer has some 750 bytes.
    #expect(try Self.residentByteCount() - before < count * 200)
  }

  private static func residentByteCount() throws -> Int {
    let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
    return try #require(fields.count > 1 ? Int(fields[1]) : nil) * sysconf(Int32(_SC_PAGESIZE))
  }
}
