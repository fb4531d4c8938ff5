import Bulk
public import Core
public import Merkle
public import Trust

/// The newest checkpoint that this machine saw of each log, so that no log can show it two histories.
///
/// A log that shows less than before, or something else, is refused, and what it showed is kept beside as
/// evidence: only where its own key signed what contradicts it, and not where a source altered something. Several
/// processes may share a folder.
public struct CheckpointMemory: Sendable {
  let folder: String

  /// A memory in a folder, which is made at the first checkpoint that is kept.
  public init(folder: String) {
    self.folder = folder
  }

  /// The newest checkpoint of a log; nil where none was seen.
  ///
  /// Read before a log is asked, so that a process beside this one, asking later, cannot make its answer look old.
  ///
  /// - Throws: `storage.*`, `state.malformed`.
  public func newest(of log: NoteVerifier) throws(PosternError) -> SignedCheckpoint? {
    let path = path(of: log)
    guard let bytes = try StateFiles.read(path, byteCountLimit: SignedNote.maximumByteCount) else { return nil }
    do {
      return try SignedCheckpoint(parsing: bytes, log: log)
    } catch {
      throw .memoryMalformed(path, of: "the newest checkpoint of a log")
    }
  }

  /// Says that what a log shows now continues what it showed before, and remembers it.
  ///
  /// - Parameters:
  ///   - shown: what the log shows now.
  ///   - remembered: what ``newest(of:)`` returned before the log was asked.
  ///   - log: the log's key.
  ///   - source: where the log's tiles are read.
  /// - Throws: `log.rollback`, `log.fork`; `log.root`, `log.tile` where the tiles are not the log's; else what the
  ///   source or the disk throws.
  public func advance(
    to shown: SignedCheckpoint, from remembered: SignedCheckpoint?, of log: NoteVerifier, reading source: some Source
  ) async throws {
    if let remembered {
      let evidence = "“\(path(of: log))” and “\(refusedPath(shown, of: log))”"
      if let contradiction = try await shown.contradiction(to: remembered, reading: source, evidence: evidence) {
        throw keeping(shown, of: log, asEvidenceOf: contradiction)
      }
      guard shown.checkpoint.size > remembered.checkpoint.size else { return }
    }
    try await keep(shown, of: log)
  }

  /// Keeps a checkpoint that contradicts an older one, this memory's or a copy's.
  ///
  /// - Returns: the contradiction; where the disk takes no evidence of it, it says so, too.
  func keeping(
    _ shown: SignedCheckpoint, of log: NoteVerifier, asEvidenceOf contradiction: PosternError
  ) -> PosternError {
    do throws(PosternError) {
      try StateFiles.makeFolder(folder)
      try StateFiles.replace(refusedPath(shown, of: log), with: shown.note.bytes)
      return contradiction
    } catch {
      return PosternError(
        contradiction.code, "\(contradiction.message) The newer of the two could not be kept: \(error.message)",
        advice: contradiction.advice)
    }
  }

  /// Where ``keeping(_:of:asEvidenceOf:)`` keeps a checkpoint.
  func refusedPath(_ shown: SignedCheckpoint, of log: NoteVerifier) -> String {
    "\(path(of: log)).refused-\(shown.checkpoint.size)"
  }

  /// Keeps a checkpoint unless a newer one was kept meanwhile.
  private func keep(_ shown: SignedCheckpoint, of log: NoteVerifier) async throws {
    let lock = try await lock()
    let newest = try newest(of: log)
    if shown.checkpoint.size > newest?.checkpoint.size ?? 0 || newest == nil {
      try StateFiles.replace(path(of: log), with: shown.note.bytes)
    }
    _ = consume lock
  }

  /// Makes the folder, and waits until no other process writes into the memory.
  func lock() async throws -> FolderLock {
    try StateFiles.makeFolder(folder)
    return try await FolderLock.wait("\(folder)/checkpoints.lock")
  }

  private func path(of log: NoteVerifier) -> String {
    let name = SHA256.hash(Array(log.text.utf8)).bytes.prefix(16).hex
    return "\(folder)/log-\(name).checkpoint"
  }
}
