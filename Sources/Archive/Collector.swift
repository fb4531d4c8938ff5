public import Core
import Index
import Packs
import Records
import Synchronization

/// What became of a collection of one generation.
public struct CollectionReport: Sendable {
  /// The application.
  public let app: Digest
  /// The generation; 0 where the application's charter could not be read, and so none was looked at.
  public let generation: UInt64
  /// The newest epoch that was not retained; 0 where the charter does not say.
  public let expiredEpoch: UInt64
  /// How many bytes were found dead, and are found no more; nil where nothing was marked.
  public internal(set) var deadByteCount: UInt64?
  /// How many bytes of disk were freed.
  public internal(set) var freedByteCount: UInt64 = 0
  /// Why it could not be done, or not all of it.
  public internal(set) var error: PosternError?
}

/// Frees what no retained epoch needs: one generation after the other, in the background.
///
/// Two steps, each of which leaves a whole archive behind. A *mark* finds what is dead, and one transaction hides it;
/// no push of the generation may be open then. After it, *compaction* writes packs anew of which much is dead, pushes
/// or not: what can be found stays the same.
actor Collector {
  private let objects: ObjectFinder
  private let charters: CharterCache
  private let sequencer: Sequencer
  private let pushes: Pushes
  private let gate: CollectionGate
  private let queue = SerialQueue(label: "postern.collector")
  private let turns = Turns()
  private let task = Mutex(Background())
  /// Generations of which a mark found a part damaged or gone: until the next start, since a mark costs a walk each
  /// time.
  private var damaged: Set<Space> = []
  /// What marks may take that nothing was added for.
  private var allowance = MarkAllowance(at: .now)
  /// Packs that cannot be written anew.
  private var unreadable: Set<UInt64> = []
  private var reports: [CollectionReport] = []

  private struct Background {
    var isRunning = false
    /// Whether a push ended while it ran.
    var isDueAgain = false
    /// How many want that all give up, each until it has come to its own end.
    var stopperCount = 0
  }

  /// Reports that wait to be asked for.
  private static let reportLimit = 256
  /// Bytes of several packs that are written into one.
  private static let mergedByteLimit: UInt64 = 256 << 20
  /// Packs with fewer bytes are written into one when they are many.
  private static let smallByteCount: UInt64 = 4 << 20
  private static let smallPackLimit = 16

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// A collector of an open archive.
  init(
    objects: ObjectFinder, charters: CharterCache, sequencer: Sequencer, pushes: Pushes, gate: CollectionGate
  ) {
    self.objects = objects
    self.charters = charters
    self.sequencer = sequencer
    self.pushes = pushes
    self.gate = gate
  }

  private var index: ArchiveIndex { objects.index }

  // MARK: When

  /// Notes every application that has an epoch.
  ///
  /// - Throws: `index.*`.
  nonisolated func noteAll() throws(PosternError) {
    var last: Digest?
    while true {
      let page = try objects.index.read { (snapshot) throws(PosternError) in
        try snapshot.applicationsWithEpochs(after: last)
      }
      for app in page { gate.note(app) }
      guard page.count == ArchiveIndex.pageLimit else { return }
      last = page.last
    }
  }

  /// Collects in the background what is due.
  nonisolated func wake() {
    guard gate.isDue else { return }
    let starts = task.withLock { task in
      if task.isRunning { task.isDueAgain = true }
      defer { task.isRunning = true }
      return !task.isRunning
    }
    guard starts else { return }
    Task {
      repeat { await run() } while goesOn()
    }
  }

  private nonisolated func goesOn() -> Bool {
    task.withLock { task in
      defer { task.isDueAgain = false }
      task.isRunning = task.isDueAgain
      return task.isRunning
    }
  }

  /// Collects what is due, and says what was collected since the last call.
  ///
  /// A task that is cancelled gives up, and so does what it waits for.
  func collect() async -> [CollectionReport] {
    let gaveUp = Mutex(false)
    await withTaskCancellationHandler {
      await run()
    } onCancel: {
      gaveUp.withLock { $0 = true }
      giveUp()
    }
    if gaveUp.withLock({ $0 }) { allowAgain() }
    defer { reports = [] }
    return reports
  }

  /// Gives up what is under way and what waits, and returns when it has come to its end.
  func stop() async {
    giveUp()
    await turns.take()
    allowAgain()
    turns.pass()
  }

  /// Lets all give up until ``allowAgain()``.
  private nonisolated func giveUp() {
    task.withLock { $0.stopperCount += 1 }
    gate.giveUp()
  }

  private nonisolated func allowAgain() { task.withLock { $0.stopperCount -= 1 } }

  private nonisolated var isStopping: Bool { task.withLock { $0.stopperCount > 0 } }

  private func run() async {
    await turns.take()
    defer { turns.pass() }
    // A start that found the disk full has yet to remove the packs that no row names, and until its commit a pack that
    // is written anew is one of them.
    guard await sequencer.isSettled else { return }
    for app in gate.takeDue() {
      guard !isStopping else {
        gate.note(app)
        continue
      }
      do throws(PosternError) {
        try await collect(app)
      } catch {
        if error.endsTheProcess { await sequencer.halt(error) }
        // Without its charter nothing can be said of its epochs; the next push tries again.
        add(CollectionReport(app: app, generation: 0, expiredEpoch: 0, error: error))
      }
    }
  }

  private func collect(_ app: Digest) async throws(PosternError) {
    guard let retention = try charters.retention(of: app, in: objects), let expired = retention.expiredEpoch else {
      return
    }
    var last: UInt64 = 0
    while true {
      let page = try index.read { (snapshot) throws(PosternError) in
        try snapshot.generations(app: app, begunUpTo: expired, after: last)
      }
      for use in page { try await collect(use, of: app, retention, expired) }
      guard page.count == ArchiveIndex.pageLimit, let newest = page.last else { return }
      last = newest.generation
    }
  }

  private func collect(
    _ use: GenerationUse, of app: Digest, _ retention: Retention, _ expired: UInt64
  ) async throws(PosternError) {
    let space = Space(app: app, generation: use.generation)
    var report = CollectionReport(app: app, generation: use.generation, expiredEpoch: expired)
    do throws(PosternError) {
      if let due = use.due(retention, expired), !damaged.contains(space) {
        report.deadByteCount = try await mark(use, due, in: space, retention, expired)
      }
      try await compact(space, &report)
    } catch {
      if error.endsTheProcess { throw error }
      report.error = error
    }
    guard report.deadByteCount != nil || report.freedByteCount > 0 || report.error != nil else { return }
    add(report)
  }

  private func add(_ report: CollectionReport) {
    if reports.count == Collector.reportLimit { reports.removeFirst() }
    reports.append(report)
  }

  // MARK: Mark

  /// Marks a generation, unless it has to wait until that costs little.
  ///
  /// - Returns: as below; nil also where it has to wait.
  private func mark(
    _ use: GenerationUse, _ due: MarkDue, in space: Space, _ retention: Retention, _ expired: UInt64
  ) async throws(PosternError) -> UInt64? {
    guard due == .soon else { return try await mark(use, in: space, retention, expired) }
    let start = ContinuousClock.now
    guard allowance.isLeft(at: start) else {
      gate.note(space.app)
      return nil
    }
    defer { allowance.spend(.now - start) }
    return try await mark(use, in: space, retention, expired)
  }

  /// Marks a generation and hides what is dead in it.
  ///
  /// - Returns: how many bytes are dead now that were not; nil where a push was open, began or ended meanwhile: then
  ///   the generation is due again after it.
  private func mark(
    _ use: GenerationUse, in space: Space, _ retention: Retention, _ expired: UInt64
  ) async throws(PosternError) -> UInt64? {
    gate.mark(space)
    defer { gate.mark(nil) }
    let isOpen = try index.read { (snapshot) throws(PosternError) in try snapshot.hasOpenPush(in: space) }
    guard !isOpen, !isStopping else {
      gate.note(space.app)
      return nil
    }
    let packs: [DeadMarks.Pack]
    do throws(PosternError) {
      var live = try LiveObjects(marking: use, in: space, expiredEpoch: expired, objects, gate)
      try await undisguise(&live, in: space)
      packs = try dead(live, in: space)
    } catch {
      if error.endsTheProcess { throw error }
      if gate.isGivenUp {
        gate.note(space.app)
        return nil
      }
      // A full disk has room again, and a busy one answers.
      if error.isOfDamage { damaged.insert(space) }
      throw error
    }
    let marks = DeadMarks(
      space: space, newestOfGeneration: use.lastEpoch, newestEpoch: retention.newestEpoch, packs: packs)
    let isHidden = try await gate.hide(in: space) { () async throws(PosternError) in
      guard try await sequencer.hide(marks) else { return false }
      objects.files.forgetRows(packs.map(\.number))
      return true
    }
    guard isHidden else {
      gate.note(space.app)
      return nil
    }
    return use.byteCount - min(use.byteCount, try byteCount(of: space))
  }

  /// Stores bodies once more that an earlier version admitted as chunks or nodes, so that they are found when those are
  /// not.
  private func undisguise(_ live: inout LiveObjects, in space: Space) async throws(PosternError) {
    guard !live.disguisedBodies.isEmpty else { return }
    let number = index.reservePack()
    do throws(PosternError) {
      let done = try store(live.disguisedBodies, in: space, number: number)
      let pack = OpenPack(number: number, app: space.app, generation: space.generation, push: nil)
      let sealing = PackSealing(pack: pack, name: done.name, byteCount: done.byteCount)
      guard try await sequencer.replacePacks([], by: sealing) else { throw .givenUp }
      live.keep(done, number: number)
    } catch {
      if !error.endsTheProcess { try? objects.files.removePack(number) }
      throw error
    }
  }

  private func store(
    _ bodies: Set<Digest>, in space: Space, number: UInt64
  ) throws(PosternError) -> FinishedPack {
    var writer = try objects.files.folder.createPack(number: number, app: space.app, generation: space.generation)
    for digest in bodies.sorted() {
      let body = try objects.body(digest, in: space)
      try body.withRawBytes { (bytes) throws(PosternError) in
        _ = try writer.append(id: digest, kind: .body, bytes: bytes)
      }
    }
    return try writer.finish()
  }

  private func dead(_ live: LiveObjects, in space: Space) throws(PosternError) -> [DeadMarks.Pack] {
    var packs: [DeadMarks.Pack] = []
    try forEachPack(in: space) { (row) throws(PosternError) in
      if let dead = try live.dead(in: row) { packs.append(dead) }
    }
    return packs
  }

  private func byteCount(of space: Space) throws(PosternError) -> UInt64 {
    var byteCount: UInt64 = 0
    try forEachPack(in: space) { (row) in byteCount += row.byteCount - row.deadByteCount }
    return byteCount
  }

  private func forEachPack(
    in space: Space, _ body: (PackRow) throws(PosternError) -> Void
  ) throws(PosternError) {
    var last: UInt64 = 0
    while true {
      let page = try index.read { (snapshot) throws(PosternError) in try snapshot.sealedPacks(in: space, after: last) }
      for row in page { try body(row) }
      guard page.count == ArchiveIndex.pageLimit, let newest = page.last else { return }
      last = newest.number
    }
  }

  // MARK: Compaction

  /// Writes packs anew of which at least a quarter is dead, and small ones when they are many.
  private func compact(_ space: Space, _ report: inout CollectionReport) async throws(PosternError) {
    for group in try groups(in: space) {
      guard !isStopping else {
        gate.note(space.app)
        return
      }
      do throws(PosternError) {
        report.freedByteCount += try await rewrite(group, in: space)
      } catch let error where error.code == .storageFull {
        // Another group may keep less, or nothing.
        report.error = error
      } catch let error where error.isOfOnePack {
        // One of them cannot be read, or together they are too many, which is no error: each for itself.
        for pack in group {
          do throws(PosternError) {
            report.freedByteCount += try await rewrite([pack], in: space)
          } catch let error where error.isOfOnePack {
            report.error = error
            unreadable.insert(pack.number)
          }
        }
      }
    }
  }

  /// Packs that are written anew, each group into one.
  private func groups(in space: Space) throws(PosternError) -> [[PackRow]] {
    var due: [PackRow] = []
    var small: [PackRow] = []
    try forEachPack(in: space) { (row) in
      guard !unreadable.contains(row.number) else { return }
      if row.deadByteCount >= row.byteCount / 4 {
        due.append(row)
      } else if row.byteCount < Collector.smallByteCount {
        small.append(row)
      }
    }
    if small.count >= Collector.smallPackLimit { due += small }
    var groups: [[PackRow]] = []
    var byteCount = UInt64.max
    for pack in due {
      let kept = pack.byteCount - pack.deadByteCount
      if byteCount > Collector.mergedByteLimit - min(kept, Collector.mergedByteLimit) {
        groups.append([])
        byteCount = 0
      }
      groups[groups.count - 1].append(pack)
      byteCount += kept
    }
    return groups
  }

  /// Writes packs anew into one.
  ///
  /// - Returns: how many bytes of disk that freed.
  private func rewrite(_ packs: [PackRow], in space: Space) async throws(PosternError) -> UInt64 {
    var sources: [PackSource] = []
    for pack in packs {
      guard let name = pack.name else { return 0 }
      let positions = pack.deadByteCount > 0 ? try objects.files.deadPositions(pack.number) : Bitmap(count: 0)
      // Without them all would be kept, and be found again.
      guard pack.deadByteCount == 0 || !positions.isEmpty else { return 0 }
      sources.append(PackSource(PackPlacement(pack, named: name), deadPositions: positions))
    }
    let number = index.reservePack()
    let done = try objects.files.folder.mergePacks(sources, to: number)
    let sealing = done.map { done in
      PackSealing(
        pack: OpenPack(number: number, app: space.app, generation: space.generation, push: nil), name: done.name,
        byteCount: done.byteCount)
    }
    // A begin from now on may find the packs gone already: what they free is given to nobody but who counted them.
    let room = await pushes.room(of: space.app)
    do throws(PosternError) {
      guard try await sequencer.replacePacks(packs, by: sealing) else {
        try? objects.files.removePack(number)
        return 0
      }
    } catch {
      // Where nobody knows what came of it, the file stays for the next start.
      if !error.endsTheProcess { try? objects.files.removePack(number) }
      throw error
    }
    let byteCount = packs.reduce(0) { $0 + $1.byteCount }
    let freed = byteCount - min(byteCount, sealing?.byteCount ?? 0)
    room?.give(freed)
    return freed
  }
}

/// How pressing a mark is.
private enum MarkDue {
  /// What was added since the newest one pays for it.
  case now
  /// It may find nothing: it waits until it costs little.
  case soon
}

extension GenerationUse {
  /// Whether a mark is due; nil where it is not.
  ///
  /// Now: after the first epoch that is not retained; then each time that the generation has grown by a quarter since
  /// its newest mark; and once when none of its epochs is retained any more. Soon: when a quarter of the epochs that
  /// the newest mark kept have left; where each state is smaller than the one before, or others grow, nothing else
  /// tells.
  fileprivate func due(_ retention: Retention, _ expiredEpoch: UInt64) -> MarkDue? {
    guard let collectedByteCount, let collectedEpoch else { return .now }
    if lastEpoch <= expiredEpoch {
      return collectedEpoch - min(collectedEpoch, retention.epochCount) < lastEpoch ? .now : nil
    }
    if byteCount >= collectedByteCount + collectedByteCount / 4 { return .now }
    let leftCount = retention.newestEpoch - min(retention.newestEpoch, collectedEpoch)
    return leftCount > (retention.epochCount - 1) / 4 ? .soon : nil
  }
}

extension PosternError {
  /// Whether it lies with a pack, and others can still be written anew.
  fileprivate var isOfOnePack: Bool {
    isOfUnreadablePack || code == .packObjectDamaged || code == .packFull
  }

  /// Whether a mark finds the same again as long as nobody mends the archive.
  fileprivate var isOfDamage: Bool {
    isOfOnePack || [.archiveNotFound, .indexDamaged, .storageRunDamaged].contains(code)
  }
}
