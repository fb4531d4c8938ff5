import Client
import Core
import FoundationEssentials
import GRPCCore
import Logging
import Synchronization
import Wire

/// A server between a client and an archive: it passes on what it is asked, and answers otherwise where it has orders.
final class Relay: LogService, CatalogService, AdmissionService {
  /// The methods that it may have orders for.
  enum Method {
    case body
    case tile
    case admission
  }

  struct Orders {
    /// What a method is refused with.
    var refusals: [Method: PosternError] = [:]
    /// A bit of which byte of every tile is another one, counted round and round.
    var alteredByte: Int?
    /// What becomes of a page of a list.
    var page: @Sendable (Postern_V1_ListResponse) -> Postern_V1_ListResponse = { $0 }
  }

  let orders = Mutex(Orders())
  private let upstream: PosternClient<WireClientTransport>

  private init(_ upstream: PosternClient<WireClientTransport>) {
    self.upstream = upstream
  }

  /// Stands before an archive while `body` runs.
  static func run(
    before address: ArchiveAddress, _ body: @Sendable @escaping (Relay, ArchiveConnection) async throws -> Void
  ) async throws {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let origin = WireClientTransport(host: address.host, port: address.port, logger: logger)
    try await withPosternClient(transport: origin) { upstream in
      let relay = Relay(upstream)
      let transport = WireServerTransport(host: "127.0.0.1", port: 0, logger: logger)
      let server = GRPCServer(
        transport: transport, services: [PosternServices(log: relay, catalog: relay, admission: relay)])
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.serve() }
        let bound = try await transport.boundAddress
        try await ArchiveConnection.open(ArchiveAddress(host: bound.host, port: bound.port)) { connection in
          try await body(relay, connection)
        }
        server.beginGracefulShutdown()
        try await group.waitForAll()
      }
    }
  }

  private func obey(_ method: Method) throws {
    if let refusal = orders.withLock({ $0.refusals[method] }) { throw refusal }
  }

  func describe(
    _ request: Postern_V1_DescribeRequest, context: ServerContext
  ) async throws -> Postern_V1_DescribeResponse { try await upstream.describe() }

  func getCheckpoint(
    _ request: Postern_V1_GetCheckpointRequest, context: ServerContext
  ) async throws -> Postern_V1_GetCheckpointResponse { try await upstream.getCheckpoint() }

  func getTile(
    _ request: Postern_V1_GetTileRequest, context: ServerContext
  ) async throws -> Postern_V1_GetTileResponse {
    try obey(.tile)
    var answer = try await upstream.getTile(request)
    if let byte = orders.withLock({ $0.alteredByte }) { answer.hashes[byte % answer.hashes.count] ^= 1 }
    return answer
  }

  func getEntries(
    _ request: Postern_V1_GetEntriesRequest, into parts: RPCWriter<Postern_V1_GetEntriesResponse>,
    context: ServerContext
  ) async throws {
    var rest = try await upstream.getEntries(request)[...]
    while !rest.isEmpty {
      let part = rest.prefix(ProtocolLimits.batchByteCount)
      rest = rest.dropFirst(part.count)
      var response = Postern_V1_GetEntriesResponse()
      response.part = Data(part)
      try await parts.write(response)
    }
  }

  func latest(
    _ request: Postern_V1_LatestRequest, context: ServerContext
  ) async throws -> Postern_V1_LatestResponse { try await upstream.latest(request) }

  func show(_ request: Postern_V1_ShowRequest, context: ServerContext) async throws -> Postern_V1_ShowResponse {
    try await upstream.show(request)
  }

  func list(_ request: Postern_V1_ListRequest, context: ServerContext) async throws -> Postern_V1_ListResponse {
    let answer = try await upstream.list(request)
    return orders.withLock { $0.page }(answer)
  }

  func getBody(
    _ request: Postern_V1_GetBodyRequest, context: ServerContext
  ) async throws -> Postern_V1_GetBodyResponse {
    try obey(.body)
    return try await upstream.getBody(request)
  }

  func getObjects(
    _ request: Postern_V1_GetObjectsRequest, into batches: RPCWriter<ObjectBatch>, context: ServerContext
  ) async throws {
    try await upstream.getObjects(request) { received in
      for try await batch in received { try await batches.write(batch) }
    }
  }

  func register(
    _ request: Postern_V1_RegisterRequest, context: ServerContext
  ) async throws -> Postern_V1_RegisterResponse { try await upstream.register(request) }

  func challenge(
    _ request: Postern_V1_ChallengeRequest, context: ServerContext
  ) async throws -> Postern_V1_ChallengeResponse {
    try obey(.admission)
    return try await upstream.challenge(request)
  }

  func begin(_ request: Postern_V1_BeginRequest, context: ServerContext) async throws -> Postern_V1_BeginResponse {
    try await upstream.begin(request)
  }

  func missing(
    _ request: Postern_V1_MissingRequest, context: ServerContext
  ) async throws -> Postern_V1_MissingResponse { try await upstream.missing(request) }

  func upload(
    _ batches: RPCAsyncSequence<ObjectBatch, any Error>, context: ServerContext
  ) async throws -> Postern_V1_UploadResponse {
    try await upstream.upload { sent in
      for try await batch in batches { try await sent.write(batch) }
    }
  }

  func seal(_ request: Postern_V1_SealRequest, context: ServerContext) async throws -> Postern_V1_SealResponse {
    try await upstream.seal(request)
  }

  func abandon(
    _ request: Postern_V1_AbandonRequest, context: ServerContext
  ) async throws -> Postern_V1_AbandonResponse { try await upstream.abandon(request) }
}
