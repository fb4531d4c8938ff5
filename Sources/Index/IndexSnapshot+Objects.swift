public import Core

// Where objects are looked for.
extension IndexSnapshot {
  /// Where the objects of a generation are to be looked for; nil where there are none.
  public borrowing func storage(_ space: Space) throws(PosternError) -> SpaceStorage? {
    let spaces = try Query(database, "SELECT id FROM space WHERE app = ?1 AND generation = ?2")
    guard let number = try spaces.first(space.app, space.generation, row: { $0.number(0) }) else { return nil }
    let runs = try Query(database, "SELECT id, entry_count FROM run WHERE space = ?1 ORDER BY entry_count DESC, id")
      .all(number) { (query) throws(PosternError) in
        RunRow(number: query.number(0), entryCount: try query.number(1, as: Int.self))
      }
    let loose = try Query(
      database,
      """
      \(Self.packs) pack.space = ?1 AND \(PackState.looseSQL) ORDER BY pack.id
      """
    ).all(number, row: PackRow.init(row:))
    return SpaceStorage(runs: runs, loosePacks: loose)
  }

  /// Generations with at least so many packs that no run lists.
  ///
  /// - Parameters:
  ///   - packCount: how many.
  ///   - limit: the most rows, up to ``ArchiveIndex/pageLimit``.
  /// - Throws: `index.limit`.
  public borrowing func spaces(
    withLoosePacks packCount: Int, limit: Int = ArchiveIndex.pageLimit
  ) throws(PosternError) -> [Space] {
    try check(limit, limit: ArchiveIndex.pageLimit)
    return try Query(
      database,
      """
      SELECT app, generation FROM space JOIN (
        SELECT space AS loose FROM pack WHERE \(PackState.looseSQL)
        GROUP BY space HAVING count(*) >= ?1 LIMIT ?2) ON loose = space.id
      """
    ).all(UInt64(packCount), UInt64(limit)) { (query) throws(PosternError) in
      Space(app: try query.digest(0), generation: query.number(1))
    }
  }

  /// Generations that have runs, with the numbers that the index gives them, rising.
  ///
  /// - Parameters:
  ///   - number: the number of the last row of the page before; nil for the first page.
  ///   - limit: the most rows, up to ``ArchiveIndex/pageLimit``.
  /// - Throws: `index.limit`.
  public borrowing func spacesWithRuns(
    after number: UInt64? = nil, limit: Int = ArchiveIndex.pageLimit
  ) throws(PosternError) -> [(number: UInt64, space: Space)] {
    try check(limit, limit: ArchiveIndex.pageLimit)
    return try Query(
      database,
      """
      SELECT id, app, generation FROM space
      WHERE id > ?1 AND EXISTS (SELECT 1 FROM run WHERE run.space = space.id) ORDER BY id LIMIT ?2
      """
    ).all(Int64(clamping: number ?? 0), Int64(limit)) { (query) throws(PosternError) in
      (number: query.number(0), space: Space(app: try query.digest(1), generation: query.number(2)))
    }
  }

  /// The numbers of all runs.
  public borrowing func runs() throws(PosternError) -> [UInt64] {
    try Query(database, "SELECT id FROM run ORDER BY id").all { $0.number(0) }
  }

  /// What an open pack durably holds, as its footer will have it, batch by batch.
  public borrowing func openEntries(pack number: UInt64) throws(PosternError) -> [[UInt8]] {
    try Query(database, "SELECT entries FROM open_entry WHERE pack = ?1 ORDER BY batch").all(number) { $0.bytes(0) }
  }
}

// Packs.
extension IndexSnapshot {
  /// The beginning of every statement that answers packs.
  static let packs = """
    SELECT pack.id, space.app, space.generation, name, byte_count, state, finished, is_indexed, dead_bytes
    FROM pack JOIN space ON space.id = pack.space WHERE
    """

  /// The packs that an open push has written so far, oldest first.
  public borrowing func packs(push token: PushToken) throws(PosternError) -> [PackRow] {
    try Query(database, "\(Self.packs) push = (SELECT id FROM push WHERE token = ?1) ORDER BY pack.id")
      .all(token.bytes, row: PackRow.init(row:))
  }

  /// Packs in one state, oldest first: `sealed` are those whose files may not have been renamed yet.
  ///
  /// - Parameters:
  ///   - state: the state.
  ///   - number: the number of the last row of the page before; nil for the first page.
  ///   - limit: the most rows, up to ``ArchiveIndex/pageLimit``.
  /// - Throws: `index.limit`.
  public borrowing func packs(
    in state: PackState, after number: UInt64? = nil, limit: Int = ArchiveIndex.pageLimit
  ) throws(PosternError) -> [PackRow] {
    try check(limit, limit: ArchiveIndex.pageLimit)
    return try Query(database, "\(Self.packs) state = ?1 AND pack.id > ?2 ORDER BY pack.id LIMIT ?3")
      .all(UInt64(state.rawValue), Int64(clamping: number ?? 0), Int64(limit), row: PackRow.init(row:))
  }

  /// Open packs that belong to no push: a crash left them.
  public borrowing func packsWithoutPush(limit: Int = ArchiveIndex.pageLimit) throws(PosternError) -> [PackRow] {
    try check(limit, limit: ArchiveIndex.pageLimit)
    return try Query(
      database, "\(Self.packs) state = \(PackState.open.rawValue) AND push IS NULL ORDER BY pack.id LIMIT ?1"
    )
    .all(Int64(limit), row: PackRow.init(row:))
  }

  /// How many bytes an application has in packs.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - includingOpen: whether packs count that its open pushes write.
  public borrowing func storedByteCount(app: Digest, includingOpen: Bool) throws(PosternError) -> UInt64 {
    try Query(
      database,
      """
      SELECT coalesce(sum(byte_count), 0) FROM pack
      WHERE space IN (SELECT id FROM space WHERE app = ?1) AND state BETWEEN ?2 AND \(PackState.placed.rawValue)
      """
    ).first(app, UInt64((includingOpen ? PackState.open : .sealed).rawValue)) { $0.number(0) } ?? 0
  }

  /// A pack by its number.
  public borrowing func pack(_ number: UInt64) throws(PosternError) -> PackRow? {
    try Query(database, "\(Self.packs) pack.id = ?1").first(number, row: PackRow.init(row:))
  }
}

extension PackRow {
  init(row query: borrowing Query) throws(PosternError) {
    guard let state = PackState(rawValue: try query.number(5, as: UInt8.self)) else {
      throw .damagedIndex("a pack has no such state")
    }
    self.init(
      number: try query.number(0, in: 1...PackRow.numberLimit - 1), app: try query.digest(1),
      generation: query.number(2), name: try query.optionalDigest(3), byteCount: query.number(4), state: state,
      finished: try query.optionalDigest(6), isIndexed: query.number(7) == 1,
      deadByteCount: query.number(8))
  }
}
