import Core
import Dump
import Index
import Packs
import Records

/// One open push: whose turn it is, what it may still send, and how it ends.
///
/// Its objects stream into ``PushPacks``, unreadable to others until the epoch is admitted. Everything that touches
/// them runs on a serial queue of the session's own, where a wait for the disk stops no other push and no request.
actor PushSession {
  /// What the push asked for when it began.
  nonisolated let begin: Begin
  /// What names the push in every request.
  nonisolated let token: PushToken
  /// Where the begin came from, on whose account the push's record is checked.
  nonisolated let address: String
  /// Appending, sealing, handing over and ending, one after the other.
  ///
  /// Who calls ``seal(_:bodies:)``, ``noteFinished()`` or ``end()`` has the turn.
  nonisolated let turns = Turns()
  /// Seals that came, from before their record is checked until they are answered.
  nonisolated let seals = StepsUnderWay()

  /// How the application's states are cut: chunks have one of its lengths.
  nonisolated let chunker: ChunkerParameters

  private let packs: PushPacks
  private let queue = SerialQueue(label: "postern.push")
  /// What the application may still store, which all its pushes share; nil where it has no limit.
  nonisolated let room: ApplicationRoom?
  private let largeWalks: Turns
  /// What the push has used of its budget since it began.
  private var usedByteCount: UInt64 = 0
  private var lastUsedSeconds = Clock.nowSeconds
  /// Why nothing more is taken; nil while the push is open.
  private var ending: PosternError?

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// A session of a push whose row stands in the index.
  ///
  /// - Parameters:
  ///   - begin: what the push asked for, verified and judged.
  ///   - token: what names it.
  ///   - address: where the begin came from.
  ///   - chunker: how the application's states are cut.
  ///   - objects: the archive's objects.
  ///   - runs: lists full packs before the commit.
  ///   - room: what the application may still store; nil where it has no limit.
  ///   - packLimit: the most packs that it may bring.
  ///   - sweeper: removes the packs that are written anew.
  ///   - largeWalks: taken by one large push at a time while its tree is looked through, because what is known of it
  ///     by then takes memory.
  init(
    begin: Begin, token: PushToken, address: String, chunker: ChunkerParameters, objects: ObjectFinder, runs: RunKeeper,
    room: ApplicationRoom?, packLimit: Int, sweeper: Sweeper, largeWalks: Turns
  ) {
    self.begin = begin
    self.address = address
    self.chunker = chunker
    self.token = token
    self.room = room
    self.largeWalks = largeWalks
    packs = PushPacks(
      begin: begin, token: token, objects: objects, runs: runs, packLimit: packLimit, sweeper: sweeper)
  }

  // MARK: Objects

  /// Appends objects whose ids and shapes were verified; those that the pack has are passed over.
  ///
  /// - Throws: `push.budget`, `push.application-full`, `storage.full` before anything of the batch is written;
  ///   `push.unknown`, `push.fenced`, `storage.*`, `pack.*`.
  func append(_ batch: some IncomingBatch) async throws(PosternError) {
    await turns.take()
    defer { turns.pass() }
    try requireOpen()
    // From here to the last byte nothing else touches the packs, so that what is charged is what is written.
    let byteCount = batch.objects.reduce(0) { $0 + $1.byteCount }
    try packs.requireReserve(.whole, besides: byteCount)
    try await packs.makeRoom(objectCount: batch.objects.count, byteCount: byteCount)
    let charged = try charge(for: batch.objects)
    let written = batch.withUnsafeBytes { bytes in
      Result { () throws(PosternError) in try append(batch.objects, from: bytes) }
    }
    // What a write that failed wrote is no longer the push's: its pack can only be taken up anew.
    giveBack(charged - ((try? written.get()) ?? 0))
    _ = try written.get()
    try await packs.noteIfDue()
  }

  /// Charges the budget for a batch, all of it or, where that is too much, for what is not in the pack.
  ///
  /// - Returns: what was charged; the caller gives back what was not written.
  private func charge(for objects: [BatchObject]) throws(PosternError) -> UInt64 {
    let cost = objects.reduce(0) { $0 + PushSession.cost($1.byteCount) }
    do throws(PosternError) {
      try charge(cost)
      return cost
    } catch {
      let known = objects.filter { packs.entry($0.id) != nil }.reduce(0) { $0 + PushSession.cost($1.byteCount) }
      guard known > 0 else { throw error }
      try charge(cost - known)
      return cost - known
    }
  }

  /// What an object of a length counts.
  private static func cost(_ byteCount: Int) -> UInt64 { UInt64(byteCount + Begin.objectOverheadByteCount) }

  /// Charges the budget for what is about to be stored.
  private func charge(_ cost: UInt64) throws(PosternError) {
    guard usedByteCount + cost <= begin.budgetByteCount else {
      throw PosternError(
        .pushBudget, "The push sends more than the \(begin.budgetByteCount) bytes that it may.",
        advice: "A state without a known length may send what one push may send here: ask the archive's operator for "
          + "more, or push to another archive.")
    }
    try room?.take(cost)
    usedByteCount += cost
  }

  private func giveBack(_ cost: UInt64) {
    room?.give(cost)
    usedByteCount -= min(cost, usedByteCount)
  }

  private func requireOpen() throws(PosternError) {
    if let ending { throw ending }
    if let failure = packs.failure { throw failure }
    lastUsedSeconds = Clock.nowSeconds
  }

  /// Appends objects, and says what those cost that were written.
  private func append(
    _ objects: [BatchObject], from bytes: UnsafeRawBufferPointer
  ) throws(PosternError) -> UInt64 {
    var cost: UInt64 = 0
    var offset = 0
    for object in objects {
      let range = offset..<offset + object.byteCount
      offset = range.upperBound
      guard let kind = ObjectKind(rawValue: object.kind) else { throw .wrongShape(object) }
      let isWritten = try packs.append(id: object.id, kind: kind, UnsafeRawBufferPointer(rebasing: bytes[range]))
      if isWritten { cost += PushSession.cost(object.byteCount) }
    }
    return cost
  }

  /// Which of these objects neither the archive nor this push has: a bit each, as `MissingResponse` has them.
  func missing(_ ids: [Digest]) throws(PosternError) -> [UInt8] {
    lastUsedSeconds = Clock.nowSeconds
    return try packs.missing(ids)
  }

  /// Whether nobody has used the push since some second, and nobody does now.
  func isIdle(since seconds: UInt64) -> Bool {
    turns.isFree && lastUsedSeconds < seconds
  }

  // MARK: Sealing

  /// Makes the push's packs durable and says that the epoch's dump and bodies are complete in them; what else the
  /// push brought is taken out.
  ///
  /// Commit order, step 3: after this nothing of the push is left to be written but what the sequencer commits.
  ///
  /// - Parameters:
  ///   - fields: the epoch record's fields, checked already.
  ///   - bodies: envelope, veil and capsule.
  /// - Returns: the packs to commit.
  /// - Throws: `push.*`, `storage.*`, `pack.*`; the push stays open then.
  func seal(_ fields: EpochFields, bodies: Bodies) async throws(PosternError) -> [PackSealing] {
    try requireOpen()
    var reached = try await verify(fields, besides: bodies)
    // Only now: bodies of an epoch that is not complete would stay in the pack.
    try await append(bodies)
    let digests = bodies.digests
    for (digest, held) in zip(digests, try packs.locate(digests)) {
      // Nobody looks below a body. Kept as a node, it would be found as one below which all is here.
      guard let held, held.kind == .body else {
        if let held, held.newPlace == nil, try !packs.isSound(digest) { throw .rottenObject(digest) }
        throw .takenBody(digest)
      }
      if let place = held.newPlace { _ = reached.insert(place, level: 0) }
    }
    return try await packs.seal(keeping: reached)
  }

  /// Looks through the dump's tree; of large pushes one at a time, and what a push writes afterwards holds up nobody.
  private func verify(_ fields: EpochFields, besides bodies: Bodies) async throws(PosternError) -> ReachedObjects {
    let isLarge = packs.isLarge
    if isLarge { await largeWalks.take() }
    defer { if isLarge { largeWalks.pass() } }
    return try packs.verify(
      root: fields.root, rootByteCount: Int(fields.rootByteCount), besides: Set(bodies.digests))
  }

  private func append(_ bodies: Bodies) async throws(PosternError) {
    let digests = bodies.digests
    let fresh = zip(digests, try packs.locate(digests)).filter { $0.1 == nil }.map(\.0)
    let byteCount = bodies.byteCount(of: fresh)
    try packs.requireReserve(.half, besides: byteCount)
    try await packs.makeRoom(objectCount: fresh.count, byteCount: byteCount)
    for digest in fresh {
      let body = bodies[digest] ?? []
      let cost = PushSession.cost(body.count)
      try charge(cost)
      var isWritten = false
      defer { if !isWritten { giveBack(cost) } }
      isWritten = try body.withRawBytes { (bytes) throws(PosternError) in
        try packs.append(id: digest, kind: .body, bytes)
      }
    }
  }

  /// The push goes on after its epoch was refused: what the commit would have sealed is noted now, so that a begin
  /// after a crash finds it.
  ///
  /// - Throws: `storage.*`, `index.*`; what was not noted has to be sent again then.
  func noteFinished() async throws(PosternError) { try await packs.noteFinished() }

  // MARK: The end

  /// Ends the push and writes down what it has, so that the next begin of its uploader can go on with it.
  ///
  /// A disk that is full or has failed does not stand in the way of the next begin: what it took before is kept.
  ///
  /// - Returns: whether it was open until now.
  /// - Throws: only what ends the process.
  func handOver() async throws(PosternError) -> Bool {
    await turns.take()
    defer { turns.pass() }
    guard ending == nil else { return false }
    do throws(PosternError) {
      try await packs.note()
      try await packs.noteFinished()
    } catch let error where error.endsTheProcess {
      throw error
    } catch {}
    end(as: .fencedPush)
    return true
  }

  /// The push is over: what is in memory is let go, and with it the files that the index does not know.
  func end() { end(as: .unknownPush) }

  private func end(as reason: PosternError) {
    ending = reason
    packs.close()
  }

  /// Goes on in packs that an earlier push of the same uploader left.
  ///
  /// - Returns: those that cannot be gone on in.
  /// - Throws: `storage.*`, `index.*`.
  func adopt(_ rows: [PackRow]) async throws(PosternError) -> [PackRow] { try await packs.adopt(rows) }
}

extension PosternError {
  /// An object of a kind or size that no push may send.
  static func wrongShape(_ object: BatchObject) -> PosternError {
    PosternError(
      .pushObjectShape, "The object \(object.id) is of a kind or size that no push may send.",
      advice: "Use a client of the same version as the archive.")
  }

  /// A body whose id is that of a chunk or a node of the generation.
  static func takenBody(_ digest: Digest) -> PosternError {
    PosternError(
      .pushBody, "The body \(digest) is a chunk or a node of the same generation, and an object is one of the three.",
      advice: "Give the push up, and push again with “--next-generation”.")
  }

  /// An object that was here a moment ago.
  static func lacking(_ id: Digest) -> PosternError {
    PosternError(
      .archiveNotFound, "The archive holds no object \(id) there.",
      advice: "Check the application, the generation and the id; an old epoch may have been collected.")
  }
}
