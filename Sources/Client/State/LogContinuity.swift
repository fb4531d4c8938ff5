import Core
import Merkle
import Trust

extension SignedCheckpoint {
  /// Says that this checkpoint's log is a later state, or the same, of an older checkpoint's.
  ///
  /// - Parameters:
  ///   - older: a checkpoint of the same log, verified under the same key.
  ///   - source: where the log's tiles are read; it need not be trusted.
  /// - Throws: `log.rollback`, `log.fork`; else what the source throws.
  func requireContinuing(_ older: SignedCheckpoint, reading source: some Source) async throws {
    let (old, new) = (older.checkpoint, checkpoint)
    guard new.size >= old.size else {
      throw PosternError(
        .logRollback, "The log “\(new.origin)” shows \(new.size) entries, and it showed this machine \(old.size).",
        advice: "Do not go on with it: it lost entries, or hides them. Ask another archive or its operator.")
    }
    do {
      let plan = try ProofPlan(consistencyFrom: old.size, to: new.size)
      let tiles = try await source.tiles(plan.tiles)
      let proof = ConsistencyProof(
        oldSize: old.size, newSize: new.size, hashes: try plan.hashes { coordinate in tiles[coordinate] ?? [] })
      try proof.verify(oldRoot: old.root, newRoot: new.root)
    } catch let error as PosternError where error.code == .logConsistency {
      throw PosternError(
        .logFork, "The log “\(new.origin)” does not continue what it showed this machine before.",
        advice: "Do not go on with it, and keep both checkpoints in the state folder: they are the evidence.")
    }
  }
}
