package import Core
import Merkle
import Synchronization
package import Trust

/// An object that a source sent, alone in memory: what it came in may be far longer.
package struct GatheredObject: Sendable {
  /// The id under which it came.
  package let id: Digest
  /// The stored bytes.
  package let bytes: [UInt8]
}

extension Source {
  /// The objects of one query that the source has, held in memory together.
  ///
  /// - Parameters:
  ///   - query: which objects.
  ///   - isWanted: judges each object as it comes, by its length at least: what it does not throw for or leave out
  ///     stays in memory, and a source may send far longer objects than those that were asked for.
  /// - Throws: `source.unasked` for an object that was not asked for or came twice; what `isWanted` and the source
  ///   throw.
  package func gather(
    _ query: ObjectQuery, where isWanted: @escaping @Sendable (SourceObject) throws(PosternError) -> Bool
  ) async throws -> [GatheredObject] {
    let gathered = Mutex((owed: Set(query.ids), objects: [GatheredObject]()))
    try await objects(query) { batch in
      try gathered.withLock { gathered in
        for object in batch {
          guard gathered.owed.remove(object.id) != nil else { throw PosternError.unaskedObject(object.id) }
          guard try isWanted(object) else { continue }
          gathered.objects.append(GatheredObject(id: object.id, bytes: object.bytes.array))
        }
      }
    }
    return gathered.withLock { $0.objects }
  }

  /// All objects of one query.
  ///
  /// - Parameters:
  ///   - query: which objects.
  ///   - check: throws for an object that is not the one that was asked for, as ``gather(_:where:)`` has it.
  /// - Throws: `source.absent` where one did not come; else what ``gather(_:where:)`` throws.
  package func gatherAll(
    _ query: ObjectQuery, check: @escaping @Sendable (SourceObject) throws(PosternError) -> Void
  ) async throws -> [GatheredObject] {
    let objects = try await gather(query) { (object) throws(PosternError) in
      try check(object)
      return true
    }
    guard objects.count < query.ids.count else { return objects }
    let there = Set(objects.map(\.id))
    if let id = query.ids.first(where: { !there.contains($0) }) { throw PosternError.absentObject(id) }
    return objects
  }
}

extension Source {
  /// Several tiles, read side by side.
  func tiles(_ coordinates: [TileCoordinate]) async throws -> [TileCoordinate: [UInt8]] {
    try await withThrowingTaskGroup(of: (TileCoordinate, [UInt8]).self) { group in
      for coordinate in coordinates { group.addTask { (coordinate, try await tile(coordinate)) } }
      return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
  }
}

extension PosternError {
  /// An object that a dump needs and a source does not have.
  static func absentObject(_ id: Digest) -> PosternError {
    PosternError(
      .sourceAbsent, "The source does not have the object \(id), which the dump needs.",
      advice: "Ask another archive for this epoch, or read a copy with --from FOLDER.")
  }

  /// An object that a source sent, and nobody had asked for.
  static func unaskedObject(_ id: Digest) -> PosternError {
    PosternError(
      .sourceUnasked, "The source sent the object \(id) unasked, or twice.", advice: "Use another source.")
  }

  /// An object that is not the one that was asked for.
  package static func mismatchedObject(_ id: Digest) -> PosternError {
    PosternError(
      .sourceMismatch, "What the source sent is not \(id), or has another length than the dump's tree says.",
      advice: "The source's copy is damaged or forged; ask another one.")
  }
}
