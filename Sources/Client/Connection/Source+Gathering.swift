import Core
import Synchronization
import Trust

extension Source {
  /// The objects of one query that the source has, held in memory together; whether they are what their ids say, nobody
  /// has checked.
  ///
  /// - Throws: `source.unasked` for an object that was not asked for or came twice; what the source throws.
  func gather(_ query: ObjectQuery) async throws -> [SourceObject] {
    let gathered = Mutex((owed: Set(query.ids), objects: [SourceObject]()))
    try await objects(query) { batch in
      try gathered.withLock { gathered in
        for object in batch {
          guard gathered.owed.remove(object.id) != nil else { throw PosternError.unaskedObject(object.id) }
          gathered.objects.append(object)
        }
      }
    }
    return gathered.withLock { $0.objects }
  }

  /// All objects of one query, as ``gather(_:)`` returns them.
  ///
  /// - Throws: `source.absent` where one did not come; else what ``gather(_:)`` throws.
  func gatherAll(_ query: ObjectQuery) async throws -> [SourceObject] {
    let objects = try await gather(query)
    guard objects.count < query.ids.count else { return objects }
    let there = Set(objects.map(\.id))
    if let id = query.ids.first(where: { !there.contains($0) }) { throw PosternError.absentObject(id) }
    return objects
  }
}

extension PosternError {
  /// An object that a dump needs and a source does not have.
  static func absentObject(_ id: Digest) -> PosternError {
    PosternError(
      .sourceAbsent, "The source does not have the object \(id), which the dump needs.",
      advice: "Ask another archive or mirror for this epoch.")
  }

  /// An object that a source sent, and nobody had asked for.
  static func unaskedObject(_ id: Digest) -> PosternError {
    PosternError(
      .sourceUnasked, "The source sent the object \(id) unasked, or twice.", advice: "Use another source.")
  }
}
