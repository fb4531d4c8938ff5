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
    /// How many of its objects have a row, here or in the index.
    var objectCount: Int
  }

  /// Rows that one commit may take along; more are written before it, so that a huge push stalls nobody.
  private static let rowsInCommit = 4_096
  /// Bytes after which what came is made durable and recorded, so that a crash loses no more of a long push.
  private static let recordByteCount: UInt64 = 64 << 20

  /// No pack yet.
  init(begin: Begin, token: PushToken, folder: DataFolder, index: ArchiveIndex) {
    self.folder = folder
    self.index = index
    self.token = token
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
  func append(id: Digest, kind: ObjectKind, _ bytes: UnsafeRawBufferPointer) throws(PosternError) {
    if writer == nil {
      take(index.reservePack())
      writer = try folder.createPack(number: writerNumber, app: app, generation: generation)
      recordedByteCount = 0
    }
    guard writer?.entry(id) == nil else { return }
    _ = try writer?.append(id: id, kind: kind, bytes: bytes)
  }

  /// Goes on in a pack that an earlier push of the same uploader left.
  ///
  /// - Throws: `pack.damaged`, `pack.wrong-space`, `storage.*`, `index.*`.
  func adopt(_ pack: PackRow) throws(PosternError) {
    let rows = try index.read { (snapshot) throws(PosternError) in try snapshot.objects(pack: pack.number) }
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
    for position in finished.indices where !finished[position].sealing.objects.isEmpty {
      let pack = finished[position].sealing
      try await record(pack.objects, in: pack.pack, packByteCount: pack.byteCount)
      finished[position].sealing.objects = []
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

  /// Finishes the packs and takes what the push's tree does not reach out of them.
  ///
  /// Rows that no commit takes along are entered before the last pack is finished.
  ///
  /// - Parameter reached: every object of the push that may stay.
  /// - Returns: the packs to commit.
  func seal(
    keeping reached: ReachedObjects, isolation: isolated (any Actor)? = #isolation
  ) async throws(PosternError) -> [PackSealing] {
    if unrecorded.count + (writer?.unsyncedCount ?? 0) > PushPacks.rowsInCommit { try await record() }
    try finishWriter()
    for position in finished.indices { try await drop(from: position, allBut: reached) }
    return finished.map(\.sealing)
  }

  private func finishWriter() throws(PosternError) {
    guard let finishing = writer.take() else { return }
    let rows = unrecorded + finishing.unsyncedEntries.map(ObjectRow.init)
    unrecorded = []
    do throws(PosternError) {
      let done = try finishing.finish()
      let sealing = PackSealing(pack: openPack, name: done.name, byteCount: done.byteCount, objects: rows)
      finished.append(Finished(sealing: sealing, objectCount: done.entries.count))
    } catch {
      failure = error
      throw error
    }
  }

  /// Takes a finished pack's objects that are not reached out of the index.
  ///
  /// Nobody admitted them, and nobody looked below those that are nodes. Where there are none, nothing is read.
  private func drop(
    from position: Int, allBut reached: ReachedObjects, isolation: isolated (any Actor)? = #isolation
  ) async throws(PosternError) {
    let pack = finished[position].sealing
    let number = pack.pack.number
    let kept = reached.count(inPack: number)
    guard kept < finished[position].objectCount else { return }
    finished[position].sealing.objects.removeAll { !reached.contains(ObjectPlace(pack: number, offset: $0.offset)) }
    if finished[position].objectCount > pack.objects.count {
      // The index does not find rows by their pack; the footer has them all.
      let footer = try folder.finishedFooter(number: number, name: pack.name)
      var unreached: [Digest] = []
      for position in 0..<footer.count {
        let entry = footer[position]
        if !reached.contains(ObjectPlace(pack: number, offset: entry.offset)) { unreached.append(entry.id) }
        if unreached.count == ArchiveIndex.idLimit || position == footer.count - 1 {
          try await index.writer.dropObjects(unreached, from: pack.pack)
          unreached.removeAll(keepingCapacity: true)
        }
      }
    }
    finished[position].objectCount = kept
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
