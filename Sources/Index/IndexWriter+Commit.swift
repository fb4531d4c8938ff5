public import Core
import GRDB

extension IndexWriter {
  /// Makes a commit group true, in one transaction: the commit point of everything that the archive admits.
  ///
  /// The newest checkpoint has to be exactly the one that the group starts from, size and note. Nothing that
  /// the group signs may leave the process before this returns.
  ///
  /// - Returns: packs that are abandoned now because another has their very objects in the same places: those of the
  ///   group, or a sealed one some of whose objects are not found any more. Remove their files in `incoming/`, then
  ///   their rows.
  /// - Throws: with nothing changed: `index.checkpoint-moved`; `push.ended`, with the position of the push in
  ///   the group; `index.conflict`; `index.group`, also for a pack whose twin lacks one of its objects; `index.limit`
  ///   beyond ``CommitGroup/packLimit``; `storage.full`; `storage.failed`. With an open outcome:
  ///   `index.unknown-outcome`, after which the process ends.
  @discardableResult
  public func commit(_ group: CommitGroup) async throws(PosternError) -> [PackRow] {
    try group.validate()
    return try await transaction(.first) { (database) throws(PosternError) in
      try advanceCheckpoint(group, database)
      try insertLog(group, database)
      try insertApplications(group, database)
      try insertEpochs(group, database)
      var abandoned: [PackRow] = []
      for (position, token) in group.pushes.enumerated() {
        guard try IndexSnapshot(database: database).push(token) != nil else { throw pushEnded(position) }
      }
      for sealing in group.packs { abandoned += try seal(sealing, database) }
      for token in group.pushes {
        guard try close(token, database).isEmpty else {
          throw CommitGroup.refused("a push ends with a pack that is not sealed")
        }
      }
      return abandoned
    }
  }

  private func advanceCheckpoint(_ group: CommitGroup, _ database: Database) throws(PosternError) {
    guard try IndexSnapshot(database: database).newestCheckpoint() == group.previous else {
      throw PosternError(
        .indexCheckpointMoved, "The newest checkpoint is not the one that this commit starts from.",
        advice: "Nothing was changed; start the archive again, and let no second process write its index.")
    }
    try Query(database, "INSERT INTO checkpoint (size, note) VALUES (?1, ?2)")
      .run(group.checkpoint.size, group.checkpoint.note)
  }

  private func insertLog(_ group: CommitGroup, _ database: Database) throws(PosternError) {
    let entries = try Query(
      database, "INSERT INTO entry (number, leaf_hash, kind, app, bytes) VALUES (?1, ?2, ?3, ?4, ?5)")
    for entry in group.entries {
      try entries.run(entry.index, entry.leafHash, UInt64(entry.kind), entry.app, entry.bytes)
    }
    let tiles = try Query(
      database,
      """
      INSERT INTO tile (level, number, hashes) VALUES (?1, ?2, ?3)
      ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes
      WHERE length(excluded.hashes) > length(hashes)
      """)
    for tile in group.tiles { try tiles.run(UInt64(tile.level), tile.number, tile.hashes) }
  }

  private func insertApplications(_ group: CommitGroup, _ database: Database) throws(PosternError) {
    let charters = try Query(database, "INSERT INTO charter (digest, app, version, entry) VALUES (?1, ?2, ?3, ?4)")
    for charter in group.charters {
      try charters.run(charter.digest, charter.app, charter.version, charter.index)
    }
    let applications = try Query(
      database,
      """
      INSERT INTO app (id, charter_version, charter_entry, charter_digest, charter_leaf_hash,
        generation, state_version, epoch, epoch_entry, epoch_leaf_hash)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
      ON CONFLICT (id) DO UPDATE SET charter_version = excluded.charter_version,
        charter_entry = excluded.charter_entry, charter_digest = excluded.charter_digest,
        charter_leaf_hash = excluded.charter_leaf_hash, generation = excluded.generation,
        state_version = excluded.state_version, epoch = excluded.epoch, epoch_entry = excluded.epoch_entry,
        epoch_leaf_hash = excluded.epoch_leaf_hash
      """)
    for row in group.applications {
      try applications.run(
        row.app, row.charterVersion, row.charterIndex, row.charterDigest, row.charterLeafHash, row.generation,
        row.stateVersion, row.epoch?.number, row.epoch?.index, row.epoch?.leafHash)
    }
  }

  private func insertEpochs(_ group: CommitGroup, _ database: Database) throws(PosternError) {
    let generations = try Query(
      database,
      """
      INSERT INTO generation (app, number, veil_commitment, charter_digest, first_epoch)
      VALUES (?1, ?2, ?3, ?4, ?5)
      """)
    for row in group.generations {
      try generations.run(row.app, row.number, row.veilCommitment, row.charterDigest, row.firstEpoch)
    }
    let epochs = try Query(
      database,
      """
      INSERT INTO epoch (app, number, uploader, previous, root, state_version, entry, leaf_hash, generation,
        policy, commitment, added_bytes)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
      """)
    for row in group.epochs {
      try epochs.run(
        row.claim.app, row.claim.number, row.claim.uploader, row.claim.previous, row.claim.root,
        row.claim.stateVersion, row.index, row.leafHash, row.generation, row.policy, row.commitment,
        row.addedByteCount)
    }
  }

  /// Seals a pack, inside a transaction; answers it when its twin is sealed already, and it is abandoned.
  ///
  /// Two uploaders of one application can bring the same objects in the same order. One name is one footer, so that the
  /// twin holds the same objects in the same places. A twin of which some are dead is the one that goes: all that the
  /// new pack holds is needed.
  func seal(_ sealing: PackSealing, _ database: Database) throws(PosternError) -> [PackRow] {
    let number = sealing.pack.number
    try finish(sealing, database)
    let twin = try Query(database, "\(IndexSnapshot.packs) name = ?1").first(sealing.name, row: PackRow.init(row:))
    if let twin, twin.deadByteCount == 0 {
      try Query(database, "UPDATE pack SET state = \(PackState.abandoned.rawValue), push = NULL WHERE id = ?1")
        .run(number)
      return try [IndexSnapshot(database: database).pack(number)].compactMap { $0 }
    }
    if let twin { try retire(twin.number, database) }
    try Query(
      database,
      "UPDATE pack SET state = \(PackState.sealed.rawValue), push = NULL, finished = NULL, name = ?2 WHERE id = ?1"
    ).run(number, sealing.name)
    guard let twin, let retired = try IndexSnapshot(database: database).pack(twin.number) else { return [] }
    return [retired]
  }
}
