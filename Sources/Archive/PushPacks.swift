import Core
import Dump
import Index
import Packs
import Records

/// The packs that one push writes, from the first object to the files that a commit seals.
///
/// Used on its push's queue alone. An object is appended, then durable, then noted in the index: never in another
/// order. What the push has brought is found here: of the pack that is being written in memory, of those that are
/// finished by their footers.
final class PushPacks {
  /// What left a pack unfinished: the push can only be begun again, and goes on with what the index knows.
  private(set) var failure: PosternError?

  let objects: ObjectFinder
  let space: Space
  let token: PushToken
  private let runs: RunKeeper
  private let packLimit: Int
  private let sweeper: Sweeper

  /// The pack that objects are appended to, with its number; nil before the first object and after a full pack.
  private(set) var writer: PackWriter?
  private(set) var writerNumber: UInt64 = 0
  /// How many bytes of the writer's file were durable when they were last noted.
  private var notedByteCount: UInt64 = 0
  private var finished: [Finished] = []
  /// Every pack that the push wrote to.
  private var numbers: Set<UInt64> = []

  /// A pack that has its footer.
  private struct Finished {
    let sealing: PackSealing
    /// How many objects it holds.
    let objectCount: Int
    /// Whether the index knows that it is finished.
    var isNoted = false
    /// Its entries, sorted, as long as no run lists them.
    var loose: [RunEntry]?

    var number: UInt64 { sealing.pack.number }

    init(_ pack: OpenPack, _ done: FinishedPack) {
      sealing = PackSealing(pack: pack, name: done.name, byteCount: done.byteCount)
      objectCount = done.entries.count
      loose = done.runEntries(number: pack.number)
    }

    /// A finished pack of an earlier push.
    init(_ pack: OpenPack, name: Digest, _ row: PackRow, _ file: borrowing PackFile) throws(PosternError) {
      sealing = PackSealing(pack: pack, name: name, byteCount: row.byteCount)
      objectCount = file.count
      isNoted = true
      loose = row.isIndexed ? nil : try file.runEntries(number: row.number)
    }
  }

  /// Objects of a push whose tree is looked through beside those of others: it takes some 150 bytes for each.
  private static let smallPushObjectLimit = 1 << 12

  /// Entries of the writer's pack whose bytes are durable, and which the index does not have yet.
  private var unnoted: [PackEntry] = []

  /// No pack yet.
  init(
    begin: Begin, token: PushToken, objects: ObjectFinder, runs: RunKeeper, packLimit: Int, sweeper: Sweeper
  ) {
    self.packLimit = packLimit
    self.objects = objects
    self.runs = runs
    self.token = token
    self.sweeper = sweeper
    space = Space(app: begin.app, generation: begin.generation)
  }

  private var folder: DataFolder { objects.files.folder }
  private var index: ArchiveIndex { objects.index }

  // MARK: Writing

  /// The entry of an object in the pack that is being written.
  func entry(_ id: Digest) -> PackEntry? { writer?.entry(id) }

  /// The packs that the push has finished, to be looked into with those of all.
  var own: OwnPacks {
    OwnPacks(numbers: Set(finished.map(\.number)), loose: finished.compactMap(\.loose))
  }

  /// Says that so many bytes find room on the disk, and leave a reserve.
  ///
  /// - Throws: `storage.full`.
  func requireReserve(_ reserve: Reserve, besides byteCount: Int) throws(PosternError) {
    try folder.requireReserve(reserve, besides: byteCount)
  }

  /// Finishes the pack when what comes does not fit into it whole.
  ///
  /// - Throws: `push.budget` where the push has as many packs as it may; `storage.*`, `index.*`.
  func makeRoom(
    objectCount: Int, byteCount: Int, isolation: isolated (any Actor)? = #isolation
  ) async throws(PosternError) {
    guard let count = writer?.count, let fits = writer?.fits(objectCount: objectCount, byteCount: byteCount),
      !fits || count + objectCount > ArchiveLimits.packObjectCount
    else { return }
    // One commit takes them all, and the pack that comes next.
    guard finished.count + 2 <= packLimit else {
      throw PosternError(
        .pushBudget, "The push has filled \(packLimit) packs, as many as one push may.",
        advice: "Give it up. A state of so many chunks needs larger ones: register an application with a larger size.")
    }
    try finishWriter()
    try await noteFinished()
    try await listFinished(above: ArchiveLimits.looseEntryCount)
  }

  /// Appends an object, unless the pack that is being written has it.
  ///
  /// - Returns: whether it was written.
  func append(id: Digest, kind: ObjectKind, _ bytes: UnsafeRawBufferPointer) throws(PosternError) -> Bool {
    if writer == nil {
      take(index.reservePack())
      writer = try folder.createPack(number: writerNumber, app: space.app, generation: space.generation)
      notedByteCount = 0
    }
    return try writer?.append(id: id, kind: kind, bytes: bytes) != nil
  }

  /// Goes on in packs that an earlier push of the same uploader left, oldest first.
  ///
  /// - Returns: those that cannot be gone on in, because the disk lost or changed them.
  /// - Throws: `storage.*`, `index.*`.
  func adopt(_ packs: [PackRow], isolation: isolated (any Actor)? = #isolation) async throws(PosternError) -> [PackRow]
  {
    var lost: [PackRow] = []
    for pack in packs {
      do throws(PosternError) {
        if let name = pack.finished { try adopt(pack, named: name) } else { try adopt(unfinished: pack) }
      } catch let error where error.isOfUnreadablePack {
        lost.append(pack)
      }
      try await listFinished(above: ArchiveLimits.looseEntryCount)
    }
    return lost
  }

  private func adopt(_ row: PackRow, named name: Digest) throws(PosternError) {
    let opened = try objects.files.pack(row.number, nil, of: space)
    numbers.insert(row.number)
    finished.append(try Finished(openPack(row.number), name: name, row, opened.file))
  }

  private func adopt(unfinished row: PackRow) throws(PosternError) {
    try finishWriter()
    let batches = try index.read { (snapshot) throws(PosternError) in try snapshot.openEntries(pack: row.number) }
    var entries: [PackEntry] = []
    for batch in batches {
      guard let noted = [PackEntry](encoded: batch) else { throw .damagedIndex("entries of an open pack are none") }
      entries += noted
    }
    take(row.number)
    writer = try folder.adoptPack(
      number: row.number, app: space.app, generation: space.generation, entries: entries, byteCount: row.byteCount)
    notedByteCount = writer?.byteCount ?? 0
  }

  /// Reads an object of the pack that is being written.
  func read(_ entry: PackEntry) throws(PosternError) -> [UInt8]? { try writer?.read(entry) }

  private func take(_ number: UInt64) {
    writerNumber = number
    numbers.insert(number)
  }

  private func openPack(_ number: UInt64) -> OpenPack {
    OpenPack(number: number, app: space.app, generation: space.generation, push: token)
  }

  // MARK: Noting

  /// Notes what was written when it is so much that a crash may not lose more.
  func noteIfDue(isolation: isolated (any Actor)? = #isolation) async throws(PosternError) {
    guard let byteCount = writer?.byteCount, byteCount - notedByteCount >= ArchiveLimits.notedByteCount else { return }
    try await note()
  }

  /// Makes what was appended durable, then notes it in the index: never the other way round.
  func note(isolation: isolated (any Actor)? = #isolation) async throws(PosternError) {
    guard let entries = try writer?.sync(), let byteCount = writer?.byteCount else { return }
    unnoted += entries
    notedByteCount = byteCount
    guard !unnoted.isEmpty else { return }
    try await index.writer.note(
      EntryBatch(
        pack: openPack(writerNumber), entries: unnoted.encoded, packByteCount: byteCount, nowSeconds: Clock.nowSeconds))
    unnoted = []
  }

  /// Notes that packs are finished: a begin that goes on from here finds what they hold in their footers.
  ///
  /// - Throws: `storage.*`, `index.*`; what was not noted has to be sent again after a crash.
  func noteFinished(isolation: isolated (any Actor)? = #isolation) async throws(PosternError) {
    try await index.writer.noteFinished(finished.filter { !$0.isNoted }.map(\.sealing))
    for position in finished.indices { finished[position].isNoted = true }
  }

  /// Lists finished packs in a run once their entries are many.
  private func listFinished(
    above entryCount: Int, isolation: isolated (any Actor)? = #isolation
  ) async throws(PosternError) {
    let loose = finished.indices.filter { finished[$0].loose != nil }
    guard loose.reduce(0, { $0 + finished[$1].objectCount }) > entryCount else { return }
    try await noteFinished()
    let entries = loose.flatMap { finished[$0].loose ?? [] }
    try await runs.list(entries, of: loose.map { finished[$0].number }, in: space)
    for position in loose { finished[position].loose = nil }
  }

  // MARK: Finishing

  /// Whether the push has so many objects that what a look through its tree takes in memory counts.
  var isLarge: Bool { !finished.isEmpty || (writer?.count ?? 0) > PushPacks.smallPushObjectLimit }

  /// Finishes the packs, of which those that hold what the push's tree does not reach are written anew without it.
  ///
  /// What a sealed pack holds is what was admitted, no more.
  ///
  /// - Parameter reached: every object of the push that may stay.
  /// - Returns: the packs to commit.
  /// - Throws: `storage.*`, `pack.*`, `index.*`; what the tree reaches is in one of the packs still.
  func seal(
    keeping reached: ReachedObjects, isolation: isolated (any Actor)? = #isolation
  ) async throws(PosternError) -> [PackSealing] {
    try finishWriter()
    for pack in finished where reached.count(inPack: pack.number) < pack.objectCount {
      try await rewrite(pack, keeping: reached)
    }
    try await listFinished(above: ArchiveLimits.looseEntryCount)
    return finished.map(\.sealing)
  }

  private func finishWriter() throws(PosternError) {
    guard let finishing = writer.take() else { return }
    unnoted = []
    do throws(PosternError) {
      finished.append(Finished(openPack(writerNumber), try finishing.finish()))
    } catch {
      failure = error
      throw error
    }
  }

  /// Replaces a finished pack by one that holds of its objects those that are reached, if there are any.
  ///
  /// Nobody admitted the others, and nobody looked below those that are nodes. A step that fails leaves the old pack,
  /// and maybe the new one too: then nothing reaches one of the two at the next seal.
  private func rewrite(
    _ old: Finished, keeping reached: ReachedObjects, isolation: isolated (any Actor)? = #isolation
  ) async throws(PosternError) {
    if reached.count(inPack: old.number) > 0 {
      let number = index.reservePack()
      numbers.insert(number)
      let done = try folder.copyPack(number: old.number, name: old.sealing.name, to: number) { offset in
        reached.contains(ObjectPlace(pack: old.number, offset: offset))
      }
      finished.append(Finished(openPack(number), done))
      // What a crash would have left to the uploader, it leaves from now on too.
      if try row(of: old.number) != nil { try await noteFinished() }
    }
    try await giveUp(old.number)
  }

  /// Gives up a finished pack that the commit does not need.
  private func giveUp(_ number: UInt64, isolation: isolated (any Actor)? = #isolation) async throws(PosternError) {
    if let known = try row(of: number) {
      try await index.writer.abandonPack(number)
      sweeper.remove([known])
    } else {
      try? objects.files.removePack(number)
    }
    finished.removeAll { $0.number == number }
  }

  private func row(of number: UInt64) throws(PosternError) -> PackRow? {
    try index.read { (snapshot) throws(PosternError) in try snapshot.pack(number) }
  }

  /// Lets go of what is in memory, and removes the files that the index does not know.
  func close() {
    writer = nil
    (finished, unnoted) = ([], [])
    for number in numbers {
      let known = Result { () throws(PosternError) in try row(of: number) }
      // A file that cannot be removed now is removed at the next start.
      if case .success(nil) = known { try? objects.files.removePack(number) }
    }
  }
}
