public import Core
import GRDB

extension IndexWriter {
  /// Notes what an open pack durably holds, so that a begin after a crash goes on from there.
  ///
  /// The pack's row is made by its first batch.
  ///
  /// - Throws: `push.ended`; `index.limit` beyond ``EntryBatch/byteLimit``; `index.group` for a pack that is not this
  ///   push's open one; `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func note(_ batch: EntryBatch) async throws(PosternError) {
    guard batch.entries.count <= EntryBatch.byteLimit else {
      throw PosternError(
        .indexLimit, "A batch has \(batch.entries.count) bytes, and may have \(EntryBatch.byteLimit).",
        advice: "Note entries in smaller batches.")
    }
    try await transaction { (database) throws(PosternError) in
      if let push = batch.pack.push {
        try touch(push, batch.nowSeconds, database)
      }
      try open(batch.pack, byteCount: batch.packByteCount, database)
      try Query(
        database,
        """
        INSERT INTO open_entry (pack, batch, entries)
        SELECT ?1, coalesce(max(batch) + 1, 0), ?2 FROM open_entry WHERE pack = ?1
        """
      ).run(batch.pack.number, batch.entries)
    }
  }

  /// Notes that open packs have their footers: what their batches said goes, since the footers say it.
  ///
  /// - Parameter packs: finished packs of one push, whose files are durable.
  /// - Throws: `push.ended`; `index.group` for a pack that is not this push's open one; `storage.full`,
  ///   `storage.failed`, `index.unknown-outcome`.
  public func noteFinished(_ packs: [PackSealing]) async throws(PosternError) {
    guard !packs.isEmpty else { return }
    try await transaction { (database) throws(PosternError) in
      let update = try Query(database, "UPDATE pack SET finished = ?2 WHERE id = ?1")
      for sealing in packs {
        try finish(sealing, database)
        try update.run(sealing.pack.number, sealing.name)
      }
    }
  }

  /// Makes a run part of the index.
  ///
  /// - Parameters:
  ///   - run: the run, whose file is durable.
  ///   - space: the generation whose objects it lists.
  ///   - packs: the packs whose objects it lists, all of them.
  /// - Throws: `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func addRun(_ run: RunRow, of space: Space, listing packs: [UInt64]) async throws(PosternError) {
    try await transaction { (database) throws(PosternError) in try insert(run, listing: packs, space, database) }
  }

  /// Lets a run take the place of those that it was merged from.
  ///
  /// - Parameters:
  ///   - older: runs of the generation.
  ///   - run: their merged run, whose file is durable; nil where nothing was left of them.
  ///   - space: the generation.
  /// - Throws: `index.group` when one of the older runs is gone; `storage.full`, `storage.failed`,
  ///   `index.unknown-outcome`.
  public func replaceRuns(_ older: [UInt64], by run: RunRow?, of space: Space) async throws(PosternError) {
    try await transaction { (database) throws(PosternError) in
      let delete = try Query(database, "DELETE FROM run WHERE id = ?1")
      for number in older {
        guard try delete.run(number) == 1 else { throw CommitGroup.refused("a merged run is not there") }
      }
      if let run { try insert(run, space, database) }
    }
  }

  /// Forgets every run: the packs' footers are asked until runs are built from them again.
  ///
  /// - Throws: `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func forgetRuns() async throws(PosternError) {
    try await transaction { (database) throws(PosternError) in
      try Query(database, "DELETE FROM run").run()
      try Query(database, "UPDATE pack SET is_indexed = 0 WHERE is_indexed = 1").run()
    }
  }

  /// Forgets the runs of one generation, as ``forgetRuns()``, but for packs that other runs list from now on.
  ///
  /// - Parameters:
  ///   - older: the generation's runs.
  ///   - space: the generation.
  ///   - kept: runs whose files are durable.
  /// - Returns: false, with nothing changed, when the generation has other runs by now.
  /// - Throws: `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func forgetRuns(
    _ older: [UInt64], of space: Space, butFor kept: [ListingRun]
  ) async throws(PosternError) -> Bool {
    try await transaction { (database) throws(PosternError) in
      let id = try self.space(space, database)
      let runs = try Query(database, "SELECT id FROM run WHERE space = ?1").all(id) { $0.number(0) }
      guard Set(runs) == Set(older) else { return false }
      try Query(database, "DELETE FROM run WHERE space = ?1").run(id)
      try Query(database, "UPDATE pack SET is_indexed = 0 WHERE space = ?1 AND is_indexed = 1").run(id)
      for kept in kept { try insert(kept.run, listing: kept.packs, space, database) }
      return true
    }
  }

  /// Gives up an open pack.
  ///
  /// - Throws: `index.group` when it is not open; `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func abandonPack(_ number: UInt64) async throws(PosternError) {
    try await transaction { (database) throws(PosternError) in
      let abandoned = try Query(
        database,
        """
        UPDATE pack SET state = \(PackState.abandoned.rawValue), push = NULL
        WHERE id = ?1 AND state = \(PackState.open.rawValue)
        """
      ).run(number)
      guard abandoned == 1 else { throw CommitGroup.refused("an abandoned pack is not open") }
    }
  }

  /// Notes that sealed packs lie under their names in `packs/`, with their folders synced.
  ///
  /// - Throws: `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func markPlaced(_ packs: [UInt64]) async throws(PosternError) {
    guard !packs.isEmpty else { return }
    try await transaction(.first) { (database) throws(PosternError) in
      let update = try Query(
        database,
        "UPDATE pack SET state = \(PackState.placed.rawValue) WHERE id = ?1 AND state = \(PackState.sealed.rawValue)")
      for number in packs { try update.run(number) }
    }
  }

  /// Removes what the index has of abandoned packs, whose files were removed before.
  ///
  /// What runs list of them is passed over until the runs are merged.
  ///
  /// - Parameter numbers: at most ``removedPackLimit`` packs; those that are gone already are passed over.
  /// - Throws: `index.limit`; `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func removeAbandoned(_ numbers: [UInt64]) async throws(PosternError) {
    guard numbers.count <= IndexWriter.removedPackLimit else {
      throw PosternError(
        .indexLimit, "\(numbers.count) packs were to be removed, and \(IndexWriter.removedPackLimit) may be at once.",
        advice: "Remove them in several steps.")
    }
    try await transaction { (database) throws(PosternError) in
      let abandoned = PackState.abandoned.rawValue
      let entries = try Query(
        database, "DELETE FROM open_entry WHERE pack = ?1 AND (SELECT state FROM pack WHERE id = ?1) = \(abandoned)")
      let packs = try Query(database, "DELETE FROM pack WHERE id = ?1 AND state = \(abandoned)")
      for number in numbers {
        try entries.run(number)
        try packs.run(number)
      }
    }
  }

  /// The most packs that one transaction removes, with up to 12 MB each of what they held.
  public static let removedPackLimit = 16

  /// Brings an open pack's row to the state of its finished file, inside a transaction.
  func finish(_ sealing: PackSealing, _ database: Database) throws(PosternError) {
    try open(sealing.pack, byteCount: sealing.byteCount, database)
    try Query(database, "DELETE FROM open_entry WHERE pack = ?1").run(sealing.pack.number)
  }

  private func insert(
    _ run: RunRow, listing packs: [UInt64], _ space: Space, _ database: Database
  ) throws(PosternError) {
    try insert(run, space, database)
    let update = try Query(database, "UPDATE pack SET is_indexed = 1 WHERE id = ?1")
    for pack in packs { try update.run(pack) }
  }

  private func insert(_ run: RunRow, _ space: Space, _ database: Database) throws(PosternError) {
    let number = try self.space(space, database)
    try Query(database, "INSERT INTO run (id, space, entry_count) VALUES (?1, ?2, ?3)")
      .run(run.number, number, UInt64(run.entryCount))
  }

  private func space(_ space: Space, _ database: Database) throws(PosternError) -> UInt64 {
    let select = try Query(database, "SELECT id FROM space WHERE app = ?1 AND generation = ?2")
    if let number = try select.first(space.app, space.generation, row: { $0.number(0) }) { return number }
    try Query(database, "INSERT INTO space (app, generation) VALUES (?1, ?2)").run(space.app, space.generation)
    return UInt64(database.lastInsertedRowID)
  }

  private func open(_ pack: OpenPack, byteCount: UInt64, _ database: Database) throws(PosternError) {
    let space = try self.space(pack.space, database)
    let push = try pushId(of: pack, database)
    let changed = try Query(
      database,
      """
      INSERT INTO pack (id, space, push, byte_count, state) VALUES (?1, ?2, ?3, ?4, \(PackState.open.rawValue))
      ON CONFLICT (id) DO UPDATE SET byte_count = excluded.byte_count
      WHERE state = excluded.state AND space = excluded.space AND push IS excluded.push AND byte_count <= excluded.byte_count
      """
    ).run(pack.number, space, push, byteCount)
    guard changed == 1 else { throw CommitGroup.refused("a pack is not this push's open one, or shrank") }
  }

  /// The row of the push that writes a pack; nil where none does.
  private func pushId(of pack: OpenPack, _ database: Database) throws(PosternError) -> UInt64? {
    guard let token = pack.push else { return nil }
    let found = try Query(database, "SELECT id, app, generation FROM push WHERE token = ?1")
      .first(token.bytes) { (query) throws(PosternError) in
        (id: query.number(0), app: try query.digest(1), generation: query.number(2))
      }
    guard let found else { throw pushEnded() }
    guard found.app == pack.app, found.generation == pack.generation else {
      throw CommitGroup.refused("a pack is not of its push's generation")
    }
    return found.id
  }
}
