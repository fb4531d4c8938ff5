public import Core
import GRDB

extension IndexWriter {
  /// Hides what a mark found dead, all of it or nothing: from then on those objects are not found.
  ///
  /// - Returns: false, with nothing changed, when a push of the application is open in the generation or one of its
  ///   epochs was admitted since the mark began: what was dead then may be needed now.
  /// - Throws: `index.group` for a pack that is not sealed; `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func hide(_ marks: DeadMarks) async throws(PosternError) -> Bool {
    try await transaction { (database) throws(PosternError) in
      let snapshot = IndexSnapshot(database: database)
      guard try !snapshot.hasOpenPush(in: marks.space),
        try snapshot.newestEpoch(in: marks.space) == marks.newestOfGeneration
      else { return false }
      let update = try Query(
        database, "UPDATE pack SET dead_bytes = ?2 WHERE id = ?1 AND \(PackState.sealedSQL) AND byte_count > ?2")
      let insert = try Query(database, "INSERT OR REPLACE INTO dead_entry (pack, positions) VALUES (?1, ?2)")
      for pack in marks.packs {
        guard try update.run(pack.number, pack.byteCount) == 1 else {
          throw CommitGroup.refused("a pack with dead objects is not sealed")
        }
        try insert.run(pack.number, pack.positions.bytes)
      }
      try Query(
        database,
        """
        UPDATE space SET collected_epoch = ?3, live_bytes = (SELECT coalesce(sum(byte_count - dead_bytes), 0)
          FROM pack WHERE space = space.id AND \(PackState.sealedSQL))
        WHERE app = ?1 AND generation = ?2
        """
      ).run(marks.space.app, marks.space.generation, marks.newestEpoch)
      return true
    }
  }

  /// Lets a pack take the place of those that it was written anew from, without what was dead in them.
  ///
  /// What can be found before and after is the same.
  ///
  /// - Parameters:
  ///   - older: sealed packs of one generation, as they were when they were read.
  ///   - sealing: the new pack, finished and durable, which no push owns; nil where nothing was left of the older ones.
  /// - Returns: the packs that are abandoned now: the older ones, and the new one or another where two have the same
  ///   objects in the same places. Nil, with nothing changed, when an older pack is gone or more of it is dead now.
  /// - Throws: `index.group`, `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func replacePacks(
    _ older: [PackRow], by sealing: PackSealing?
  ) async throws(PosternError) -> [PackRow]? {
    try await transaction { (database) throws(PosternError) in
      let snapshot = IndexSnapshot(database: database)
      for pack in older {
        guard let row = try snapshot.pack(pack.number), row.isSealed, row.deadByteCount == pack.deadByteCount else {
          return nil
        }
      }
      for pack in older { try retire(pack.number, database) }
      let twins = try sealing.map { (sealing) throws(PosternError) in try seal(sealing, database) } ?? []
      var retired: [PackRow] = []
      for pack in older {
        if let row = try snapshot.pack(pack.number) { retired.append(row) }
      }
      return retired + twins
    }
  }

  /// Abandons a sealed pack, inside a transaction.
  ///
  /// It gives its name up, which another may have from now on; its row remembers under which name its file may lie.
  func retire(_ number: UInt64, _ database: Database) throws(PosternError) {
    try Query(database, "DELETE FROM dead_entry WHERE pack = ?1").run(number)
    try Query(
      database,
      """
      UPDATE pack SET state = \(PackState.abandoned.rawValue), finished = name, name = NULL, dead_bytes = 0
      WHERE id = ?1 AND \(PackState.sealedSQL)
      """
    ).run(number)
  }
}
