public import Core
import GRDB

extension IndexWriter {
  /// Opens a push, in place of the one that the uploader has open for the application.
  ///
  /// The older push is fenced: its token writes no more. Its packs are adopted where the generation is the
  /// same and they fit into the new budget, so that what an interrupted push brought is not sent again, and
  /// an uploader that begins over and over holds at most twice its budget of disk. Otherwise they are
  /// abandoned.
  ///
  /// - Throws: `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func openPush(_ push: NewPush) async throws(PosternError) -> OpenedPush {
    try await transaction { (database) throws(PosternError) in
      let older = try IndexSnapshot(database: database).push(app: push.app, uploader: push.uploader)
      guard let older else {
        try insert(push, database)
        return OpenedPush(adopted: [], abandoned: [])
      }
      let packs = try IndexSnapshot(database: database).packs(push: older.token)
      let held = packs.reduce(0) { $0 + $1.byteCount }
      let adopts = older.generation == push.generation && held <= push.adoptableByteCount
      if !adopts { try abandon(packsOf: older.token, database) }
      try replace(older.token, with: push, database)
      return OpenedPush(adopted: adopts ? packs : [], abandoned: adopts ? [] : packs)
    }
  }

  /// Says that a push is alive.
  ///
  /// - Throws: `push.ended`; `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func touchPush(_ token: PushToken, nowSeconds: UInt64) async throws(PosternError) {
    try await transaction { (database) throws(PosternError) in try touch(token, nowSeconds, database) }
  }

  /// Ends a push without an epoch: given up, or idle for too long.
  ///
  /// - Returns: its packs, abandoned: remove their files, then sweep them.
  /// - Throws: `push.ended`; `storage.full`, `storage.failed`, `index.unknown-outcome`.
  public func closePush(_ token: PushToken) async throws(PosternError) -> [PackRow] {
    try await transaction { (database) throws(PosternError) in try close(token, database) }
  }

  /// Ends a push inside a transaction; abandons the packs that it still has, and answers them.
  func close(_ token: PushToken, _ database: Database) throws(PosternError) -> [PackRow] {
    let packs = try IndexSnapshot(database: database).packs(push: token)
    try abandon(packsOf: token, database)
    let ended = try Query(database, "DELETE FROM push WHERE token = ?1").run(token.bytes)
    guard ended == 1 else { throw pushEnded() }
    return packs
  }

  /// Notes when a push was heard of, inside a transaction.
  func touch(_ token: PushToken, _ nowSeconds: UInt64, _ database: Database) throws(PosternError) {
    let touched = try Query(database, "UPDATE push SET touched = ?2 WHERE token = ?1").run(token.bytes, nowSeconds)
    guard touched == 1 else { throw pushEnded() }
  }

  /// `used_bytes` is a column that must have a value, and that nobody reads.
  private func insert(_ push: NewPush, _ database: Database) throws(PosternError) {
    try Query(
      database,
      """
      INSERT INTO push (token, app, uploader, epoch, previous, generation, byte_budget, used_bytes, touched)
      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8)
      """
    ).run(
      push.token.bytes, push.app, push.uploader, push.epoch, push.previous, push.generation, push.byteBudget,
      push.nowSeconds)
  }

  /// The row stays, and with it the packs that point to it.
  private func replace(_ older: PushToken, with push: NewPush, _ database: Database) throws(PosternError) {
    try Query(
      database,
      """
      UPDATE push SET token = ?2, epoch = ?3, previous = ?4, generation = ?5, byte_budget = ?6, touched = ?7
      WHERE token = ?1
      """
    ).run(
      older.bytes, push.token.bytes, push.epoch, push.previous, push.generation, push.byteBudget, push.nowSeconds)
  }

  private func abandon(packsOf token: PushToken, _ database: Database) throws(PosternError) {
    try Query(
      database,
      """
      UPDATE pack SET state = \(PackState.abandoned.rawValue), push = NULL
      WHERE push = (SELECT id FROM push WHERE token = ?1)
      """
    ).run(token.bytes)
  }
}

/// The refusal of a token that names no open push.
func pushEnded(_ index: Int? = nil) -> PosternError {
  PosternError(
    .pushEnded, "This push has ended, or a newer begin of the same uploader took its place.",
    advice: "Run the push again: what was stored for the same generation is not sent twice.", index: index)
}
