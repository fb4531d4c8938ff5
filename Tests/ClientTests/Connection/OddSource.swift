import Core
import Merkle
import Records
import Trust

/// What gives all that its origin gives, but for what it says itself.
protocol OddSource: Source {
  associatedtype Origin: Source

  var origin: Origin { get }
}

extension OddSource {
  func checkpoint() async throws -> [UInt8] { try await origin.checkpoint() }
  func tile(_ coordinate: TileCoordinate) async throws -> [UInt8] { try await origin.tile(coordinate) }
  func entries(_ coordinate: BundleCoordinate) async throws -> [UInt8] { try await origin.entries(coordinate) }
  func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] {
    try await origin.body(app: app, generation: generation, digest: digest)
  }
  func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws { try await origin.objects(query, receive: receive) }
}

extension OddSource where Self: Catalog, Origin: Catalog {
  func show(_ app: Digest, epoch: UInt64?) async throws -> ShownRecords { try await origin.show(app, epoch: epoch) }
}
