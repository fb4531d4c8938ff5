import Client
import Core
import Merkle
import Records
import Synchronization
import Trust

/// An archive that is gone after some objects.
struct InterruptedCatalog: Catalog {
  private let archive: ArchiveConnection
  private let left: Left

  private final class Left: Sendable {
    let count: Mutex<Int>

    init(_ count: Int) { self.count = Mutex(count) }
  }

  init(_ archive: ArchiveConnection, after count: Int) {
    self.archive = archive
    left = Left(count)
  }

  func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws {
    let given = left.count.withLock { left in
      defer { left -= min(left, query.ids.count) }
      return min(left, query.ids.count)
    }
    if given > 0 {
      let ids = Array(query.ids.prefix(given))
      let query = try ObjectQuery(app: query.app, generation: query.generation, ids: ids)
      try await archive.objects(query, receive: receive)
    }
    guard given == query.ids.count else { throw PosternError("test.interrupted", "It is gone.", advice: "") }
  }

  func show(_ app: Digest, epoch: UInt64?) async throws -> ShownRecords { try await archive.show(app, epoch: epoch) }
  func checkpoint() async throws -> [UInt8] { try await archive.checkpoint() }
  func tile(_ coordinate: TileCoordinate) async throws -> [UInt8] { try await archive.tile(coordinate) }
  func entries(_ coordinate: BundleCoordinate) async throws -> [UInt8] { try await archive.entries(coordinate) }
  func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] {
    try await archive.body(app: app, generation: generation, digest: digest)
  }
}

/// An archive at which something else happens before it gives the first body.
struct OvertakenCatalog: Catalog {
  let archive: ArchiveConnection
  let happening: @Sendable () async throws -> Void
  private let hasHappened = Once()

  private final class Once: Sendable {
    let isDone = Atomic(false)
  }

  init(archive: ArchiveConnection, happening: @escaping @Sendable () async throws -> Void) {
    self.archive = archive
    self.happening = happening
  }

  func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] {
    let body = try await archive.body(app: app, generation: generation, digest: digest)
    // The charter's bodies come before the log is asked, the epoch's own after.
    let isFirst = generation > 0 && !hasHappened.isDone.exchange(true, ordering: .relaxed)
    if isFirst { try await happening() }
    return body
  }

  func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws { try await archive.objects(query, receive: receive) }
  func show(_ app: Digest, epoch: UInt64?) async throws -> ShownRecords { try await archive.show(app, epoch: epoch) }
  func checkpoint() async throws -> [UInt8] { try await archive.checkpoint() }
  func tile(_ coordinate: TileCoordinate) async throws -> [UInt8] { try await archive.tile(coordinate) }
  func entries(_ coordinate: BundleCoordinate) async throws -> [UInt8] { try await archive.entries(coordinate) }
}

/// An archive that does not give what it was asked for.
struct LyingCatalog: Catalog {
  enum Lie {
    case bytes
    case absence
    case twice
    case entries
  }

  let archive: ArchiveConnection
  let lie: Lie

  func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws {
    try await archive.objects(query) { [lie] batch in
      var batch = batch
      // The root alone would end everything before it begins.
      if query.ids.count > 1, let last = batch.popLast() {
        switch lie {
        case .bytes:
          var bytes = last.bytes.array
          bytes[bytes.count - 1] ^= 1
          batch.append(SourceObject(id: last.id, bytes: bytes[...]))
        case .absence: break
        case .twice: batch += [last, last]
        case .entries: batch.append(last)
        }
      }
      try await receive(batch)
    }
  }

  func entries(_ coordinate: BundleCoordinate) async throws -> [UInt8] {
    var bytes = try await archive.entries(coordinate)
    if lie == .entries { bytes[bytes.count - 1] ^= 1 }
    return bytes
  }

  func show(_ app: Digest, epoch: UInt64?) async throws -> ShownRecords { try await archive.show(app, epoch: epoch) }
  func checkpoint() async throws -> [UInt8] { try await archive.checkpoint() }
  func tile(_ coordinate: TileCoordinate) async throws -> [UInt8] { try await archive.tile(coordinate) }
  func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] {
    try await archive.body(app: app, generation: generation, digest: digest)
  }
}

/// A folder that gives the last object of each batch a byte short.
struct ShorteningSource: Source {
  let folder: FolderCatalog

  func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws {
    try await folder.objects(query) { batch in
      let last = batch.suffix(1).map { SourceObject(id: $0.id, bytes: $0.bytes.array.dropLast()) }
      try await receive(batch.dropLast() + last)
    }
  }

  func checkpoint() async throws -> [UInt8] { try await folder.checkpoint() }
  func tile(_ coordinate: TileCoordinate) async throws -> [UInt8] { try await folder.tile(coordinate) }
  func entries(_ coordinate: BundleCoordinate) async throws -> [UInt8] { try await folder.entries(coordinate) }
  func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] {
    try await folder.body(app: app, generation: generation, digest: digest)
  }
}
