public import Core
import GRDB

extension IndexSnapshot {
  /// A page of the applications that have an epoch, by their ids.
  ///
  /// - Parameters:
  ///   - app: the last id of the page before; nil for the first page.
  ///   - limit: the most rows, up to ``ArchiveIndex/pageLimit``.
  /// - Throws: `index.limit`.
  public borrowing func applicationsWithEpochs(
    after app: Digest?, limit: Int = ArchiveIndex.pageLimit
  ) throws(PosternError) -> [Digest] {
    try check(limit, limit: ArchiveIndex.pageLimit)
    return try Query(database, "SELECT id FROM app WHERE epoch IS NOT NULL AND id > ?1 ORDER BY id LIMIT ?2")
      .all(app?.bytes ?? [], Int64(limit)) { (query) throws(PosternError) in try query.digest(0) }
  }

  /// Generations of an application that began with an epoch up to some number, oldest first.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - number: the last first epoch.
  ///   - generation: the generation that the page before ended with; 0 for the first page.
  ///   - limit: the most rows, up to ``ArchiveIndex/pageLimit``.
  /// - Throws: `index.limit`.
  public borrowing func generations(
    app: Digest, begunUpTo number: UInt64, after generation: UInt64 = 0, limit: Int = ArchiveIndex.pageLimit
  ) throws(PosternError) -> [GenerationUse] {
    try check(limit, limit: ArchiveIndex.pageLimit)
    return try Query(
      database,
      """
      SELECT number, first_epoch,
        coalesce((SELECT next.first_epoch - 1 FROM generation AS next
          WHERE next.app = ?1 AND next.number = generation.number + 1), (SELECT epoch FROM app WHERE id = ?1)),
        (SELECT coalesce(sum(byte_count - dead_bytes), 0) FROM pack WHERE space = space.id AND \(PackState.sealedSQL)),
        live_bytes, collected_epoch
      FROM generation JOIN space ON space.app = ?1 AND space.generation = generation.number
      WHERE generation.app = ?1 AND number > ?2 AND first_epoch <= ?3 ORDER BY number LIMIT ?4
      """
    ).all(app, generation, Int64(clamping: number), Int64(limit)) { (query) throws(PosternError) in
      let (firstEpoch, lastEpoch) = (try query.ordinal(1), try query.ordinal(2))
      guard firstEpoch <= lastEpoch else { throw .damagedIndex("a generation begins behind its last epoch") }
      return GenerationUse(
        generation: try query.ordinal(0), firstEpoch: firstEpoch, lastEpoch: lastEpoch,
        byteCount: query.number(3), collectedByteCount: query.isNull(4) ? nil : query.number(4),
        collectedEpoch: query.isNull(5) ? nil : query.number(5))
    }
  }

  /// Whether a push of an application is open in a generation.
  public borrowing func hasOpenPush(in space: Space) throws(PosternError) -> Bool {
    try Query(database, "SELECT 1 FROM push WHERE app = ?1 AND generation = ?2 LIMIT 1")
      .first(space.app, space.generation) { _ in true } ?? false
  }

  /// The newest epoch of a generation; nil where it has none.
  borrowing func newestEpoch(in space: Space) throws(PosternError) -> UInt64? {
    try generations(app: space.app, begunUpTo: .max, after: space.generation - 1, limit: 1)
      .first { $0.generation == space.generation }?.lastEpoch
  }

  /// Sealed packs of a generation, oldest first.
  ///
  /// - Parameters:
  ///   - space: application and generation.
  ///   - number: the number of the last pack of the page before; 0 for the first page.
  ///   - limit: the most rows, up to ``ArchiveIndex/pageLimit``.
  /// - Throws: `index.limit`.
  public borrowing func sealedPacks(
    in space: Space, after number: UInt64 = 0, limit: Int = ArchiveIndex.pageLimit
  ) throws(PosternError) -> [PackRow] {
    try check(limit, limit: ArchiveIndex.pageLimit)
    return try Query(
      database,
      """
      \(Self.packs) pack.space = (SELECT id FROM space WHERE app = ?1 AND generation = ?2)
        AND \(PackState.sealedSQL) AND pack.id > ?3 ORDER BY pack.id LIMIT ?4
      """
    ).all(space.app, space.generation, number, Int64(limit), row: PackRow.init(row:))
  }

  /// Which objects of a pack are dead: a bit for each place in its footer; nil where none is.
  public borrowing func deadPositions(pack number: UInt64) throws(PosternError) -> Bitmap? {
    try Query(database, "SELECT positions FROM dead_entry WHERE pack = ?1").first(number) { Bitmap(bytes: $0.bytes(0)) }
  }

  /// Whether a sealed pack has this name.
  public borrowing func hasPack(named name: Digest) throws(PosternError) -> Bool {
    try Query(database, "SELECT 1 FROM pack WHERE name = ?1").first(name) { _ in true } ?? false
  }
}
