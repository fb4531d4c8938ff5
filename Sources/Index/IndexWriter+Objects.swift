public import Core
import GRDB

extension IndexWriter {
  /// Enters objects of an open pack, whose bytes the pack's file durably holds.
  ///
  /// They are visible to their push alone until a commit seals the pack. The pack's row is made by its first
  /// batch.
  ///
  /// - Throws: `push.ended`; `index.limit` beyond ``ObjectBatch/rowLimit``; `index.group` for rows that do
  ///   not lie in the pack or a pack that is not this push's open one; `index.conflict` for a row that is
  ///   there; `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func addObjects(_ batch: ObjectBatch) async throws(PosternError) {
    guard batch.objects.count <= ObjectBatch.rowLimit else {
      throw PosternError(
        .indexLimit, "A batch has \(batch.objects.count) objects, and may have \(ObjectBatch.rowLimit).",
        advice: "Enter them in smaller batches.")
    }
    try await transaction { (database) throws(PosternError) in
      if let push = batch.pack.push {
        try touch(push, batch.pushUsedByteCount, batch.nowSeconds, database)
      }
      try insert(batch.objects, of: batch.pack, byteCount: batch.packByteCount, database)
    }
  }

  /// Gives up an open pack.
  ///
  /// - Throws: `index.group` when it is not open; `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func abandonPack(_ number: UInt64) async throws(PosternError) {
    try await transaction { (database) throws(PosternError) in
      let abandoned = try Query(database, "UPDATE pack SET state = 3, push = NULL WHERE id = ?1 AND state = 0")
        .run(number)
      guard abandoned == 1 else { throw CommitGroup.refused("an abandoned pack is not open") }
    }
  }

  /// Notes that sealed packs lie under their names in `packs/`, with their folders synced.
  ///
  /// - Throws: `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func markPlaced(_ packs: [UInt64]) async throws(PosternError) {
    guard !packs.isEmpty else { return }
    try await transaction(.first) { (database) throws(PosternError) in
      let update = try Query(database, "UPDATE pack SET state = 2 WHERE id = ?1 AND state = 1")
      for number in packs { try update.run(number) }
    }
  }

  /// Removes rows of an abandoned pack, one bounded step a call; the last step removes the pack's own row.
  ///
  /// The pack's file is removed before. Rows are not filed by pack, so a step reads on through the generation.
  ///
  /// - Parameters:
  ///   - number: the pack.
  ///   - id: what the step before answered; nil for the first.
  ///   - rowLimit: how many rows one step reads.
  /// - Returns: where the next step goes on; nil when nothing of the pack is left.
  /// - Throws: `index.group` when the pack is not abandoned; `storage.full`, `storage.failed`,
  ///   `index.unknown-outcome`.
  public func sweep(
    pack number: UInt64, after id: Digest?, scanning rowLimit: Int = 8_192
  ) async throws(PosternError) -> Digest? {
    try await transaction { (database) throws(PosternError) in
      let spaces = try Query(database, "SELECT space FROM pack WHERE id = ?1 AND state = 3")
      guard let space = try spaces.first(number, row: { $0.number(0) }) else {
        throw CommitGroup.refused("a swept pack is not abandoned")
      }
      let seen = try Query(database, "SELECT id, pack FROM object WHERE space = ?1 AND id > ?2 ORDER BY id LIMIT ?3")
        .all(space, id?.bytes ?? [], Int64(max(rowLimit, 1))) { (query) throws(PosternError) in
          (id: try query.digest(0), pack: query.number(1))
        }
      let delete = try Query(database, "DELETE FROM object WHERE space = ?1 AND id = ?2 AND pack = ?3")
      for row in seen where row.pack == number { try delete.run(space, row.id, number) }
      if seen.count == max(rowLimit, 1), let last = seen.last?.id {
        // The limit may have cut between two packs that hold the same id.
        try delete.run(space, last, number)
        return last
      }
      try Query(database, "DELETE FROM pack WHERE id = ?1").run(number)
      return nil
    }
  }

  /// Enters rows of an open pack, inside a transaction; makes the pack's row where there is none.
  func insert(
    _ objects: [ObjectRow], of pack: OpenPack, byteCount: UInt64, _ database: Database
  ) throws(PosternError) {
    let space = try self.space(pack, database)
    try open(pack, space: space, byteCount: byteCount, database)
    let insert = try Query(
      database, "INSERT INTO object (space, id, pack, kind, offset, length) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
    // Neighbours in the table are written one after the other, and each page is looked for once.
    for object in objects.sorted(by: { $0.id < $1.id }) {
      guard object.offset <= byteCount, UInt64(object.length) <= byteCount - object.offset else {
        throw CommitGroup.refused("an object lies outside its pack")
      }
      try insert.run(space, object.id, pack.number, UInt64(object.kind.rawValue), object.offset, UInt64(object.length))
    }
  }

  private func space(_ pack: OpenPack, _ database: Database) throws(PosternError) -> UInt64 {
    let select = try Query(database, "SELECT id FROM space WHERE app = ?1 AND generation = ?2")
    if let space = try select.first(pack.app, pack.generation, row: { $0.number(0) }) { return space }
    try Query(database, "INSERT INTO space (app, generation) VALUES (?1, ?2)").run(pack.app, pack.generation)
    return UInt64(database.lastInsertedRowID)
  }

  private func open(
    _ pack: OpenPack, space: UInt64, byteCount: UInt64, _ database: Database
  ) throws(PosternError) {
    let push = try pushId(of: pack, database)
    let changed = try Query(
      database,
      """
      INSERT INTO pack (id, space, push, byte_count, state) VALUES (?1, ?2, ?3, ?4, 0)
      ON CONFLICT (id) DO UPDATE SET byte_count = excluded.byte_count
      WHERE state = 0 AND space = excluded.space AND push IS excluded.push AND byte_count <= excluded.byte_count
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
