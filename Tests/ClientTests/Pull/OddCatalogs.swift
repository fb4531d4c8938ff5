import Client
import Core
import Merkle
import Records
import Synchronization
import Trust

/// An archive that is gone after some objects.
struct InterruptedCatalog: Catalog, OddSource {
  let origin: ArchiveConnection
  private let left: Left

  private final class Left: Sendable {
    let count: Mutex<Int>

    init(_ count: Int) { self.count = Mutex(count) }
  }

  init(_ archive: ArchiveConnection, after count: Int) {
    origin = archive
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
      try await origin.objects(query, receive: receive)
    }
    guard given == query.ids.count else { throw PosternError("test.interrupted", "It is gone.", advice: "") }
  }
}

/// An archive at which something else happens before it gives the first body.
struct OvertakenCatalog: Catalog, OddSource {
  let origin: ArchiveConnection
  let happening: @Sendable () async throws -> Void
  private let hasHappened = Once()

  private final class Once: Sendable {
    let isDone = Atomic(false)
  }

  init(_ archive: ArchiveConnection, happening: @escaping @Sendable () async throws -> Void) {
    origin = archive
    self.happening = happening
  }

  func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] {
    let body = try await origin.body(app: app, generation: generation, digest: digest)
    // The charter's bodies come before the log is asked, the epoch's own after.
    let isFirst = generation > 0 && !hasHappened.isDone.exchange(true, ordering: .relaxed)
    if isFirst { try await happening() }
    return body
  }
}

/// An archive that does not give what it was asked for.
struct LyingCatalog: Catalog, OddSource {
  enum Lie {
    case bytes
    case absence
    case twice
    case entries
  }

  let origin: ArchiveConnection
  let lie: Lie

  func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws {
    try await origin.objects(query) { [lie] batch in
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
    var bytes = try await origin.entries(coordinate)
    if lie == .entries { bytes[bytes.count - 1] ^= 1 }
    return bytes
  }
}

/// A folder that gives the last object of each batch a byte short.
struct ShorteningSource: OddSource {
  let origin: FolderCatalog

  func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws {
    try await origin.objects(query) { batch in
      let last = batch.suffix(1).map { SourceObject(id: $0.id, bytes: $0.bytes.array.dropLast()) }
      try await receive(batch.dropLast() + last)
    }
  }
}
