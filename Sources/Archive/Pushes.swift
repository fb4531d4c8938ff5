import Core
import Index
import Packs
import Records
import Sodium

/// The pushes that are open: one for each application and uploader.
actor Pushes {
  private let folder: DataFolder
  private let index: ArchiveIndex
  private let limits: ArchiveLimits
  private var sessions: [PushToken: PushSession] = [:]

  /// No pushes yet: those that a stop of the process left open wait in the index for their uploaders.
  init(folder: DataFolder, index: ArchiveIndex, limits: ArchiveLimits) {
    self.folder = folder
    self.index = index
    self.limits = limits
  }

  /// Opens a push that was judged; an older one of the same uploader is fenced, and its packs are adopted where the
  /// generation is the same.
  ///
  /// - Throws: `push.too-many`, `push.budget`, `storage.*`, `index.*`.
  func open(_ begin: Begin) async throws(PosternError) -> PushToken {
    guard begin.budgetByteCount <= limits.pushByteCount else {
      throw PosternError(
        .pushBudget, "A push may send at most \(limits.pushByteCount) bytes here.",
        advice: "Ask for less, or ask the archive's operator for more.")
    }
    guard sessions.count < limits.openPushes else {
      throw PosternError(
        .pushTooMany, "The archive has as many open pushes as it may.", advice: "Try again in a few minutes.")
    }
    if let older = sessions.values.first(where: { $0.begin.app == begin.app && $0.begin.uploader == begin.uploader }) {
      try await older.handOver()
      sessions[older.token] = nil
    }
    let token = PushToken.random()
    let opened = try await index.writer.openPush(NewPush(begin, token: token))
    let session = PushSession(begin: begin, token: token, folder: folder, index: index)
    for pack in opened.adopted { try await session.adopt(pack) }
    try await remove(opened.abandoned)
    sessions[token] = session
    return token
  }

  /// The open push that a token names.
  ///
  /// - Throws: `push.unknown`.
  func session(_ token: PushToken) throws(PosternError) -> PushSession {
    guard let session = sessions[token] else { throw .unknownPush }
    return session
  }

  /// Forgets a push whose epoch was admitted.
  func finish(_ token: PushToken) async {
    guard let session = sessions.removeValue(forKey: token) else { return }
    await session.end()
  }

  /// Gives a push up: its packs and rows are removed.
  func abandon(_ token: PushToken) async throws(PosternError) {
    if let session = sessions.removeValue(forKey: token) { await session.end() }
    try await remove(try await index.writer.closePush(token))
  }

  /// Collects the pushes that nobody has written to for a while.
  func collectIdle(nowSeconds: UInt64) async throws(PosternError) {
    let seconds = nowSeconds - min(nowSeconds, limits.pushIdleSeconds)
    let idle = try index.read { (snapshot) throws(PosternError) in
      try snapshot.pushes(idleSince: seconds, limit: limits.openPushes)
    }
    for push in idle { try await abandon(push.token) }
  }

  /// Removes the files of packs that their pushes left, then their rows.
  func remove(_ packs: [PackRow]) async throws(PosternError) {
    for pack in packs {
      try folder.removePack(number: pack.number)
      var position: Digest?
      repeat {
        position = try await index.writer.sweep(pack: pack.number, after: position, scanning: 16_384)
      } while position != nil
    }
  }
}

extension NewPush {
  init(_ begin: Begin, token: PushToken) {
    self.init(
      token: token, app: begin.app, uploader: begin.uploader.indexKey, epoch: begin.epoch, previous: begin.previous,
      generation: begin.generation, byteBudget: begin.budgetByteCount, nowSeconds: Clock.nowSeconds)
  }
}

extension PosternError {
  /// No open push has the token.
  static let unknownPush = PosternError(
    .pushUnknown, "No open push has this token: it is over, was idle for too long, or a newer begin fenced it.",
    advice: "Begin again; what the archive already has is not sent twice.")
}

extension VerificationKey {
  /// The key as the index keeps it, which knows digests and no keys: the same 32 bytes.
  var indexKey: Digest {
    guard let key = Digest(bytes) else { preconditionFailure("a key has 32 bytes") }
    return key
  }
}
