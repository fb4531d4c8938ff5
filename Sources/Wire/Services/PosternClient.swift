import Core
public import GRPCCore
import GRPCProtobuf
import SwiftProtobuf

/// Calls an archive's services over any transport.
///
/// Every call throws ``Core/PosternError`` for a refusal or a failure of the transport, and `CancellationError` when
/// its task is cancelled.
public struct PosternClient<Transport: ClientTransport>: Sendable {
  private let client: GRPCClient<Transport>
  /// What a call without a timeout of its own is given.
  private let timeout: Duration

  /// Calls over a client whose connections run, see ``withPosternClient(transport:timeout:body:)``.
  ///
  /// - Parameter timeout: how long a unary call may take; streams may take any time.
  public init(_ client: GRPCClient<Transport>, timeout: Duration = .seconds(60)) {
    self.client = client
    self.timeout = timeout
  }

  // MARK: Log

  /// Who this archive is and which limits it sets.
  public func describe() async throws -> Postern_V1_DescribeResponse {
    try await unary(Postern_V1_DescribeRequest(), Postern_V1_Log.Method.Describe.descriptor)
  }

  /// The newest committed checkpoint.
  public func getCheckpoint() async throws -> Postern_V1_GetCheckpointResponse {
    try await unary(Postern_V1_GetCheckpointRequest(), Postern_V1_Log.Method.GetCheckpoint.descriptor)
  }

  /// One tile of hashes.
  public func getTile(_ request: Postern_V1_GetTileRequest) async throws -> Postern_V1_GetTileResponse {
    try await unary(request, Postern_V1_Log.Method.GetTile.descriptor)
  }

  /// One bundle of entries, its parts put together.
  ///
  /// - Parameters:
  ///   - byteLimit: a bundle that is longer is refused: 256 entries of 65,535 bytes with their lengths.
  ///   - received: told how many bytes each part has, as it comes.
  public func getEntries(
    _ request: Postern_V1_GetEntriesRequest, byteLimit: Int = 256 * 65_537,
    received: @escaping @Sendable (_ byteCount: Int) -> Void = { _ in }
  ) async throws -> [UInt8] {
    try await streaming(
      request, Postern_V1_Log.Method.GetEntries.descriptor,
      deserializer: ProtobufDeserializer<Postern_V1_GetEntriesResponse>()
    ) { parts in
      var bundle: [UInt8] = []
      for try await part in parts {
        // Otherwise a server could go on for ever with nothing.
        guard !part.part.isEmpty else {
          throw PosternError(
            .wireMalformed, "The archive sends a part of a bundle with nothing in it.", advice: "Use another archive.")
        }
        guard bundle.count + part.part.count <= byteLimit else {
          throw PosternError(
            .wireTooLarge, "The archive sends a bundle that is longer than any can be.", advice: "Use another archive.")
        }
        bundle.append(contentsOf: part.part)
        received(part.part.count)
      }
      return bundle
    }
  }

  // MARK: Catalog

  /// The newest epoch of an application.
  public func latest(_ request: Postern_V1_LatestRequest) async throws -> Postern_V1_LatestResponse {
    try await unary(request, Postern_V1_Catalog.Method.Latest.descriptor)
  }

  /// One epoch by number.
  public func show(_ request: Postern_V1_ShowRequest) async throws -> Postern_V1_ShowResponse {
    try await unary(request, Postern_V1_Catalog.Method.Show.descriptor)
  }

  /// Epochs, newest first.
  public func list(_ request: Postern_V1_ListRequest) async throws -> Postern_V1_ListResponse {
    try await unary(request, Postern_V1_Catalog.Method.List.descriptor)
  }

  /// One body.
  public func getBody(_ request: Postern_V1_GetBodyRequest) async throws -> Postern_V1_GetBodyResponse {
    try await unary(request, Postern_V1_Catalog.Method.GetBody.descriptor)
  }

  /// Sealed objects, batch by batch: `body` reads them, and what it has not read is not sent.
  public func getObjects<Result: Sendable>(
    _ request: Postern_V1_GetObjectsRequest,
    body: @Sendable @escaping (_ batches: RPCAsyncSequence<ObjectBatch, any Error>) async throws -> Result
  ) async throws -> Result {
    try await streaming(
      request, Postern_V1_Catalog.Method.GetObjects.descriptor, deserializer: ObjectBatchDeserializer(), body)
  }

  // MARK: Admission

  /// Registers a genesis charter.
  public func register(_ request: Postern_V1_RegisterRequest) async throws -> Postern_V1_RegisterResponse {
    try await unary(request, Postern_V1_Admission.Method.Register.descriptor)
  }

  /// A fresh nonce for a signed begin.
  public func challenge(_ request: Postern_V1_ChallengeRequest) async throws -> Postern_V1_ChallengeResponse {
    try await unary(request, Postern_V1_Admission.Method.Challenge.descriptor)
  }

  /// Opens a push.
  public func begin(_ request: Postern_V1_BeginRequest) async throws -> Postern_V1_BeginResponse {
    try await unary(request, Postern_V1_Admission.Method.Begin.descriptor)
  }

  /// Which objects the archive lacks.
  public func missing(_ request: Postern_V1_MissingRequest) async throws -> Postern_V1_MissingResponse {
    try await unary(request, Postern_V1_Admission.Method.Missing.descriptor)
  }

  /// Sends objects: `body` writes batches, and waits in each write while the archive is behind.
  public func upload(
    body: @Sendable @escaping (_ batches: RPCWriter<ObjectBatch>) async throws -> Void
  ) async throws -> Postern_V1_UploadResponse {
    let method = Postern_V1_Admission.Method.Upload.descriptor
    return try await mappingErrors(of: method) {
      try await client.clientStreaming(
        request: StreamingClientRequest(producer: body), descriptor: method, serializer: ObjectBatchSerializer(),
        deserializer: ProtobufDeserializer<Postern_V1_UploadResponse>(), options: .defaults
      ) { try $0.message }
    }
  }

  /// Ends a push.
  ///
  /// - Parameter timeout: how long to wait for the answer, which comes once the epoch is durable; nil for as long as
  ///   for every other.
  public func seal(
    _ request: Postern_V1_SealRequest, timeout: Duration? = nil
  ) async throws -> Postern_V1_SealResponse {
    try await unary(request, Postern_V1_Admission.Method.Seal.descriptor, timeout: timeout)
  }

  /// Gives up an open push.
  public func abandon(_ request: Postern_V1_AbandonRequest) async throws -> Postern_V1_AbandonResponse {
    try await unary(request, Postern_V1_Admission.Method.Abandon.descriptor)
  }

  // MARK: Shapes of calls

  private func unary<Input: Message, Output: Message>(
    _ request: Input, _ method: MethodDescriptor, timeout: Duration? = nil
  ) async throws -> Output {
    let limit = timeout ?? self.timeout
    // GRPCCore ends the process over a timeout below zero, and within one of zero it may still get an answer.
    guard limit > .zero else {
      throw PosternError(RPCError(code: .deadlineExceeded, message: ""), of: method.service)
    }
    var options = CallOptions.defaults
    options.timeout = limit
    let chosen = options
    let deadline = ContinuousClock.now + limit
    return try await mappingErrors(of: method) {
      do {
        return try await client.unary(
          request: ClientRequest(message: request), descriptor: method, serializer: ProtobufSerializer<Input>(),
          deserializer: ProtobufDeserializer<Output>(), options: chosen
        ) { try $0.message }
      } catch let error as RPCError where error.code == .cancelled && ContinuousClock.now >= deadline {
        // The server keeps the deadline too, and its cancelled handler may answer before this side's clock does.
        throw RPCError(code: .deadlineExceeded, message: error.message)
      }
    }
  }

  private func streaming<Input: Message, Output: Sendable, Result: Sendable>(
    _ request: Input, _ method: MethodDescriptor, deserializer: some MessageDeserializer<Output>,
    _ body: @Sendable @escaping (RPCAsyncSequence<Output, any Error>) async throws -> Result
  ) async throws -> Result {
    try await mappingErrors(of: method) {
      try await client.serverStreaming(
        request: ClientRequest(message: request), descriptor: method, serializer: ProtobufSerializer<Input>(),
        deserializer: deserializer, options: .defaults
      ) { try await body($0.messages) }
    }
  }

  /// Turns what GRPCCore throws into what the project throws.
  private func mappingErrors<Result: Sendable>(
    of method: MethodDescriptor, _ call: () async throws -> Result
  ) async throws -> Result {
    do {
      return try await call()
    } catch let error as RPCError {
      if Task.isCancelled { throw CancellationError() }
      throw PosternError(error, of: method.service)
    } catch let error as RuntimeError {
      throw PosternError(.wireUnavailable, error.message, advice: "Open a new client.")
    }
  }
}

/// Runs a client's connections for as long as `body` takes.
///
/// - Parameter timeout: how long a unary call may take.
/// - Throws: what `body` throws.
public func withPosternClient<Transport: ClientTransport, Result: Sendable>(
  transport: Transport, timeout: Duration = .seconds(60),
  body: (PosternClient<Transport>) async throws -> Result
) async throws -> Result {
  try await withGRPCClient(transport: transport) { client in
    try await body(PosternClient(client, timeout: timeout))
  }
}
