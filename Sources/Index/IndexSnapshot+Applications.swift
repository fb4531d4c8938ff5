public import Core

extension IndexSnapshot {
  /// What stands for an application; nil where it is not registered here.
  public borrowing func application(_ app: Digest) throws(PosternError) -> ApplicationRow? {
    try Query(
      database,
      """
      SELECT id, charter_version, charter_entry, charter_digest, charter_leaf_hash, generation, state_version,
        epoch, epoch_entry, epoch_leaf_hash
      FROM app WHERE id = ?1
      """
    ).first(app, row: ApplicationRow.init(row:))
  }
  /// The charters of an application, oldest first.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - version: the first version to answer.
  ///   - limit: the most rows, up to ``ArchiveIndex/pageLimit``.
  /// - Throws: `index.limit`.
  public borrowing func charters(
    app: Digest, from version: UInt64 = 1, limit: Int = ArchiveIndex.pageLimit
  ) throws(PosternError) -> [CharterRow] {
    try check(limit, limit: ArchiveIndex.pageLimit)
    return try Query(
      database,
      """
      SELECT digest, app, version, entry FROM charter
      WHERE app = ?1 AND version >= ?2 ORDER BY version LIMIT ?3
      """
    )
    .all(app, Int64(clamping: version), Int64(limit), row: CharterRow.init(row:))
  }

  /// A generation by its number.
  public borrowing func generation(app: Digest, number: UInt64) throws(PosternError) -> GenerationRow? {
    try Query(database, "\(Self.generations) number = ?2").first(app, number, row: GenerationRow.init(row:))
  }

  /// The generation of an application that has this veil commitment.
  public borrowing func generation(app: Digest, veilCommitment: Digest) throws(PosternError) -> GenerationRow? {
    try Query(database, "\(Self.generations) veil_commitment = ?2").first(
      app, veilCommitment, row: GenerationRow.init(row:))
  }

  /// An admitted epoch by its number.
  public borrowing func epoch(app: Digest, number: UInt64) throws(PosternError) -> EpochRow? {
    try Query(database, "\(Self.epochs) app = ?1 AND number = ?2").first(app, number, row: EpochRow.init(row:))
  }

  /// A page of an application's epochs, newest first.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - number: the number of the last row of the page before; nil for the first page.
  ///   - limit: the most rows, up to ``ArchiveIndex/pageLimit``.
  /// - Throws: `index.limit`.
  public borrowing func epochs(
    app: Digest, before number: UInt64?, limit: Int
  ) throws(PosternError) -> [EpochRow] {
    try check(limit, limit: ArchiveIndex.pageLimit)
    return try Query(database, "\(Self.epochs) app = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3")
      .all(app, Int64(clamping: number ?? .max), Int64(limit), row: EpochRow.init(row:))
  }

  /// A page of the epochs that were sealed under a recovery policy, newest first.
  ///
  /// - Parameters:
  ///   - policy: the policy's digest.
  ///   - index: the leaf index of the last row of the page before; nil for the first page.
  ///   - limit: the most rows, up to ``ArchiveIndex/pageLimit``.
  /// - Throws: `index.limit`.
  public borrowing func epochs(
    policy: Digest, before index: UInt64?, limit: Int
  ) throws(PosternError) -> [EpochRow] {
    try check(limit, limit: ArchiveIndex.pageLimit)
    return try Query(database, "\(Self.epochs) policy = ?1 AND entry < ?2 ORDER BY entry DESC LIMIT ?3")
      .all(policy, Int64(clamping: index ?? .max), Int64(limit), row: EpochRow.init(row:))
  }

  /// The leaf index of the admitted epoch that this claim repeats; nil where no epoch is the same in all of it.
  public borrowing func repeated(_ claim: EpochClaim) throws(PosternError) -> UInt64? {
    guard let row = try epoch(app: claim.app, number: claim.number), row.claim == claim else { return nil }
    return row.index
  }

  private static let generations =
    "SELECT app, number, veil_commitment, charter_digest, first_epoch FROM generation WHERE app = ?1 AND"

  private static let epochs = """
    SELECT app, uploader, number, previous, root, state_version,
      entry, leaf_hash, generation, policy, commitment, added_bytes FROM epoch WHERE
    """
}

extension ApplicationRow {
  init(row query: borrowing Query) throws(PosternError) {
    var epoch: NewestEpoch?
    if !query.isNull(7) {
      epoch = NewestEpoch(number: try query.ordinal(7), index: query.number(8), leafHash: try query.digest(9))
    }
    self.init(
      app: try query.digest(0), charterVersion: query.number(1), charterIndex: query.number(2),
      charterDigest: try query.digest(3), charterLeafHash: try query.digest(4), epoch: epoch,
      generation: try query.number(5, in: 0...UInt64(Int64.max - 1)), stateVersion: query.number(6))
  }
}

extension CharterRow {
  init(row query: borrowing Query) throws(PosternError) {
    self.init(
      digest: try query.digest(0), app: try query.digest(1), version: query.number(2), index: query.number(3))
  }
}

extension GenerationRow {
  init(row query: borrowing Query) throws(PosternError) {
    self.init(
      app: try query.digest(0), number: try query.ordinal(1), veilCommitment: try query.digest(2),
      charterDigest: try query.digest(3), firstEpoch: try query.ordinal(4))
  }
}

extension EpochRow {
  init(row query: borrowing Query) throws(PosternError) {
    let claim = EpochClaim(
      app: try query.digest(0), uploader: try query.digest(1), number: try query.ordinal(2),
      previous: try query.digest(3), root: try query.digest(4), stateVersion: query.number(5))
    self.init(
      claim: claim, index: query.number(6), leafHash: try query.digest(7), generation: try query.ordinal(8),
      policy: try query.digest(9), commitment: try query.optionalDigest(10), addedByteCount: query.number(11))
  }
}
