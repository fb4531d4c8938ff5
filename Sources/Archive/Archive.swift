import Bulk
public import Core
import Dump
import FoundationEssentials
import Index
public import Merkle
import Packs
import Records
import Sodium

/// An archive: a log of records, the dumps that they name, and the rules by which both grow.
///
/// It holds no key but its log's, and is trusted with nothing but uptime: everything it answers can be checked by
/// whoever asked. Its parts are the data folder, the index, the open pushes and the sequencer, which alone writes
/// the log.
public final class Archive: Sendable {
  /// The verifier key of this archive's log.
  public let home: NoteVerifier
  /// What others may take of the archive.
  public let limits: ArchiveLimits

  let objects: ObjectFinder
  let sequencer: Sequencer
  let pushes: Pushes
  let sweeper: Sweeper
  let nonces: Nonces
  let registrar: Registrar
  let charters = CharterCache()
  let collector: Collector
  /// As many records are checked at once as there are cores, two at least, one for each address: a thousand leaves or
  /// members are tenths of a second of all cores.
  package let checks = FairTurns(
    limit: max(ProcessInfo.processInfo.activeProcessorCount, 2), waitingLimit: ArchiveLimits.waitingCheckCount,
    busy: .busy, givenUp: .requestGivenUp)

  init(
    home: NoteVerifier, limits: ArchiveLimits, objects: ObjectFinder, runs: RunKeeper, sequencer: Sequencer
  ) {
    self.home = home
    self.limits = limits
    self.objects = objects
    self.sequencer = sequencer
    sweeper = Sweeper(files: objects.files, sequencer: sequencer)
    let gate = CollectionGate()
    pushes = Pushes(objects: objects, runs: runs, limits: limits, sweeper: sweeper, gate: gate)
    collector = Collector(objects: objects, charters: charters, sequencer: sequencer, pushes: pushes, gate: gate)
    nonces = Nonces(lifetimeSeconds: limits.nonceSeconds)
    let files = objects.files
    registrar = Registrar(folder: files.folder, index: files.index, limit: limits.registrationsPerAddressAndDay)
    files.tellOfDamagedRuns { [weak sequencer] space in
      Task { await sequencer?.mendRuns(of: space) }
    }
  }

  var folder: DataFolder { objects.files.folder }
  var index: ArchiveIndex { objects.index }

  // MARK: Admission

  /// A nonce that one begin of the application may carry.
  public func challenge(app: Digest) -> Digest {
    nonces.issue(app: app, nowSeconds: Clock.nowSeconds)
  }

  /// Opens a push: commit order, step 1.
  ///
  /// - Parameters:
  ///   - bytes: a signed ``Begin``.
  ///   - address: whom the request came from, for the limit of open pushes.
  /// - Returns: the token that names the push.
  /// - Throws: `push.*`, `epoch.*`, `storage.*`, `index.*`.
  public func begin(_ bytes: [UInt8], from address: String) async throws(PosternError) -> PushToken {
    let begin = try Begin(verifying: bytes)
    // Before a charter is read for a stranger.
    try nonces.requireIssued(begin.nonce, app: begin.app, nowSeconds: Clock.nowSeconds)
    let charter = try judge(begin)
    try await sequencer.requireAllShown()
    try nonces.spend(begin.nonce, app: begin.app, nowSeconds: Clock.nowSeconds)
    return try await stopping { () async throws(PosternError) in
      try await pushes.open(begin, from: address, chunker: charter.chunker) { () throws(PosternError) in
        _ = try judge(begin)
      }
    }
  }

  /// Judges a begin by what is committed now.
  ///
  /// - Returns: the charter in force.
  private func judge(_ begin: Begin) throws(PosternError) -> Charter {
    let application = try application(begin.app)
    let charter = try charter(inForce: application, app: begin.app)
    try Records.judge(begin, charter: charter, application: application)
    guard let charter else { preconditionFailure("a begin is judged under a charter") }
    return charter
  }

  /// Which of these objects a push has still to send: a bit each, lowest bit first.
  ///
  /// - Parameter ids: at most ``Core/ProtocolLimits/missingIdCount``.
  public func missing(_ ids: [Digest], for token: PushToken) async throws(PosternError) -> [UInt8] {
    guard ids.count <= ProtocolLimits.missingIdCount else { throw .tooMuchAsked(ProtocolLimits.missingIdCount) }
    return try await pushes.session(token).missing(ids)
  }

  /// Takes objects into a push: commit order, step 2.
  ///
  /// Every object is hashed here, on the caller's task, before the push's own queue sees it.
  ///
  /// - Throws: `push.object-id`, `push.object-shape`, `push.budget`, `push.application-full`, `push.unknown`, and
  ///   `storage.full` for the reserve's sake: nothing of the batch is stored then. `storage.*` of a write that failed:
  ///   the push goes on with what was recorded before, once it is begun again.
  public func upload(_ batch: some IncomingBatch, to token: PushToken) async throws(PosternError) {
    let session = try await pushes.session(token)
    try verifyShapes(of: batch, session.chunker)
    try verifyIds(of: batch)
    try await stopping { () async throws(PosternError) in try await session.append(batch) }
  }

  /// Ends a push: commit order, step 3, and through the sequencer 4 to 7.
  ///
  /// A repeat of an admitted epoch is recognised before every other rule and needs no push.
  ///
  /// - Parameters:
  ///   - leaf: the signed epoch record.
  ///   - bodies: envelope, veil and capsule.
  ///   - token: the push; nil for a repeat.
  /// - Returns: the receipt.
  /// - Throws: `record.*`, `envelope.*`, `epoch.*`, `push.*`, `storage.*`, `archive.busy`, `archive.given-up`: the push
  ///   stays open then. `archive.stopped`.
  public func seal(leaf: [UInt8], bodies: EpochBodies, token: PushToken?) async throws(PosternError) -> [UInt8] {
    let record = try Record(parsing: leaf)
    guard case .epoch(let fields) = record.fields else { throw .notAnEpoch }
    if let first = try repeated(EpochClaim(record, fields)) { return try receipt(first) }
    guard let token else { return try await receiptOfRepeat(record, fields) }
    let session = try await pushes.session(token)
    guard session.begin.announces(record, fields) else { throw .otherEpoch }
    return try await session.seals.run { () async throws(PosternError) in
      try await seal(leaf: leaf, record, fields, bodies: bodies, of: session)
    }
  }

  private func seal(
    leaf: [UInt8], _ record: Record, _ fields: EpochFields, bodies: EpochBodies, of session: PushSession
  ) async throws(PosternError) -> [UInt8] {
    // What is judged without the push is judged before its turn, so that no junk waits for it.
    let named = try bodies.named(by: fields)
    let application = try application(record.app)
    let charter = try charter(inForce: application, app: record.app)
    let checked = try await checks.take(for: session.address) { () async throws(PosternError) in
      try await check(leaf: leaf, bodies: named, charter: charter)
    }
    await session.turns.take()
    defer { session.turns.pass() }
    return try await stopping { () async throws(PosternError) in
      try await admit(checked, fields, bodies: named, from: session)
    }
  }

  /// Answers a client that asks whether its epoch was admitted: after the seals of it that are under way.
  ///
  /// - Throws: `epoch.not-admitted`.
  private func receiptOfRepeat(_ record: Record, _ fields: EpochFields) async throws(PosternError) -> [UInt8] {
    if let session = await pushes.session(app: record.app, uploader: record.author.key) {
      await session.seals.settle()
    }
    guard let first = try repeated(EpochClaim(record, fields)) else {
      throw PosternError(
        .epochNotAdmitted, "This epoch was not admitted.", advice: "Push the state again.")
    }
    return try receipt(first)
  }

  private func admit(
    _ checked: Checked, _ fields: EpochFields, bodies: Bodies, from session: PushSession
  ) async throws(PosternError) -> [UInt8] {
    do throws(PosternError) {
      // A record that would be refused costs no walk, and holds up nobody's. The sequencer decides.
      let standing = try AdmissionGroup.judgment(of: checked, home: home, index: index)
      // The answer that a client did not wait for may have come while this seal waited for its turn.
      if standing.isRepeat { return try receipt(standing.index) }
      let packs = try await session.seal(fields, bodies: bodies)
      let admission = try await sequencer.admit(Submission(checked: checked, push: session.token, packs: packs))
      if admission.isRepeat {
        // The epoch has its receipt, whatever becomes of what came with the repeat.
        try await unlessFatal { () async throws(PosternError) in try await pushes.abandon(session) }
      } else {
        await pushes.finish(session)
      }
      collector.wake()
      return try receipt(admission.index)
    } catch let error where error.code == .pushRotten {
      // What came is not what lies there: nobody goes on with it.
      try await unlessFatal { () async throws(PosternError) in try await pushes.abandon(session) }
      throw error
    } catch let error where error.code != .archiveStopped {
      // Where that fails too, the client is told that objects are missing, and sends them again.
      try await unlessFatal { () async throws(PosternError) in try await session.noteFinished() }
      throw error
    }
  }

  /// Gives up a push.
  public func abandon(_ token: PushToken) async throws(PosternError) {
    try await stopping { () async throws(PosternError) in try await pushes.abandon(token) }
    collector.wake()
  }

  /// Collects pushes that were idle for too long; called once in a while by whoever runs the archive.
  ///
  /// - Throws: `storage.*`, `index.*`.
  public func collectIdlePushes() async throws(PosternError) {
    try await collectIdlePushes(nowSeconds: Clock.nowSeconds)
  }

  /// The same at a given time.
  package func collectIdlePushes(nowSeconds: UInt64) async throws(PosternError) {
    guard await sequencer.isSettled else { return }
    try await stopping { () async throws(PosternError) in try await pushes.collectIdle(nowSeconds: nowSeconds) }
  }

  /// Notes every application for the next collection: once, when whoever runs the archive has started it.
  ///
  /// - Throws: `index.*`.
  public func noteAllForCollection() throws(PosternError) { try collector.noteAll() }

  /// Collects what no retained epoch needs, of the applications that pushed since.
  ///
  /// Called once in a while by whoever runs the archive. The end of each push does the same, and nobody waits for it.
  ///
  /// - Returns: what was collected since the last call, and what could not be.
  public func collect() async -> [CollectionReport] {
    await collector.collect()
  }

  /// Returns when all is done that no answer waited for: before the process ends, so that the next start is short.
  ///
  /// A collection is given up.
  public func finish() async {
    await collector.stop()
    await sequencer.finish()
  }

  /// Runs a step that writes, and stops the archive when nobody knows what came of it.
  func stopping<Value: Sendable>(
    _ step: () async throws(PosternError) -> Value
  ) async throws(PosternError) -> Value {
    do throws(PosternError) {
      return try await step()
    } catch {
      if error.endsTheProcess { await sequencer.halt(error) }
      throw error
    }
  }

  private func application(_ app: Digest) throws(PosternError) -> ApplicationState? {
    try index.read { (snapshot) throws(PosternError) in try CommittedApplication(app, in: snapshot)?.state }
  }

  private func repeated(_ claim: EpochClaim) throws(PosternError) -> UInt64? {
    try index.read { (snapshot) throws(PosternError) in try snapshot.repeated(claim) }
  }

  private func charter(inForce application: ApplicationState?, app: Digest) throws(PosternError) -> Charter? {
    guard let digest = application?.charter.digest else { return nil }
    return try charters.charter(digest, of: app, in: objects)
  }

  private func verifyShapes(of batch: some IncomingBatch, _ chunker: ChunkerParameters) throws(PosternError) {
    let limit = ProtocolLimits.batchObjectCount
    guard batch.objects.count <= limit else { throw .tooMuchAsked(limit) }
    for object in batch.objects {
      let isOfKind =
        switch ObjectKind(rawValue: object.kind) {
        case .chunk: chunker.isSealedByteCount(object.byteCount)
        case .node: (DumpLimits.nodeByteCountMinimum...DumpLimits.nodeByteCount).contains(object.byteCount)
        case .body, nil: false
        }
      guard isOfKind else { throw .wrongShape(object) }
    }
    let byteCount = batch.withUnsafeBytes { $0.count }
    guard byteCount == batch.objects.reduce(0, { $0 + $1.byteCount }) else {
      throw PosternError(
        .pushObjectShape, "The objects' lengths do not add up to the bytes that came with them.",
        advice: "Use a client of the same version as the archive.")
    }
  }

  private func verifyIds(of batch: some IncomingBatch) throws(PosternError) {
    let wrong = batch.withUnsafeBytes { bytes in
      var hash = SHA256()
      var offset = 0
      return batch.objects.firstIndex { object in
        let range = offset..<offset + object.byteCount
        offset = range.upperBound
        hash.update(UnsafeRawBufferPointer(rebasing: bytes[range]))
        return hash.finish() != object.id
      }
    }
    guard let wrong else { return }
    throw PosternError(
      .pushObjectId, "An object's bytes do not hash to the id \(batch.objects[wrong].id).",
      advice: "Send it again; if that happens twice, the sender's memory or disk is at fault.", index: wrong)
  }
}

/// The bodies that an epoch record names, as they are sent with it.
public struct EpochBodies: Sendable {
  /// The envelope's transcript.
  public let envelope: [UInt8]
  /// The generation's veil.
  public let veil: [UInt8]
  /// The sealed capsule.
  public let capsule: [UInt8]

  /// The bodies of one epoch.
  public init(envelope: [UInt8], veil: [UInt8], capsule: [UInt8]) {
    self.envelope = envelope
    self.veil = veil
    self.capsule = capsule
  }

  /// The bodies, which are those that a record names.
  ///
  /// - Throws: `push.body` when one is another, or has a length that it may not have.
  func named(by fields: EpochFields) throws(PosternError) -> Bodies {
    // Before anything of it is hashed.
    for (name, body) in [("envelope", envelope), ("veil", veil)] where body.count > PackFormat.bodyByteLimit {
      throw .wrongLength("The \(name) has \(body.count) bytes, and may have \(PackFormat.bodyByteLimit).")
    }
    guard capsule.count == Capsule.sealedByteCount else {
      throw .wrongLength("The capsule has \(capsule.count) bytes instead of \(Capsule.sealedByteCount).")
    }
    let bodies = Bodies([envelope, veil, capsule])
    for (name, body, digest) in [
      ("envelope", envelope, fields.envelope), ("veil", veil, fields.veil), ("capsule", capsule, fields.capsule),
    ] where bodies[digest] != body {
      throw PosternError(
        .pushBody, "The \(name) does not match the digest \(digest) in the record.",
        advice: "Send the envelope, veil and capsule that the record was signed over.")
    }
    return bodies
  }
}

extension Begin {
  /// Whether an epoch record is the one that this begin announced.
  fileprivate func announces(_ record: Record, _ fields: EpochFields) -> Bool {
    record.app == app && record.author.key == uploader && fields.number == epoch && fields.previous == previous
      && fields.generation == generation
  }
}

extension PosternError {
  /// A body of a length that no client of this version makes.
  fileprivate static func wrongLength(_ message: String) -> PosternError {
    PosternError(.pushBody, message, advice: "Use a client of the same version as the archive.")
  }

  fileprivate static let notAnEpoch = PosternError(
    .recordUnknown, "The record is no epoch.", advice: "Seal with the epoch record that the push was begun for.")

  fileprivate static let otherEpoch = PosternError(
    .pushOtherEpoch, "The record is of another application, uploader, epoch or generation than the push was begun for.",
    advice: "Begin a push for this epoch.")

  /// A request for more than an answer may hold.
  static func tooMuchAsked(_ limit: Int) -> PosternError {
    PosternError(
      .archiveRequest, "The request asks for more than \(limit) at once.", advice: "Ask in several requests.")
  }
}
