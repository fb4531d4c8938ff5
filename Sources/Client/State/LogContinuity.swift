import Core
import Merkle
import Trust

extension SignedCheckpoint {
  /// What this checkpoint shows against its log, held against an older checkpoint of it.
  ///
  /// It is returned, and what the source is to blame for is thrown, so that no error of a source can pass for it.
  ///
  /// - Parameters:
  ///   - older: a checkpoint of the same log, verified under the same key.
  ///   - source: where the log's tiles are read; it need not be trusted.
  ///   - evidence: where both checkpoints are kept, as a person is told.
  /// - Returns: a `log.rollback` or a `log.fork`; nil where the log went on, or stands still.
  /// - Throws: `log.root`, `log.tile` where the tiles are not those of this checkpoint's tree; what the source throws.
  func contradiction(
    to older: SignedCheckpoint, reading source: some Source, evidence: String
  ) async throws -> PosternError? {
    let (old, new) = (older.checkpoint, checkpoint)
    guard new.size >= old.size else { return .rollback(new, from: old, evidence) }
    // Two roots of one size need no tile: the log's key signed both.
    let root = new.size == old.size ? new.root : try await new.earlierRoot(at: old.size, reading: source)
    return root == old.root ? nil : .fork(new, evidence)
  }
}

extension Checkpoint {
  /// The root that this checkpoint's tree had when it was smaller.
  ///
  /// The tiles come from somebody who may have altered them, and the answer decides whether the log is blamed for a
  /// fork. So it is given only where the same hashes lead to this checkpoint's own root. Then they are the hashes of
  /// the tree that the log signed, since others with this root would be a collision of SHA-256: nobody without the
  /// log's key can have this return another root than an honest log had, and with true tiles of this tree it returns
  /// what the log committed itself to, whatever else it signed.
  ///
  /// The smaller root is computed and never taken from its checkpoint: where that size is a power of two, the
  /// consistency proof begins with the root itself, and one that fails would not tell a fork from an altered tile.
  ///
  /// - Throws: `log.root` where the tiles do not lead to this checkpoint's root, `log.tile` where one has another
  ///   length; what the source throws.
  fileprivate func earlierRoot(at smaller: UInt64, reading source: some Source) async throws -> Digest {
    let steps = try ProofPlan(consistencyFrom: smaller, to: size)
    let peaks = try ProofPlan(rootOf: smaller, treeSize: size)
    let tiles = try await source.tiles(Array(Set(steps.tiles + peaks.tiles)))
    let proof = ConsistencyProof(
      oldSize: smaller, newSize: size, hashes: try steps.hashes { coordinate in tiles[coordinate] ?? [] })
    let smallerRoot = try peaks.hashes { coordinate in tiles[coordinate] ?? [] }.first
    guard let smallerRoot, (try? proof.verify(oldRoot: smallerRoot, newRoot: root)) != nil else {
      throw PosternError.otherTiles(self)
    }
    return smallerRoot
  }
}

extension PosternError {
  fileprivate static func rollback(
    _ shown: Checkpoint, from seen: Checkpoint, _ evidence: String
  ) -> PosternError {
    PosternError(
      .logRollback, "The log “\(shown.origin)” shows \(shown.size) entries, and it showed \(seen.size) before.",
      advice: "Do not go on with it: it lost entries, or hides them. Ask another archive or its operator, and keep "
        + "both checkpoints as evidence: \(evidence).")
  }

  fileprivate static func fork(_ shown: Checkpoint, _ evidence: String) -> PosternError {
    PosternError(
      .logFork, "The log “\(shown.origin)” does not continue what it showed before.",
      advice: "Do not go on with it, and keep both checkpoints as evidence: \(evidence).")
  }

  /// Tiles that are another tree's than a checkpoint's, which shows nothing against the log.
  static func otherTiles(_ checkpoint: Checkpoint) -> PosternError {
    PosternError(
      .logRoot,
      "The tiles that the source gave do not lead to the root that the log “\(checkpoint.origin)” signed for "
        + "\(checkpoint.size) entries.",
      advice: "They are damaged, or were altered on the way; that shows nothing against the log. Try again, or use "
        + "another archive or copy.")
  }
}
