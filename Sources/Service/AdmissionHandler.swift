import Archive
import Core
import FoundationEssentials
import GRPCCore
import NIOCore
import Wire

/// Answers the `Admission` service: registrations and pushes.
struct AdmissionHandler: AdmissionService {
  let archive: Archive

  func register(
    _ request: Postern_V1_RegisterRequest, context: ServerContext
  ) async throws -> Postern_V1_RegisterResponse {
    let receipt = try await archive.register(
      leaf: Array(request.leaf), charter: Array(request.charter), signatures: Array(request.signatures),
      from: PeerAddress(describing: context.remotePeer).key)
    var response = Postern_V1_RegisterResponse()
    response.receipt = Data(receipt)
    return response
  }

  func challenge(
    _ request: Postern_V1_ChallengeRequest, context: ServerContext
  ) async throws -> Postern_V1_ChallengeResponse {
    let nonce = archive.challenge(app: try Digest(field: request.app, "app"))
    var response = Postern_V1_ChallengeResponse()
    response.nonce = Data(nonce.bytes)
    return response
  }

  func begin(_ request: Postern_V1_BeginRequest, context: ServerContext) async throws -> Postern_V1_BeginResponse {
    let token = try await archive.begin(
      Array(request.begin), from: PeerAddress(describing: context.remotePeer).key)
    var response = Postern_V1_BeginResponse()
    response.token = Data(token.bytes)
    return response
  }

  func missing(
    _ request: Postern_V1_MissingRequest, context: ServerContext
  ) async throws -> Postern_V1_MissingResponse {
    let bitmap = try await archive.missing(
      try [Digest](field: request.ids, "ids"), for: try PushToken(field: request.token))
    var response = Postern_V1_MissingResponse()
    response.missing = Data(bitmap)
    return response
  }

  func upload(
    _ batches: RPCAsyncSequence<Wire.ObjectBatch, any Error>, context: ServerContext
  ) async throws -> Postern_V1_UploadResponse {
    var objectCount = 0
    var byteCount = 0
    for try await batch in batches {
      try await archive.upload(ReceivedBatch(batch), to: try PushToken(field: batch.token))
      objectCount += batch.objects.count
      byteCount += batch.data.readableBytes
    }
    var response = Postern_V1_UploadResponse()
    response.objects = UInt64(objectCount)
    response.bytes = UInt64(byteCount)
    return response
  }

  func seal(_ request: Postern_V1_SealRequest, context: ServerContext) async throws -> Postern_V1_SealResponse {
    let bodies = EpochBodies(
      envelope: Array(request.envelope), veil: Array(request.veil), capsule: Array(request.capsule))
    let token = request.token.isEmpty ? nil : try PushToken(field: request.token)
    let receipt = try await archive.seal(leaf: Array(request.leaf), bodies: bodies, token: token)
    var response = Postern_V1_SealResponse()
    response.receipt = Data(receipt)
    return response
  }

  func abandon(
    _ request: Postern_V1_AbandonRequest, context: ServerContext
  ) async throws -> Postern_V1_AbandonResponse {
    try await archive.abandon(try PushToken(field: request.token))
    return Postern_V1_AbandonResponse()
  }
}

/// A batch as it came off the wire, handed on where it lies.
private struct ReceivedBatch: IncomingBatch {
  let objects: [BatchObject]
  private let data: ByteBuffer

  init(_ batch: Wire.ObjectBatch) {
    objects = batch.objects.map { BatchObject(id: $0.id, kind: $0.kind, byteCount: $0.byteCount) }
    data = batch.data
  }

  func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try data.withUnsafeReadableBytes(body)
  }
}
