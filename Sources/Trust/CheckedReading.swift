import Bulk
public import Core
import Synchronization

extension Source {
  /// A body whose bytes are what the digest says.
  ///
  /// - Throws: `source.mismatch` when they are not; else what the source throws.
  public func checkedBody(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] {
    let body = try await body(app: app, generation: generation, digest: digest)
    guard SHA256.hash(body) == digest else { throw mismatch(digest) }
    return body
  }

  /// Objects that are what their ids say, all that were asked for and each once.
  ///
  /// - Parameters:
  ///   - query: which objects.
  ///   - receive: takes one batch of checked objects.
  /// - Throws: `source.mismatch` when bytes do not hash to their id, `source.unasked` for an object that was not
  ///   asked for or came before, `source.absent` with the first one's place in the query when some never came;
  ///   else what the source or `receive` throws.
  public func checkedObjects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws {
    let ledger = Ledger(query.ids)
    try await objects(query) { batch in
      for object in batch {
        guard SHA256.hash(object.bytes) == object.id else { throw mismatch(object.id) }
        try ledger.strike(object.id)
      }
      try await receive(batch)
    }
    if let index = query.ids.firstIndex(where: ledger.lacks) {
      throw PosternError(
        .sourceAbsent, "The source does not have the object \(query.ids[index]).",
        advice: "Ask another source for it.", index: index)
    }
  }
}

/// What a source still owes.
private final class Ledger: Sendable {
  private let owed: Mutex<Set<Digest>>

  init(_ ids: [Digest]) {
    owed = Mutex(Set(ids))
  }

  func strike(_ id: Digest) throws(PosternError) {
    guard owed.withLock({ $0.remove(id) }) != nil else {
      throw PosternError(
        .sourceUnasked, "The source sent the object \(id) unasked, or twice.", advice: "Use another source.")
    }
  }

  func lacks(_ id: Digest) -> Bool {
    owed.withLock { $0.contains(id) }
  }
}

private func mismatch(_ id: Digest) -> PosternError {
  PosternError(
    .sourceMismatch, "What the source sent is not \(id).",
    advice: "The source's copy is damaged or forged; ask another one.")
}
