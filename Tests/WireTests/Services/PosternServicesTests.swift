import Core
import Foundation
import GRPCCore
import NIOCore
import SwiftProtobuf
import Testing
import Wire

@Suite(.serialized, .timeLimit(.minutes(2))) struct PosternServicesTests {
  /// An archive that answers every call with something of the question.
  private struct Archive: LogService, CatalogService, AdmissionService {
    static let refusal = PosternError(
      "archive.not-found", "There is no épisode 7.", advice: "Ask for another — 日本.", index: 7)

    /// The refusal as a client tells it.
    static let told = PosternError(
      refusal.code, "The archive says: \(refusal.message)", advice: refusal.advice, index: refusal.index)

    func describe(_: Postern_V1_DescribeRequest, context: ServerContext) async throws -> Postern_V1_DescribeResponse {
      .with { $0.origin = "origin" }
    }

    func getCheckpoint(
      _: Postern_V1_GetCheckpointRequest, context: ServerContext
    ) async throws -> Postern_V1_GetCheckpointResponse {
      .with { $0.note = Data("note".utf8) }
    }

    func getTile(_ request: Postern_V1_GetTileRequest, context: ServerContext) async throws
      -> Postern_V1_GetTileResponse
    {
      .with { $0.hashes = Data(count: Int(request.width) * 32) }
    }

    func getEntries(
      _ request: Postern_V1_GetEntriesRequest, into parts: RPCWriter<Postern_V1_GetEntriesResponse>,
      context: ServerContext
    ) async throws {
      while request.index == 9 { try await parts.write(Postern_V1_GetEntriesResponse()) }
      for index in 0..<request.width {
        try await parts.write(.with { $0.part = Data(repeating: UInt8(index), count: 60_000) })
      }
    }

    func latest(_ request: Postern_V1_LatestRequest, context: ServerContext) async throws -> Postern_V1_LatestResponse {
      .with { $0.checkpoint = request.app }
    }

    func show(_: Postern_V1_ShowRequest, context: ServerContext) async throws -> Postern_V1_ShowResponse {
      throw Archive.refusal
    }

    func list(_ request: Postern_V1_ListRequest, context: ServerContext) async throws -> Postern_V1_ListResponse {
      .with { $0.next = request.after }
    }

    func getBody(_: Postern_V1_GetBodyRequest, context: ServerContext) async throws -> Postern_V1_GetBodyResponse {
      .with { $0.body = Data(count: 1_500_000) }
    }

    func getObjects(
      _ request: Postern_V1_GetObjectsRequest, into batches: RPCWriter<ObjectBatch>, context: ServerContext
    ) async throws {
      for index in 0..<request.generation {
        if index == 5 { throw Archive.refusal }
        let object = ObjectBatch.Object(id: .zero, kind: 1, byteCount: 1 << 20)
        try await batches.write(
          ObjectBatch(objects: [object], data: ByteBuffer(repeating: UInt8(index), count: 1 << 20)))
      }
    }

    func register(_ request: Postern_V1_RegisterRequest, context: ServerContext) async throws
      -> Postern_V1_RegisterResponse
    { .with { $0.receipt = request.leaf } }

    func challenge(_ request: Postern_V1_ChallengeRequest, context: ServerContext) async throws
      -> Postern_V1_ChallengeResponse
    { .with { $0.nonce = request.app } }

    func begin(_ request: Postern_V1_BeginRequest, context: ServerContext) async throws -> Postern_V1_BeginResponse {
      .with { $0.token = request.begin }
    }

    func missing(_ request: Postern_V1_MissingRequest, context: ServerContext) async throws
      -> Postern_V1_MissingResponse
    {
      .with { $0.missing = request.ids }
    }

    func upload(
      _ batches: RPCAsyncSequence<ObjectBatch, any Error>, context: ServerContext
    ) async throws -> Postern_V1_UploadResponse {
      var answer = Postern_V1_UploadResponse()
      for try await batch in batches {
        answer.objects += UInt64(batch.objects.count)
        answer.bytes += UInt64(batch.data.readableBytes)
        if batch.token == [13] { throw Archive.refusal }
      }
      return answer
    }

    func seal(_ request: Postern_V1_SealRequest, context: ServerContext) async throws -> Postern_V1_SealResponse {
      .with { $0.receipt = request.veil }
    }

    func abandon(_: Postern_V1_AbandonRequest, context: ServerContext) async throws -> Postern_V1_AbandonResponse {
      try await context.cancellation.cancelled
      throw RPCError(code: .cancelled, message: "Nobody waits.")
    }
  }

  private func withArchive(
    timeout: Duration = .seconds(20),
    body: @Sendable @escaping (PosternClient<WireClientTransport>) async throws -> Void
  ) async throws {
    try await withServer { address in
      try await withPosternClient(
        transport: WireClientTransport(host: "127.0.0.1", port: address.port, logger: quiet), timeout: timeout,
        body: body)
    }
  }

  private func withServer(body: @Sendable @escaping (WireAddress) async throws -> Void) async throws {
    let archive = Archive()
    let transport = WireServerTransport(host: "127.0.0.1", port: 0, logger: quiet)
    let server = GRPCServer(
      transport: transport, services: [PosternServices(log: archive, catalog: archive, admission: archive)])
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serve() }
      try await body(try await transport.boundAddress)
      server.beginGracefulShutdown()
      try await group.waitForAll()
    }
  }

  @Test func everyMethodAnswers() async throws {
    let text = Data("question".utf8)
    try await withArchive { client in
      check(try await client.describe().origin, "origin")
      check(try await client.getCheckpoint().note, Data("note".utf8))
      check(try await client.getTile(.with { $0.width = 256 }).hashes.count, 8_192)
      check(try await client.getEntries(.with { $0.width = 256 }).count, 256 * 60_000)
      check(try await client.latest(.with { $0.app = text }).checkpoint, text)
      check(try await client.list(.with { $0.after = text }).next, text)
      check(try await client.getBody(Postern_V1_GetBodyRequest()).body.count, 1_500_000)
      check(try await client.register(.with { $0.leaf = text }).receipt, text)
      check(try await client.challenge(.with { $0.app = text }).nonce, text)
      check(try await client.begin(.with { $0.begin = text }).token, text)
      check(try await client.missing(.with { $0.ids = text }).missing, text)
      check(try await client.seal(.with { $0.veil = Data(count: 1_300_000) }).receipt.count, 1_300_000)
    }
  }

  @Test func objectsComeAndGoInBatches() async throws {
    try await withArchive { client in
      let count = try await client.getObjects(.with { $0.generation = 5 }) { batches in
        var count = 0
        for try await batch in batches {
          #expect(batch.data.getInteger(at: batch.data.readerIndex, as: UInt8.self) == UInt8(count))
          count += 1
        }
        return count
      }
      #expect(count == 5)
      let answer = try await client.upload { writer in
        for _ in 0..<20 {
          let object = ObjectBatch.Object(id: .zero, kind: 2, byteCount: 1 << 20)
          try await writer.write(
            ObjectBatch(token: [1], objects: [object], data: ByteBuffer(repeating: 0, count: 1 << 20)))
        }
      }
      #expect(answer.objects == 20 && answer.bytes == 20 << 20)
    }
  }

  @Test func aBundleOfNothingEnds() async throws {
    try await withArchive { client in
      let error = await #expect(throws: PosternError.self) { try await client.getEntries(.with { $0.index = 9 }) }
      #expect(error?.code == .wireMalformed)
    }
  }

  @Test func refusalsArriveAndSayWhoseTheyAre() async throws {
    try await withArchive { client in
      let shown = await #expect(throws: PosternError.self) { try await client.show(Postern_V1_ShowRequest()) }
      #expect(shown == Archive.told)
      let read = await #expect(throws: PosternError.self) {
        try await client.getObjects(.with { $0.generation = 9 }) { batches in for try await _ in batches {} }
      }
      #expect(read == Archive.told)
      let sent = await #expect(throws: PosternError.self) {
        try await client.upload { writer in
          while true { try await writer.write(ObjectBatch(token: [13], objects: [], data: ByteBuffer())) }
        }
      }
      #expect(sent == Archive.told)
    }
  }

  @Test func whatGRPCRefusesHasACodeToo() async throws {
    let one: Frame = .message(1, ByteBuffer())
    let garbage: Frame = .message(1, ByteBuffer(bytes: [0xFF, 0xFF]))
    let cases: [(method: String, [Frame], Status.Code, String)] = [
      ("postern.v1.Log/Nothing", [one], .unimplemented, "wire.unimplemented"),
      ("postern.v1.Log/GetTile", [garbage], .invalidArgument, "wire.malformed"),
      ("postern.v1.Log/GetEntries", [garbage], .invalidArgument, "wire.malformed"),
      ("postern.v1.Admission/Upload", [garbage], .invalidArgument, "wire.malformed"),
      ("postern.v1.Log/GetTile", [], .invalidArgument, "wire.malformed"),
      ("postern.v1.Log/GetTile", [one, one], .invalidArgument, "wire.malformed"),
      ("postern.v1.Log/GetEntries", [], .invalidArgument, "wire.malformed"),
      ("postern.v1.Log/GetEntries", [one, one], .invalidArgument, "wire.malformed"),
      ("postern.v1.Catalog/Show", [one], .notFound, "archive.not-found"),
    ]
    try await withServer { address in
      for (method, messages, code, name) in cases {
        let peer = try await RawPeer.connect(to: address)
        try await peer.send([.request(1, method: method, [:])] + messages + [.end(1)])
        let frames = try await peer.frames { if case .status = $0 { true } else { false } }
        guard case .status(_, let status, let metadata) = frames.last else {
          Issue.record("\(method) has no status")
          continue
        }
        #expect(status.code == code, "\(method) \(messages.count)")
        #expect(Array(metadata[stringValues: "postern-code"]) == [name], "\(method) \(messages.count)")
        #expect(metadata[binaryValues: "postern-advice-bin"].contains { !$0.isEmpty })
        await peer.close()
      }
    }
  }

  @Test func transportFailuresHaveCodesToo() async throws {
    // Nobody answers that call ever, so that its time is up however short or long it is; all others have enough.
    try await withArchive(timeout: .milliseconds(200)) { client in
      let late = await #expect(throws: PosternError.self) { try await client.abandon(Postern_V1_AbandonRequest()) }
      #expect(late?.code == .wireDeadline)
    }
    try await withArchive { client in
      _ = try await client.describe()
      let past = await #expect(throws: PosternError.self) {
        try await client.seal(Postern_V1_SealRequest(), timeout: .seconds(-5))
      }
      #expect(past?.code == .wireDeadline)
      let long = await #expect(throws: PosternError.self) {
        try await client.getEntries(.with { $0.width = 3 }, byteLimit: 120_000)
      }
      #expect(long?.code == .wireTooLarge)
      let large = await #expect(throws: PosternError.self) {
        try await client.missing(.with { $0.ids = Data(count: 3_000_000) })
      }
      #expect(large?.code == .wireTooLarge)
      let cancelled = Task { try await client.abandon(Postern_V1_AbandonRequest()) }
      try await Task.sleep(for: .milliseconds(50))
      cancelled.cancel()
      await #expect(throws: CancellationError.self) { try await cancelled.value }
    }
    let nobody = WireClientTransport(host: "127.0.0.1", port: 1, logger: quiet)
    await #expect(throws: PosternError.self) {
      try await withPosternClient(transport: nobody) { client in
        do {
          _ = try await client.describe()
        } catch let error as PosternError {
          #expect(error.code == .wireUnavailable)
          throw error
        }
      }
    }
  }
}
