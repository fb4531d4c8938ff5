import Core
import Dump
import Index
import Packs
import Records

/// The packs that one push writes, from the first object to the files that a commit seals.
///
/// Used on its push's queue alone. An object is appended, then durable, then entered in the index: never in another
/// order. What is written and not entered yet is found here and not in the index.
final class PushPacks {
  /// What the push has used of its budget since it began: it is written down with the rows.
  var usedByteCount: UInt64 = 0
  /// What left a pack unfinished: the push can only be begun again, and goes on with what the index knows.
  private(set) var failure: PosternError?

  let folder: DataFolder
  let index: ArchiveIndex
  let app: Digest
  let generation: UInt64
  let token: PushToken
  private let sweeper: Sweeper

  /// The pack that objects are appended to, with its number; nil before the first object and after a full pack.
  private(set) var writer: PackWriter?
  private(set) var writerNumber: UInt64 = 0
  /// How many bytes of the writer's file were durable when its rows were last entered.
  private var recordedByteCount: UInt64 = 0
  /// Rows of the writer's pack whose bytes are durable, and which the index does not have yet.
  private var unrecorded: [ObjectRow] = []
  private var finished: [Finished] = []
  /// Every pack that the push wrote to.
  private var numbers: Set<UInt64> = []

  /// A pack that has its footer, and whose rows the index has but for those listed.
  private struct Finished {
    var sealing: PackSealing
    /// How many objects it holds.
    let objectCount: Int
    /// Where its objects end and its footer begins: while no commit needs the footer, a row says this length, which a
    /// begin that goes on in the pack cuts the file to.
    let objectsEnd: UInt64

    /// - Parameters:
    ///   - pack: whose file it is.
    ///   - done: the file.
    ///   - rows: those that the index does not have yet.
    init(_ pack: OpenPack, _ done: FinishedPack, unrecorded rows: [ObjectRow]) {
      sealing = PackSealing(pack: pack, name: done.name, byteCount: done.byteCount, objects: rows)
      objectCount = done.entries.count
      objectsEnd = done.entries.reduce(0) { max($0, $1.end) }
    }

    /// Whether the index has rows of it.
    var isRecorded: Bool { objectCount > sealing.objects.count }
  }

  /// Rows that one commit may take along; more are written before it, so that a huge push stalls nobody.
  private static let rowsInCommit = 4_096
  /// Bytes after which what came is made durable and recorded, so that a crash loses no more of a long push.
  private static let recordByteCount: UInt64 = 64 << 20
  /// Packs whose rows are in memory at once when they are taken up: 16 MB each at most.
  private static let packsReadAtOnce = 8

  /// No pack yet.
  init(begin: Begin, token: PushToken, folder: DataFolder, index: ArchiveIndex, sweeper: Sweeper) {
    self.folder = folder
    self.index = index
    self.token = token
    self.sweeper = sweeper
    app = begin.app
    generation = begin.generation
  }

  // MARK: Writing

  /// The entry of an object in the pack that is being written.
  func entry(_ id: Digest) -> PackEntry? { writer?.entry(id) }

  /// Finishes the pack when what comes does not fit into it whole.
  func makeRoom(
    objectCount: Int, byteCount: Int, isolation: isolated (any Actor)? = #isolation
  ) async throws(PosternError) {
    guard writer?.fits(objectCount: objectCount, byteCount: byteCount) == false else { return }
    try await record()
    try finishWriter()
  }

  /// Appends an object, unless the pack that is being written has it.
  ///
  /// - Returns: whether it was written.
  func append(id: Digest, kind: ObjectKind, _ bytes: UnsafeRawBufferPointer) throws(PosternError) -> Bool {
    if writer == nil {
      take(index.reservePack())
      writer = try folder.createPack(number: writerNumber, app: app, generation: generation)
      recordedByteCount = 0
    }
    return try writer?.append(id: id, kind: kind, bytes: bytes) != nil
  }

  /// Goes on in packs that an earlier push of the same uploader left, oldest first.
  ///
  /// - Returns: those that cannot be gone on in, because the disk lost or changed them.
  /// - Throws: `storage.*`, `index.*`.
  func adopt(_ packs: [PackRow]) throws(PosternError) -> [PackRow] {
    var lost: [PackRow] = []
    var rest = packs[...]
    while !rest.isEmpty {
      // Each reading goes through the whole generation; and more packs at a time would take more memory.
      let some = rest.prefix(PushPacks.packsReadAtOnce)
      rest = rest.dropFirst(some.count)
      let rows = try index.read { (snapshot) throws(PosternError) in try snapshot.objects(packs: some.map(\.number)) }
      for pack in some {
        do throws(PosternError) {
          try adopt(pack, rows[pack.number] ?? [])
        } catch let error where [.packDamaged, .packWrongSpace, .storageMissing].contains(error.code) {
          lost.append(pack)
        }
      }
    }
    return lost
  }

  private func adopt(_ pack: PackRow, _ rows: [ObjectRow]) throws(PosternError) {
    try finishWriter()
    take(pack.number)
    writer = try folder.adoptPack(
      number: pack.number, app: app, generation: generation, entries: rows.map(PackEntry.init),
      byteCount: pack.byteCount)
    recordedByteCount = writer?.byteCount ?? 0
  }

  /// Reads an object of the pack that is being written.
  func read(_ entry: PackEntry) throws(PosternError) -> [UInt8]? { try writer?.read(entry) }

  private func take(_ number: UInt64) {
    writerNumber = number
    numbers.insert(number)
  }

  private var openPack: OpenPack {
    OpenPack(number: writerNumber, app: app, generation: generation, push: token)
  }

  // MARK: Recording

  /// Records what was written when it is so much that a crash may not lose more.
  func recordIfDue(isolation: isolated (any Actor)? = #isolation) async throws(PosternError) {
    guard let byteCount = writer?.byteCount, byteCount - recordedByteCount >= PushPacks.recordByteCount else { return }
    try await record()
  }

  /// Makes what was appended durable, then enters its rows: never the other way round.
  ///
  /// Rows that could not be entered stay in memory: the next call, or the commit, enters them.
  func record(isolation: isolated (any Actor)? = #isolation) async throws(PosternError) {
    guard let entries = try writer?.sync(), let byteCount = writer?.byteCount else { return }
    unrecorded += entries.map(ObjectRow.init)
    recordedByteCount = byteCount
    while !unrecorded.isEmpty {
      let rows = Array(unrecorded.prefix(Index.ObjectBatch.rowLimit))
      try await record(rows, in: openPack, packByteCount: byteCount)
      unrecorded.removeFirst(rows.count)
    }
  }

  /// Enters the rows that a commit would have taken along: it was refused, and the push goes on.
  ///
  /// - Throws: `storage.*`, `index.*`; what was not entered has to be sent again.
  func recordFinished(isolation: isolated (any Actor)? = #isolation) async throws(PosternError) {
    for position in finished.indices {
      let pack = finished[position].sealing
      while !finished[position].sealing.objects.isEmpty {
        let rows = Array(finished[position].sealing.objects.prefix(Index.ObjectBatch.rowLimit))
        try await record(rows, in: pack.pack, packByteCount: finished[position].objectsEnd)
        finished[position].sealing.objects.removeFirst(rows.count)
      }
    }
  }

  private func record(
    _ rows: [ObjectRow], in pack: OpenPack, packByteCount: UInt64, isolation: isolated (any Actor)? = #isolation
  ) async throws(PosternError) {
    try await index.writer.addObjects(
      Index.ObjectBatch(
        pack: pack, objects: rows, packByteCount: packByteCount, pushUsedByteCount: usedByteCount,
        nowSeconds: Clock.nowSeconds))
  }

  // MARK: Finishing

  /// Whether the push has a full pack, and its tree may be large.
  var isLarge: Bool { !finished.isEmpty }

  /// Finishes the packs, of which those that hold what the push's tree does not reach are written anew without it.
  ///
  /// What a sealed pack holds is what was admitted, no more: its footer lists its rows. Rows that no commit takes along
  /// are entered before it.
  ///
  /// - Parameter reached: every object of the push that may stay.
  /// - Returns: the packs to commit.
  /// - Throws: `storage.*`, `pack.*`, `index.*`; what the tree reaches is in one of the packs still.
  func seal(
    keeping reached: ReachedObjects, isolation: isolated (any Actor)? = #isolation
  ) async throws(PosternError) -> [PackSealing] {
    if unrecorded.count + (writer?.unsyncedCount ?? 0) > PushPacks.rowsInCommit { try await record() }
    try finishWriter()
    for pack in finished where reached.count(inPack: pack.sealing.pack.number) < pack.objectCount {
      try await rewrite(pack, keeping: reached)
    }
    if finished.reduce(0, { $0 + $1.sealing.objects.count }) > PushPacks.rowsInCommit { try await recordFinished() }
    return finished.map(\.sealing)
  }

  private func finishWriter() throws(PosternError) {
    guard let finishing = writer.take() else { return }
    let rows = unrecorded + finishing.unsyncedEntries.map(ObjectRow.init)
    unrecorded = []
    do throws(PosternError) {
      finished.append(Finished(openPack, try finishing.finish(), unrecorded: rows))
    } catch {
      failure = error
      throw error
    }
  }

  /// Replaces a finished pack by one that holds of its objects those that are reached, if there are any.
  ///
  /// Nobody admitted the others, and nobody looked below those that are nodes. A step that fails leaves the old pack, and
  /// maybe the new one too: then nothing reaches one of the two at the next seal.
  private func rewrite(
    _ old: Finished, keeping reached: ReachedObjects, isolation: isolated (any Actor)? = #isolation
  ) async throws(PosternError) {
    let number = old.sealing.pack.number
    if reached.count(inPack: number) > 0 {
      let pack = OpenPack(number: index.reservePack(), app: app, generation: generation, push: token)
      numbers.insert(pack.number)
      let done = try folder.copyPack(number: number, name: old.sealing.name, to: pack.number) { offset in
        reached.contains(ObjectPlace(pack: number, offset: offset))
      }
      let rows = done.entries.sorted { $0.offset < $1.offset }.map(ObjectRow.init)
      finished.append(Finished(pack, done, unrecorded: rows))
      // What a crash would have left to the uploader, it leaves from now on too.
      if old.isRecorded { try await recordFinished() }
    }
    try await giveUp(old.sealing.pack)
  }

  /// Gives up a finished pack that the commit does not need.
  private func giveUp(_ pack: OpenPack, isolation: isolated (any Actor)? = #isolation) async throws(PosternError) {
    let known = try index.read { (snapshot) throws(PosternError) in try snapshot.pack(pack.number) }
    if let known {
      try await index.writer.abandonPack(known.number)
      sweeper.remove([known])
    } else {
      try? folder.removePack(number: pack.number)
    }
    finished.removeAll { $0.sealing.pack.number == pack.number }
  }

  /// Lets go of what is in memory, and removes the files that the index does not know.
  func close() {
    writer = nil
    (finished, unrecorded) = ([], [])
    for number in numbers {
      let known = Result { () throws(PosternError) in
        try index.read { (snapshot) throws(PosternError) in try snapshot.pack(number) }
      }
      // A file that cannot be removed now is removed at the next start.
      if case .success(nil) = known { try? folder.removePack(number: number) }
    }
  }
}

extension PackEntry {
  /// An entry from its row.
  fileprivate init(_ row: ObjectRow) {
    self.init(id: row.id, kind: row.kind, offset: row.offset, length: row.length)
  }
}

extension ObjectRow {
  /// A row from an entry.
  init(_ entry: PackEntry) {
    self.init(id: entry.id, kind: entry.kind, offset: entry.offset, length: entry.length)
  }
}
