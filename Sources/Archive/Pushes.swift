import Core
import Dump
import Index
import Packs
import Records
import Sodium

/// The pushes that are open: one for each application and uploader.
actor Pushes {
  private let objects: ObjectFinder
  private let runs: RunKeeper
  private let limits: ArchiveLimits
  private let sweeper: Sweeper
  private let gate: CollectionGate
  private let largeWalks = Turns()
  private let queue = SerialQueue(label: "postern.pushes")
  private var sessions: [PushToken: PushSession] = [:]
  /// Pushes whose place a newer begin took, oldest first, so that who goes on with one is told why it cannot.
  private var fenced: [PushToken] = []
  /// Begins of one uploader, one after the other: two at once would adopt the same packs.
  private var begins: [Owner: Turns] = [:]
  /// Where the newest begin of each uploader came from whose push is open or under way.
  private var addresses: [Owner: String] = [:]

  /// So many are remembered; an older one's token is like any other that nobody knows.
  private static let fencedLimit = 1_024

  private struct Owner: Hashable {
    let app: Digest
    let uploader: VerificationKey

    init(app: Digest, uploader: VerificationKey) {
      self.app = app
      self.uploader = uploader
    }

    init(_ begin: Begin) {
      self.init(app: begin.app, uploader: begin.uploader)
    }
  }

  /// No pushes yet: those that a stop of the process left open wait in the index for their uploaders.
  init(objects: ObjectFinder, runs: RunKeeper, limits: ArchiveLimits, sweeper: Sweeper, gate: CollectionGate) {
    self.objects = objects
    self.runs = runs
    self.limits = limits
    self.sweeper = sweeper
    self.gate = gate
  }

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  private var index: ArchiveIndex { objects.index }

  /// Opens a push; an older one of the same uploader is fenced, and its packs are adopted where the generation is
  /// the same.
  ///
  /// A seal of the older push that has the turn comes to its end first.
  ///
  /// - Parameters:
  ///   - begin: the begin, its signature verified.
  ///   - address: whom it came from.
  ///   - chunker: how the application's states are cut.
  ///   - judge: says whether it may begin, by what is committed: before the older push is out of the way, and again
  ///     when a seal of it has come to its end.
  /// - Throws: what `judge` throws; `push.too-many`, `push.budget`, `push.application-full`, `storage.*`, `index.*`.
  func open(
    _ begin: Begin, from address: String, chunker: ChunkerParameters, judge: @Sendable () throws(PosternError) -> Void
  ) async throws(PosternError) -> PushToken {
    guard begin.budgetByteCount <= limits.pushByteCount else {
      throw PosternError(
        .pushBudget, "A push may send at most \(limits.pushByteCount) bytes here.",
        advice: "Ask for less, or ask the archive's operator for more.")
    }
    let owner = Owner(begin)
    let turns = begins[owner] ?? Turns()
    begins[owner] = turns
    await turns.take()
    defer {
      turns.pass()
      if turns.isFree { begins[owner] = nil }
      let open = openOwners
      addresses = addresses.filter { open.contains($0.key) }
    }
    let older = session(of: owner)
    if older == nil { try requirePlace(for: begin) }
    // Also when it takes an older push's place, which may have come from elsewhere.
    try requirePlace(for: owner, from: address)
    let adoptableByteCount = try adoptableByteCount(begin)
    // A begin that is refused changes nothing; and while it waited, another epoch may have been admitted.
    try judge()
    addresses[owner] = address
    if let older {
      defer { sessions[older.token] = nil }
      if try await older.handOver() { noteFenced(older.token) }
      try judge()
    }
    return try await open(begin, from: address, chunker, adoptableByteCount)
  }

  private func noteFenced(_ token: PushToken) {
    if fenced.count == Pushes.fencedLimit { fenced.removeFirst() }
    fenced.append(token)
  }

  /// Says that a push more may be open.
  ///
  /// Uploaders whose begins are under way count, this one too: each may have a push while others wait.
  ///
  /// - Throws: `push.too-many`.
  private func requirePlace(for begin: Begin) throws(PosternError) {
    let owners = openOwners
    guard owners.count(where: { $0.app == begin.app }) <= limits.openPushesPerApplication else {
      throw PosternError(
        .pushTooMany, "The application has \(limits.openPushesPerApplication) open pushes, as many as it may.",
        advice: "Wait until one ends, or give one up.")
    }
    guard owners.count <= limits.openPushes else {
      throw PosternError(
        .pushTooMany, "The archive has as many open pushes as it may.", advice: "Try again in a few minutes.")
    }
  }

  /// Says that a push more may be open of an address.
  ///
  /// - Throws: `push.too-many`.
  private func requirePlace(for owner: Owner, from address: String) throws(PosternError) {
    let others = openOwners.count { $0 != owner && addresses[$0] == address }
    guard others < limits.openPushesPerAddress else {
      throw PosternError(
        .pushTooMany, "Your address has \(limits.openPushesPerAddress) open pushes, as many as it may.",
        advice: "Wait until one ends, or give one up.")
    }
  }

  /// Uploaders with an open push, or a begin under way.
  private var openOwners: Set<Owner> { Set(sessions.values.map { Owner($0.begin) }).union(begins.keys) }

  /// How much of an older push's packs may be taken over, so that they do not take the room of what is to come; nil
  /// where an application may store any amount.
  ///
  /// - Throws: `push.application-full` when the application's epochs fill what it may store.
  private func adoptableByteCount(_ begin: Begin) throws(PosternError) -> UInt64? {
    guard let limit = limits.applicationByteCount else { return nil }
    let byteCount = try index.read { (snapshot) throws(PosternError) in
      try snapshot.storedByteCount(app: begin.app, includingOpen: false)
    }
    guard byteCount < limit else { throw .applicationFull(limit) }
    let room = limit - byteCount
    return room - min(room, begin.budgetByteCount)
  }

  /// What an application may still store, with an older push out of the way; nil where there is no limit.
  ///
  /// - Parameter abandoned: packs of the older push that were just given up.
  private func room(of app: Digest, without abandoned: [PackRow]) throws(PosternError) -> ApplicationRoom? {
    guard let limit = limits.applicationByteCount else { return nil }
    if let room = room(of: app) {
      room.give(abandoned.reduce(0) { $0 + $1.byteCount })
      return room
    }
    let byteCount = try index.read { (snapshot) throws(PosternError) in
      try snapshot.storedByteCount(app: app, includingOpen: true)
    }
    return ApplicationRoom(limit: limit, storedByteCount: byteCount)
  }

  private func open(
    _ begin: Begin, from address: String, _ chunker: ChunkerParameters, _ adoptableByteCount: UInt64?
  ) async throws(PosternError) -> PushToken {
    let token = PushToken.random()
    let space = Space(app: begin.app, generation: begin.generation)
    gate.pushBegins(in: space)
    let opened = try await index.writer.openPush(
      NewPush(begin, token: token, adoptableByteCount: adoptableByteCount))
    // What was collected right before is not found any more by whoever asks from now on.
    await gate.settle(space)
    sweeper.remove(opened.abandoned)
    let session = PushSession(
      begin: begin, token: token, address: address, chunker: chunker, objects: objects, runs: runs,
      room: try room(of: begin.app, without: opened.abandoned), packLimit: limits.packsPerPush, sweeper: sweeper,
      largeWalks: largeWalks)
    // Before anything else is waited for: the next push of the application finds its room here.
    sessions[token] = session
    do throws(PosternError) {
      try await adopt(opened.adopted, for: session)
    } catch {
      await finish(session)
      throw error
    }
    return token
  }

  /// Goes on in an older push's packs; one that cannot be gone on in may not stand in the way of every begin.
  private func adopt(_ packs: [PackRow], for session: PushSession) async throws(PosternError) {
    let lost = try await session.adopt(packs)
    for pack in lost { try await index.writer.abandonPack(pack.number) }
    sweeper.remove(lost)
  }

  /// The open push that a token names.
  ///
  /// - Throws: `push.unknown`, `push.fenced`.
  func session(_ token: PushToken) throws(PosternError) -> PushSession {
    guard let session = sessions[token] else { throw fenced.contains(token) ? .fencedPush : .unknownPush }
    return session
  }

  /// The open push of an uploader, if it has one.
  func session(app: Digest, uploader: VerificationKey) -> PushSession? {
    session(of: Owner(app: app, uploader: uploader))
  }

  private func session(of owner: Owner) -> PushSession? {
    sessions.values.first { Owner($0.begin) == owner }
  }

  /// Forgets a push whose epoch was admitted; the caller has its turn.
  func finish(_ session: PushSession) async {
    sessions[session.token] = nil
    await session.end()
    gate.note(session.begin.app)
  }

  /// What an application's open pushes share; nil where none is open, or there is no limit.
  func room(of app: Digest) -> ApplicationRoom? {
    sessions.values.first { $0.begin.app == app }?.room
  }

  /// Gives a push up: its packs and rows are removed.
  ///
  /// A seal that has the turn comes to its end first.
  ///
  /// - Throws: `push.ended`, `storage.*`, `index.*`.
  func abandon(_ token: PushToken) async throws(PosternError) {
    guard let session = sessions[token] else {
      return try await sweeper.removeNow(try await index.writer.closePush(token))
    }
    await session.turns.take()
    defer { session.turns.pass() }
    try await abandon(session)
  }

  /// Gives a push up whose turn the caller has.
  ///
  /// - Throws: as above.
  func abandon(_ session: PushSession) async throws(PosternError) {
    let packs = try await index.writer.closePush(session.token)
    await finish(session)
    try await sweeper.removeNow(packs)
  }

  /// Collects the pushes that nobody has used for a while.
  ///
  /// The index hears of a push now and then only; so an open one is asked.
  func collectIdle(nowSeconds: UInt64) async throws(PosternError) {
    let seconds = nowSeconds - min(nowSeconds, limits.pushIdleSeconds)
    let idle = try index.read { (snapshot) throws(PosternError) in
      try snapshot.pushes(idleSince: seconds, limit: ArchiveIndex.pageLimit)
    }
    for push in idle {
      do throws(PosternError) {
        if let session = sessions[push.token], !(await session.isIdle(since: seconds)) {
          try await index.writer.touchPush(push.token, nowSeconds: nowSeconds)
        } else {
          try await abandon(push.token)
        }
      } catch let error where error.code == .pushEnded {}
    }
  }
}

/// Removes the files of packs that their pushes left, then their rows.
///
/// - Throws: `storage.*`, `index.*`; what is left is removed at the next start.
func removePacks(
  _ packs: [PackRow], of files: OpenFiles, isolation: isolated (any Actor)? = #isolation
) async throws(PosternError) {
  for pack in packs { try files.removePack(pack.number) }
  try await files.index.writer.removeAllAbandoned(packs.map(\.number))
}

extension IndexWriter {
  /// Removes the rows of abandoned packs, whose files were removed before, in bounded steps.
  ///
  /// - Throws: `storage.*`, `index.*`.
  func removeAllAbandoned(
    _ numbers: [UInt64], isolation: isolated (any Actor)? = #isolation
  ) async throws(PosternError) {
    for start in stride(from: 0, to: numbers.count, by: IndexWriter.removedPackLimit) {
      try await removeAbandoned(Array(numbers[start..<min(numbers.count, start + IndexWriter.removedPackLimit)]))
    }
  }
}

/// Runs a step whose failure changes no answer, such as a clean-up that the next start repeats.
///
/// - Throws: only what ends the process.
func unlessFatal(
  isolation: isolated (any Actor)? = #isolation, _ step: () async throws(PosternError) -> Void
) async throws(PosternError) {
  do throws(PosternError) {
    try await step()
  } catch let error where error.endsTheProcess {
    throw error
  } catch {}
}

extension NewPush {
  init(_ begin: Begin, token: PushToken, adoptableByteCount: UInt64?) {
    self.init(
      token: token, app: begin.app, uploader: begin.uploader.indexKey, epoch: begin.epoch, previous: begin.previous,
      generation: begin.generation, byteBudget: begin.budgetByteCount,
      adoptableByteCount: adoptableByteCount, nowSeconds: Clock.nowSeconds)
  }
}

extension PosternError {
  /// No open push has the token.
  static let unknownPush = PosternError(
    .pushUnknown, "No open push has this token: it is over, was idle for too long, or the archive was started anew.",
    advice: "Run the push again; what the archive has noted of it is not sent twice.")

  /// A newer begin took the push's place.
  static let fencedPush = PosternError(
    .pushFenced, "Another process began a push with the same uploader's key, and this one may not go on.",
    advice: "See that one process at a time pushes with the key, then run the push again.")
}

extension VerificationKey {
  /// The key as the index keeps it, which knows digests and no keys: the same 32 bytes.
  var indexKey: Digest {
    guard let key = Digest(bytes) else { preconditionFailure("a key has 32 bytes") }
    return key
  }
}
