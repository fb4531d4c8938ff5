import Archive
import Core
import FoundationEssentials
import GRPCCore
import Index
import NIOCore
import Trust
import Wire

/// Answers the `Catalog` service: what the archive holds.
struct CatalogHandler: CatalogService {
  let archive: Archive

  func latest(
    _ request: Postern_V1_LatestRequest, context: ServerContext
  ) async throws -> Postern_V1_LatestResponse {
    let shown = try archive.show(try Digest(field: request.app, "app"))
    return Postern_V1_LatestResponse(shown)
  }

  func show(_ request: Postern_V1_ShowRequest, context: ServerContext) async throws -> Postern_V1_ShowResponse {
    let shown = try archive.show(try Digest(field: request.app, "app"), epoch: request.epoch)
    return Postern_V1_ShowResponse(shown)
  }

  func list(_ request: Postern_V1_ListRequest, context: ServerContext) async throws -> Postern_V1_ListResponse {
    guard request.app.isEmpty != request.policy.isEmpty else { throw PosternError.eitherAppOrPolicy }
    let limit = request.limit == 0 ? 100 : Int(min(request.limit, UInt32(ProtocolLimits.pageRowCount)))
    let isByApp = request.policy.isEmpty
    let key = isByApp ? try Digest(field: request.app, "app") : try Digest(field: request.policy, "policy")
    let after = try UInt64?(cursor: request.after)
    // One more, since a full page may be the last.
    let rows =
      isByApp
      ? try archive.epochs(app: key, before: after, limit: limit + 1)
      : try archive.epochs(policy: key, before: after, limit: limit + 1)
    var response = Postern_V1_ListResponse()
    response.epochs = rows.prefix(limit).map(Postern_V1_EpochRow.init)
    if rows.count > limit, let last = rows.prefix(limit).last {
      response.next = Data((isByApp ? last.claim.number : last.index).cursor)
    }
    return response
  }

  func getBody(
    _ request: Postern_V1_GetBodyRequest, context: ServerContext
  ) async throws -> Postern_V1_GetBodyResponse {
    let body = try archive.body(
      try Digest(field: request.digest, "digest"), app: try Digest(field: request.app, "app"),
      generation: request.generation)
    var response = Postern_V1_GetBodyResponse()
    response.body = Data(body)
    return response
  }

  func getObjects(
    _ request: Postern_V1_GetObjectsRequest, into writer: RPCWriter<Wire.ObjectBatch>, context: ServerContext
  ) async throws {
    let app = try Digest(field: request.app, "app")
    var reader = try archive.objects(
      try [Digest](field: request.ids, "ids"), app: app, generation: request.generation)
    while let batch = reader.nextBatch() {
      var data = ByteBuffer()
      try data.writeWithUnsafeMutableBytes(minimumWritableBytes: batch.byteCount) { memory in
        try reader.read(batch, into: memory)
        return batch.byteCount
      }
      let objects = batch.objects.map { Wire.ObjectBatch.Object(id: $0.id, kind: $0.kind, byteCount: $0.byteCount) }
      try await writer.write(try Wire.ObjectBatch(objects: objects, data: data))
    }
  }
}

/// An answer that shows an application, proven under one checkpoint: the two have the same fields.
private protocol ApplicationAnswer {
  init()
  var checkpoint: Data { get set }
  var charters: [Postern_V1_ProvenLeaf] { get set }
  var epoch: Postern_V1_ProvenLeaf { get set }
}

extension ApplicationAnswer {
  /// What the archive shows.
  fileprivate init(_ shown: ShownRecords) {
    self.init()
    checkpoint = Data(shown.note)
    charters = shown.charters.map(Postern_V1_ProvenLeaf.init)
    if let epoch = shown.epoch { self.epoch = Postern_V1_ProvenLeaf(epoch) }
  }
}

extension Postern_V1_LatestResponse: ApplicationAnswer {}
extension Postern_V1_ShowResponse: ApplicationAnswer {}
