import Archive
import Core
import FoundationEssentials
import GRPCCore
import Merkle
import Wire

/// Answers the `Log` service: what anyone needs to check that a record is in the log.
struct LogHandler: LogService {
  let archive: Archive
  let version: String

  func describe(
    _ request: Postern_V1_DescribeRequest, context: ServerContext
  ) async throws -> Postern_V1_DescribeResponse {
    var response = Postern_V1_DescribeResponse()
    response.origin = archive.home.name
    response.verifierKey = archive.home.text
    response.version = version
    response.pushByteLimit = archive.limits.pushByteCount
    return response
  }

  func getCheckpoint(
    _ request: Postern_V1_GetCheckpointRequest, context: ServerContext
  ) async throws -> Postern_V1_GetCheckpointResponse {
    let note = try archive.checkpoint()
    var response = Postern_V1_GetCheckpointResponse()
    response.note = Data(note)
    return response
  }

  func getTile(
    _ request: Postern_V1_GetTileRequest, context: ServerContext
  ) async throws -> Postern_V1_GetTileResponse {
    let hashes = try archive.tile(TileCoordinate(request: request))
    var response = Postern_V1_GetTileResponse()
    response.hashes = Data(hashes)
    return response
  }

  /// A bundle can be larger than a message, so it travels in parts.
  func getEntries(
    _ request: Postern_V1_GetEntriesRequest, into writer: RPCWriter<Postern_V1_GetEntriesResponse>,
    context: ServerContext
  ) async throws {
    var rest = try archive.bundle(BundleCoordinate(request: request))[...]
    while !rest.isEmpty {
      let part = rest.prefix(ProtocolLimits.batchByteCount)
      rest = rest.dropFirst(part.count)
      var response = Postern_V1_GetEntriesResponse()
      response.part = Data(part)
      try await writer.write(response)
    }
  }
}
