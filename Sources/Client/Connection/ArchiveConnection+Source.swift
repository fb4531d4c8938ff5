public import Core
import FoundationEssentials
import GRPCCore
public import Merkle
import NIOCore
import Synchronization
public import Trust
import Wire

extension ArchiveConnection: Source {
  /// The newest checkpoint's note, unverified.
  ///
  /// - Throws: `wire.*`.
  public func checkpoint() async throws -> [UInt8] {
    Array(try await ask { try await client.getCheckpoint() }.note)
  }

  /// A tile of hashes, unverified.
  ///
  /// - Throws: `source.*`, `wire.*`.
  public func tile(_ coordinate: TileCoordinate) async throws -> [UInt8] {
    var request = Postern_V1_GetTileRequest()
    request.level = UInt32(coordinate.level)
    request.index = coordinate.index
    request.width = UInt32(coordinate.width)
    return Array(try await ask { [request] in try await client.getTile(request) }.hashes)
  }

  /// A bundle of entries, unverified.
  ///
  /// - Throws: `source.*`, `wire.*`; `wire.too-large` when the archive sends more than such a bundle can have,
  ///   `wire.deadline` when it takes longer than ``AnswerDeadlines`` allows.
  public func entries(_ coordinate: BundleCoordinate) async throws -> [UInt8] {
    var request = Postern_V1_GetEntriesRequest()
    request.index = coordinate.index
    request.width = UInt32(coordinate.width)
    return try await deadlines.bounding { [request] deadline in
      try await ask {
        try await client.getEntries(
          request, byteLimit: coordinate.maximumByteCount, received: deadline.received(byteCount:))
      }
    }
  }

  /// A body, unverified: see `checkedBody`.
  ///
  /// - Throws: `source.*`, `wire.*`.
  public func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] {
    var request = Postern_V1_GetBodyRequest()
    request.app = Data(app.bytes)
    request.generation = generation
    request.digest = Data(digest.bytes)
    return Array(try await ask { [request] in try await client.getBody(request) }.body)
  }

  /// Objects, unverified, in the archive's own order.
  ///
  /// Where the connection breaks, those that have not come yet are asked for again.
  ///
  /// - Throws: `source.*`, `wire.*`, `wire.deadline` when the archive, `receive` apart, takes longer than
  ///   ``AnswerDeadlines`` allows; what `receive` throws.
  public func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws {
    try await deadlines.bounding { deadline in
      try await askObjects(query) { batch in
        deadline.received(byteCount: batch.data.readableBytes)
        let objects = batch.sourceObjects
        try await deadline.pausing { try await receive(objects) }
      }
    }
  }

  private func askObjects(
    _ query: ObjectQuery, receive: @escaping @Sendable (ObjectBatch) async throws -> Void
  ) async throws {
    let received = Mutex<Set<Digest>>([])
    try await ask {
      let owed = received.withLock { received in query.ids.filter { !received.contains($0) } }
      guard !owed.isEmpty else { return }
      var request = Postern_V1_GetObjectsRequest()
      request.app = Data(query.app.bytes)
      request.generation = query.generation
      request.ids = Data(joining: owed)
      try await client.getObjects(request) { batches in
        for try await batch in batches {
          // Otherwise a server could go on for ever with nothing.
          guard !batch.objects.isEmpty else { throw PosternError.emptyBatch }
          try await receive(batch)
          received.withLock { $0.formUnion(batch.objects.lazy.map(\.id)) }
        }
      }
    }
  }
}

extension PosternError {
  /// An answer that does not get on.
  fileprivate static let emptyBatch = PosternError(
    .sourceUnasked, "The archive sent a batch without objects, which nobody asked for.", advice: "Use another archive.")
}

extension ObjectBatch {
  /// The objects, which share the batch's data.
  fileprivate var sourceObjects: [SourceObject] {
    let memory = BatchData(buffer: data)
    var offset = 0
    return objects.map { object in
      defer { offset += object.byteCount }
      return SourceObject(id: object.id, bytes: SharedBytes(memory, offset..<offset + object.byteCount))
    }
  }
}

/// A batch's data as it came.
private struct BatchData: SharedMemory {
  let buffer: ByteBuffer

  func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try buffer.withUnsafeReadableBytes(body)
  }
}

extension Data {
  /// Ids one behind the other, as requests carry them.
  init(joining ids: [Digest]) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(ids.count * Digest.byteCount)
    for id in ids { bytes.append(id) }
    self.init(bytes)
  }
}
