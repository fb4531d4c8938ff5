public import Core

extension IndexSnapshot {
  /// Where objects of one generation can be read: in sealed packs, or in those of the asking push.
  ///
  /// Where a sealed pack and the push's own hold the same object, the sealed one is answered.
  ///
  /// - Parameters:
  ///   - ids: at most ``ArchiveIndex/idLimit``.
  ///   - app: the application.
  ///   - generation: the generation; 0 for bodies of the whole application.
  ///   - push: the push that asks, which also sees what it brought itself.
  /// - Throws: `index.limit`.
  public borrowing func locate(
    _ ids: [Digest], app: Digest, generation: UInt64, push: PushToken? = nil
  ) throws(PosternError) -> ObjectLocations {
    var locations = ObjectLocations(objects: Array(repeating: nil, count: ids.count), packs: [:])
    let packs = try Query(database, "\(Self.packs) pack.id = ?1")
    try forEachFound(ids, app: app, generation: generation, push: push) { (position, found) throws(PosternError) in
      locations.objects[position] = found
      if locations.packs[found.pack] == nil {
        locations.packs[found.pack] = try packs.first(found.pack, row: PackRow.init(row:))
      }
    }
    return locations
  }

  /// Which objects of one generation the archive lacks, as the asker sees it.
  ///
  /// - Parameters:
  ///   - ids: at most ``ArchiveIndex/idLimit``.
  ///   - app: the application.
  ///   - generation: the generation.
  ///   - push: the push that asks, which also sees what it brought itself.
  /// - Returns: one bit an id, the first in the lowest bit of the first byte; 1 means that it is missing.
  /// - Throws: `index.limit`.
  public borrowing func missing(
    _ ids: [Digest], app: Digest, generation: UInt64, push: PushToken? = nil
  ) throws(PosternError) -> [UInt8] {
    var bitmap = [UInt8](repeating: 0xff, count: (ids.count + 7) / 8)
    if !ids.count.isMultiple(of: 8) { bitmap[bitmap.count - 1] = (1 << (ids.count % 8)) - 1 }
    try forEachFound(ids, app: app, generation: generation, push: push) { (position, _) throws(PosternError) in
      bitmap[position / 8] &= ~(1 << (position % 8))
    }
    return bitmap
  }

  /// The rows of packs of one generation, those of each sorted by id.
  ///
  /// Rows are not filed by pack, which would double what an object costs; so this reads through the whole
  /// generation, once. It is for taking up unfinished packs, and memory is bounded by what they hold.
  ///
  /// - Parameter numbers: the packs' numbers; all are of the first one's generation.
  public borrowing func objects(packs numbers: [UInt64]) throws(PosternError) -> [UInt64: [ObjectRow]] {
    guard let first = numbers.min(), let last = numbers.max() else { return [:] }
    let asked = Set(numbers)
    let query = try Query(
      database,
      """
      SELECT pack, id, kind, offset, length FROM object
      WHERE space = (SELECT space FROM pack WHERE id = ?1) AND pack BETWEEN ?1 AND ?2 ORDER BY id
      """)
    query.bind(first, last)
    var rows: [UInt64: [ObjectRow]] = [:]
    while try query.step() {
      let pack = query.number(0)
      guard asked.contains(pack) else { continue }
      rows[pack, default: []].append(
        ObjectRow(
          id: try query.digest(1), kind: try ObjectKind(column: 2, of: query), offset: query.number(3),
          length: try query.number(4, as: UInt32.self)))
    }
    return rows
  }

  /// Calls `body` with the position and the place of each id that is visible.
  private borrowing func forEachFound(
    _ ids: [Digest], app: Digest, generation: UInt64, push: PushToken?,
    _ body: (Int, ObjectLocation) throws(PosternError) -> Void
  ) throws(PosternError) {
    try check(ids.count, limit: ArchiveIndex.idLimit)
    let spaces = try Query(database, "SELECT id FROM space WHERE app = ?1 AND generation = ?2")
    guard let space = try spaces.first(app, generation, row: { $0.number(0) }) else { return }
    var own: UInt64?
    if let push { own = try Query(database, "SELECT id FROM push WHERE token = ?1").first(push.bytes) { $0.number(0) } }
    let objects = try Query(
      database,
      """
      SELECT pack.id, kind, offset, length, pack.push FROM object JOIN pack ON pack.id = object.pack
      WHERE object.space = ?1 AND object.id = ?2 AND (pack.state IN (1, 2) OR pack.push = ?3)
      """)
    for (position, id) in ids.enumerated() {
      objects.bind(space, id, own)
      var found: ObjectLocation?
      // A sealed copy goes before the push's own, which has yet to be looked into.
      while try objects.step() {
        let isSealed = objects.isNull(4)
        if found == nil || isSealed { found = try ObjectLocation(row: objects) }
        if isSealed { break }
      }
      if let found { try body(position, found) }
    }
  }
}

// Packs.
extension IndexSnapshot {
  /// The beginning of every statement that answers packs.
  static let packs = """
    SELECT pack.id, space.app, space.generation, name, byte_count, state
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
    return try Query(database, "\(Self.packs) state = 0 AND push IS NULL ORDER BY pack.id LIMIT ?1")
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
      WHERE space IN (SELECT id FROM space WHERE app = ?1) AND state BETWEEN ?2 AND 2
      """
    ).first(app, UInt64((includingOpen ? PackState.open : .sealed).rawValue)) { $0.number(0) } ?? 0
  }

  /// A pack by its number.
  public borrowing func pack(_ number: UInt64) throws(PosternError) -> PackRow? {
    try Query(database, "\(Self.packs) pack.id = ?1").first(number, row: PackRow.init(row:))
  }
}

extension ObjectKind {
  /// The kind that a column holds.
  fileprivate init(column: CInt, of query: borrowing Query) throws(PosternError) {
    guard let kind = ObjectKind(rawValue: try query.number(column, as: UInt8.self)) else {
      throw .damagedIndex("an object is of no known kind")
    }
    self = kind
  }
}

extension ObjectLocation {
  init(row query: borrowing Query) throws(PosternError) {
    self.init(
      pack: query.number(0), kind: try ObjectKind(column: 1, of: query), offset: query.number(2),
      length: try query.number(3, as: UInt32.self))
  }
}

extension PackRow {
  init(row query: borrowing Query) throws(PosternError) {
    guard let state = PackState(rawValue: try query.number(5, as: UInt8.self)) else {
      throw .damagedIndex("a pack has no such state")
    }
    self.init(
      number: query.number(0), app: try query.digest(1), generation: query.number(2),
      name: try query.optionalDigest(3), byteCount: query.number(4), state: state)
  }
}
