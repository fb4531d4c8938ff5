public import Core
public import GRPCCore
import GRPCProtobuf
import SwiftProtobuf

/// The transparency log, as a server answers for it.
///
/// Handlers throw ``Core/PosternError``; its code, index and advice reach the client.
public protocol LogService: Sendable {
  /// Who this archive is and which limits it sets.
  func describe(_ request: Postern_V1_DescribeRequest, context: ServerContext) async throws
    -> Postern_V1_DescribeResponse
  /// The newest committed checkpoint.
  func getCheckpoint(_ request: Postern_V1_GetCheckpointRequest, context: ServerContext) async throws
    -> Postern_V1_GetCheckpointResponse
  /// One tile of hashes.
  func getTile(_ request: Postern_V1_GetTileRequest, context: ServerContext) async throws -> Postern_V1_GetTileResponse
  /// One bundle of entries, in parts.
  func getEntries(
    _ request: Postern_V1_GetEntriesRequest, into parts: RPCWriter<Postern_V1_GetEntriesResponse>,
    context: ServerContext
  ) async throws
}

/// What the archive holds, as a server answers for it.
public protocol CatalogService: Sendable {
  /// The newest epoch of an application.
  func latest(_ request: Postern_V1_LatestRequest, context: ServerContext) async throws -> Postern_V1_LatestResponse
  /// One epoch by number.
  func show(_ request: Postern_V1_ShowRequest, context: ServerContext) async throws -> Postern_V1_ShowResponse
  /// Epochs, newest first.
  func list(_ request: Postern_V1_ListRequest, context: ServerContext) async throws -> Postern_V1_ListResponse
  /// One body.
  func getBody(_ request: Postern_V1_GetBodyRequest, context: ServerContext) async throws -> Postern_V1_GetBodyResponse
  /// Sealed objects in the order in which they lie in the packs, batch by batch; writing waits for the client to take
  /// them.
  func getObjects(
    _ request: Postern_V1_GetObjectsRequest, into batches: RPCWriter<ObjectBatch>, context: ServerContext
  ) async throws
}

/// The way in, as a server answers for it.
public protocol AdmissionService: Sendable {
  /// Registers a genesis charter.
  func register(_ request: Postern_V1_RegisterRequest, context: ServerContext) async throws
    -> Postern_V1_RegisterResponse
  /// A fresh nonce for a signed begin.
  func challenge(_ request: Postern_V1_ChallengeRequest, context: ServerContext) async throws
    -> Postern_V1_ChallengeResponse
  /// Opens a push.
  func begin(_ request: Postern_V1_BeginRequest, context: ServerContext) async throws -> Postern_V1_BeginResponse
  /// Which objects the archive lacks.
  func missing(_ request: Postern_V1_MissingRequest, context: ServerContext) async throws -> Postern_V1_MissingResponse
  /// Stores objects; reading the next batch lets the client send more.
  func upload(_ batches: RPCAsyncSequence<ObjectBatch, any Error>, context: ServerContext) async throws
    -> Postern_V1_UploadResponse
  /// Ends a push.
  func seal(_ request: Postern_V1_SealRequest, context: ServerContext) async throws -> Postern_V1_SealResponse
  /// Gives up an open push.
  func abandon(_ request: Postern_V1_AbandonRequest, context: ServerContext) async throws -> Postern_V1_AbandonResponse
}

/// The three services, for a `GRPCServer` on any transport.
///
/// Registered by hand and not by generated stubs, so that batches of objects go through their own serializer.
public struct PosternServices: RegistrableRPCService {
  private let log: any LogService
  private let catalog: any CatalogService
  private let admission: any AdmissionService
  private let answering: Answering
  private let admitting: Answering

  /// Services that answer by these handlers.
  ///
  /// - Parameters:
  ///   - log: answers for the log.
  ///   - catalog: answers for what the archive holds.
  ///   - admission: takes what comes in.
  ///   - readers: where `log` and `catalog`, which wait for a disk, run; nil for the threads that all tasks share.
  ///   - admitters: where `admission` runs, all but uploads, which hash and leave the disk to others; nil as above.
  ///   - refusal: what a peer is told in the place of an error: it may say more than peers are to know.
  public init(
    log: any LogService, catalog: any CatalogService, admission: any AdmissionService,
    readers: (any TaskExecutor)? = nil, admitters: (any TaskExecutor)? = nil,
    refusal: @escaping @Sendable (PosternError) -> PosternError = { $0 }
  ) {
    self.log = log
    self.catalog = catalog
    self.admission = admission
    answering = Answering(executor: readers, refusal: refusal)
    admitting = Answering(executor: admitters, refusal: refusal)
  }

  /// Every method that takes one message; an upload takes many.
  public static var singleRequestMethods: Set<MethodDescriptor> {
    Set(Postern_V1_Log.Method.descriptors + Postern_V1_Catalog.Method.descriptors)
      .union(Postern_V1_Admission.Method.descriptors)
      .subtracting([Postern_V1_Admission.Method.Upload.descriptor])
  }

  /// Registers every method.
  public func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
    registerLog(&router)
    registerCatalog(&router)
    registerAdmission(&router)
  }

  private func registerLog<Transport: ServerTransport>(_ router: inout RPCRouter<Transport>) {
    let log = log
    router.unary(Postern_V1_Log.Method.Describe.descriptor, answering, log.describe)
    router.unary(Postern_V1_Log.Method.GetCheckpoint.descriptor, answering, log.getCheckpoint)
    router.unary(Postern_V1_Log.Method.GetTile.descriptor, answering, log.getTile)
    router.serverStreaming(
      Postern_V1_Log.Method.GetEntries.descriptor,
      serializer: ProtobufSerializer<Postern_V1_GetEntriesResponse>(), answering, log.getEntries)
  }

  private func registerCatalog<Transport: ServerTransport>(_ router: inout RPCRouter<Transport>) {
    let catalog = catalog
    router.unary(Postern_V1_Catalog.Method.Latest.descriptor, answering, catalog.latest)
    router.unary(Postern_V1_Catalog.Method.Show.descriptor, answering, catalog.show)
    router.unary(Postern_V1_Catalog.Method.List.descriptor, answering, catalog.list)
    router.unary(Postern_V1_Catalog.Method.GetBody.descriptor, answering, catalog.getBody)
    router.serverStreaming(
      Postern_V1_Catalog.Method.GetObjects.descriptor, serializer: ObjectBatchSerializer(), answering,
      catalog.getObjects)
  }

  private func registerAdmission<Transport: ServerTransport>(_ router: inout RPCRouter<Transport>) {
    let (admission, answering, uploading) = (admission, admitting, admitting.here)
    router.unary(Postern_V1_Admission.Method.Register.descriptor, answering, admission.register)
    router.unary(Postern_V1_Admission.Method.Challenge.descriptor, answering, admission.challenge)
    router.unary(Postern_V1_Admission.Method.Begin.descriptor, answering, admission.begin)
    router.unary(Postern_V1_Admission.Method.Missing.descriptor, answering, admission.missing)
    router.unary(Postern_V1_Admission.Method.Seal.descriptor, answering, admission.seal)
    router.unary(Postern_V1_Admission.Method.Abandon.descriptor, answering, admission.abandon)
    router.registerHandler(
      forMethod: Postern_V1_Admission.Method.Upload.descriptor, deserializer: ObjectBatchDeserializer(),
      serializer: ProtobufSerializer<Postern_V1_UploadResponse>()
    ) { request, context in
      let response = try await uploading { try await admission.upload(request.messages, context: context) }
      return StreamingServerResponse(single: ServerResponse(message: response))
    }
  }
}

/// Where handlers run, and what becomes of their errors.
private struct Answering: Sendable {
  let executor: (any TaskExecutor)?
  let refusal: @Sendable (PosternError) -> PosternError

  /// The same, on the threads that all tasks share.
  var here: Answering { Answering(executor: nil, refusal: refusal) }

  func callAsFunction<Answer: Sendable>(_ body: @Sendable () async throws -> Answer) async throws -> Answer {
    do {
      return try await withTaskExecutorPreference(executor) { try await body() }
    } catch let error as PosternError {
      throw refusal(error)
    }
  }
}

extension RPCRouter {
  /// Registers a method with one message each way.
  fileprivate mutating func unary<Input: Message, Output: Message>(
    _ method: MethodDescriptor, _ answering: Answering,
    _ handler: @escaping @Sendable (Input, ServerContext) async throws -> Output
  ) {
    registerHandler(
      forMethod: method, deserializer: ProtobufDeserializer<Input>(), serializer: ProtobufSerializer<Output>()
    ) { request, context in
      let message = try await request.onlyMessage()
      let answer = try await answering { try await handler(message, context) }
      return StreamingServerResponse(single: ServerResponse(message: answer))
    }
  }

  /// Registers a method with one message in and many out.
  fileprivate mutating func serverStreaming<Input: Message, Output: Sendable>(
    _ method: MethodDescriptor, serializer: some MessageSerializer<Output>, _ answering: Answering,
    _ handler: @escaping @Sendable (Input, RPCWriter<Output>, ServerContext) async throws -> Void
  ) {
    registerHandler(
      forMethod: method, deserializer: ProtobufDeserializer<Input>(), serializer: serializer
    ) { request, context in
      let message = try await request.onlyMessage()
      return StreamingServerResponse { writer in
        try await answering { try await handler(message, writer, context) }
        return [:]
      }
    }
  }
}

extension StreamingServerRequest {
  /// The message of a method that takes one.
  ///
  /// GRPCCore's own way blames the server for a client that sends none or two.
  ///
  /// - Throws: ``Core/PosternError`` with `wire.malformed`; what the stream ends with.
  fileprivate func onlyMessage() async throws -> Message {
    var messages = messages.makeAsyncIterator()
    guard let message = try await messages.next() else {
      throw PosternError(
        .wireMalformed, "The request has no message.", advice: "Send one message, then the end of the stream.")
    }
    guard try await messages.next() == nil else {
      throw PosternError(
        .wireMalformed, "The request has more than one message.",
        advice: "Send one message, then the end of the stream.")
    }
    return message
  }
}
