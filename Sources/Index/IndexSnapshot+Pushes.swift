public import Core

extension IndexSnapshot {
  /// The open push with this token.
  public borrowing func push(_ token: PushToken) throws(PosternError) -> PushRow? {
    try Query(database, "\(Self.pushes) token = ?1").first(token.bytes, row: PushRow.init(row:))
  }

  /// The open push of an uploader for an application.
  public borrowing func push(app: Digest, uploader: Digest) throws(PosternError) -> PushRow? {
    try Query(database, "\(Self.pushes) app = ?1 AND uploader = ?2").first(app, uploader, row: PushRow.init(row:))
  }

  /// Open pushes that were last heard of before an instant, the longest idle first.
  ///
  /// - Parameters:
  ///   - seconds: the instant, in seconds since 1970; nil for every open push.
  ///   - limit: the most rows, up to ``ArchiveIndex/pageLimit``.
  /// - Throws: `index.limit`.
  public borrowing func pushes(
    idleSince seconds: UInt64?, limit: Int = ArchiveIndex.pageLimit
  ) throws(PosternError) -> [PushRow] {
    try check(limit, limit: ArchiveIndex.pageLimit)
    return try Query(database, "\(Self.pushes) touched < ?1 ORDER BY touched LIMIT ?2")
      .all(Int64(clamping: seconds ?? .max), Int64(limit), row: PushRow.init(row:))
  }

  private static let pushes = """
    SELECT token, app, uploader, epoch, previous, generation, byte_budget, touched FROM push WHERE
    """
}

extension PushRow {
  init(row query: borrowing Query) throws(PosternError) {
    guard let token = PushToken(query.bytes(0)) else { throw .damagedIndex("a push's token has not 16 bytes") }
    self.init(
      token: token, app: try query.digest(1), uploader: try query.digest(2), epoch: query.number(3),
      previous: try query.digest(4), generation: query.number(5), byteBudget: query.number(6),
      touchedSeconds: query.number(7))
  }
}
