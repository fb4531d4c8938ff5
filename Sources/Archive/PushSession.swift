import Bulk
import Core
import Index
import Packs
import Records

/// One open push: the packs that its objects stream into, unreadable to others until its epoch is admitted.
///
/// Everything that touches the packs runs on a serial queue of the session's own, where a wait for the disk
/// stops no other push and no request.
actor PushSession {
  /// What the push asked for when it began.
  nonisolated let begin: Begin
  /// What names the push in every request.
  nonisolated let token: PushToken

  private let folder: DataFolder
  private let index: ArchiveIndex
  private let queue = SerialQueue(label: "postern.push")
  /// The pack that objects are appended to, with its number; nil before the first object and after a full pack.
  private var writer: PackWriter?
  private var writerNumber: UInt64 = 0
  /// How many bytes of the writer's file the index has rows for.
  private var recordedByteCount: UInt64 = 0
  /// Packs that are finished, footer and all, and whose rows the index has but for those listed.
  private var finished: [PackSealing] = []
  private var usedByteCount: UInt64 = 0
  private var phase = Phase.receiving

  private enum Phase { case receiving, sealing, ended }

  /// Rows that one commit may take along; more are written before it, so that a huge push stalls nobody.
  private static let rowsInCommit = 4_096
  /// Bytes after which what came is made durable and recorded, so that a crash loses no more of a long push.
  private static let recordByteCount: UInt64 = 64 << 20

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// A session of a push whose row stands in the index.
  init(begin: Begin, token: PushToken, folder: DataFolder, index: ArchiveIndex) {
    self.begin = begin
    self.token = token
    self.folder = folder
    self.index = index
  }

  // MARK: Objects

  /// Appends objects whose ids were verified; those that the push has sent before are passed over.
  ///
  /// - Throws: `push.budget` before anything of the batch is written; `push.sealing`, `storage.*`, `pack.*`.
  func append(_ batch: some IncomingBatch) async throws(PosternError) {
    guard phase == .receiving else { throw .sealing }
    let byteCount = batch.objects.reduce(0) { $0 + $1.byteCount }
    guard usedByteCount + UInt64(byteCount) <= begin.budgetByteCount else {
      throw PosternError(
        .pushBudget, "The push sends more than the \(begin.budgetByteCount) bytes that its begin allows.",
        advice: "Begin again with a larger budget.")
    }
    usedByteCount += UInt64(byteCount)
    try await makeRoom(byteCount)
    let outcome = batch.withUnsafeBytes { bytes in
      Result { () throws(PosternError) in try append(batch.objects, from: bytes) }
    }
    try outcome.get()
    try await recordIfDue()
  }

  private func append(_ objects: [IncomingObject], from bytes: UnsafeRawBufferPointer) throws(PosternError) {
    var offset = 0
    for object in objects {
      let range = offset..<offset + object.byteCount
      offset = range.upperBound
      guard let kind = PackEntry.Kind(rawValue: object.kind) else { throw .wrongShape(object) }
      try append(id: object.id, kind: kind, UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
  }

  private func append(
    id: Digest, kind: PackEntry.Kind, _ bytes: UnsafeRawBufferPointer
  ) throws(PosternError) {
    if writer == nil {
      let number = index.reservePack()
      writer = try folder.createPack(number: number, app: begin.app, generation: begin.generation)
      writerNumber = number
      recordedByteCount = 0
    }
    guard writer?.entry(id) == nil else { return }
    _ = try writer?.append(id: id, kind: kind, bytes: bytes)
  }

  /// Which of these objects neither the archive nor this push has: a bit each, as `MissingResponse` has them.
  func missing(_ ids: [Digest]) throws(PosternError) -> [UInt8] {
    let (app, generation, token) = (begin.app, begin.generation, token)
    var bitmap = try index.read { (snapshot) throws(PosternError) in
      try snapshot.missing(ids, app: app, generation: generation, push: token)
    }
    for (position, id) in ids.enumerated() where writer?.entry(id) != nil {
      bitmap[position / 8] &= ~(1 << UInt8(position % 8))
    }
    return bitmap
  }

  // MARK: Sealing

  /// Makes the push's packs durable and says that the epoch's dump and bodies are complete in them.
  ///
  /// Commit order, step 3: after this nothing of the push is left to be written but what the sequencer commits.
  ///
  /// - Parameters:
  ///   - fields: the epoch record's fields, checked already.
  ///   - bodies: envelope, veil and capsule by their digests.
  /// - Returns: the packs to commit.
  /// - Throws: `push.*`, `storage.*`, `pack.*`; the push stays open then.
  func seal(_ fields: EpochFields, bodies: [Digest: [UInt8]]) async throws(PosternError) -> [PackSealing] {
    guard phase == .receiving else { throw .sealing }
    phase = .sealing
    do throws(PosternError) {
      try await append(bodies)
      try verifyHolding(
        root: fields.root, rootByteCount: Int(fields.rootByteCount), locate: locate, read: read)
      if unrecordedCount > PushSession.rowsInCommit { try await record() }
      try finishWriter()
      return finished
    } catch {
      phase = .receiving
      throw error
    }
  }

  /// The push goes on after the sequencer refused its epoch.
  func reopen() {
    if phase == .sealing { phase = .receiving }
  }

  /// The push is over: admitted, abandoned or fenced.
  ///
  /// What is in memory is let go.
  func end() {
    phase = .ended
    writer = nil
    finished = []
  }

  /// Writes down all that the push has, so that the next begin of its uploader can go on with it.
  func handOver() async throws(PosternError) {
    guard phase != .ended else { return }
    phase = .ended
    try await record()
    writer = nil
    for pack in finished { try await record(pack.objects, in: pack.pack, packByteCount: pack.byteCount) }
    finished = []
  }

  /// Goes on in a pack that an earlier push of the same uploader left.
  func adopt(_ pack: PackRow) async throws(PosternError) {
    let rows = try index.read { (snapshot) throws(PosternError) in try snapshot.objects(pack: pack.number) }
    try finishWriter()
    writer = try folder.adoptPack(
      number: pack.number, app: begin.app, generation: begin.generation, entries: rows.map(PackEntry.init),
      byteCount: pack.byteCount)
    writerNumber = pack.number
    recordedByteCount = writer?.byteCount ?? 0
  }

  private func append(_ bodies: [Digest: [UInt8]]) async throws(PosternError) {
    try await makeRoom(bodies.values.reduce(0) { $0 + $1.count })
    let digests = bodies.keys.sorted()
    for (digest, held) in zip(digests, try locate(digests)) where held == nil {
      let body = bodies[digest] ?? []
      let outcome = body.withUnsafeBytes { bytes in
        Result { () throws(PosternError) in try append(id: digest, kind: .body, bytes) }
      }
      try outcome.get()
    }
  }

  // MARK: Packs

  private var openPack: OpenPack {
    OpenPack(number: writerNumber, app: begin.app, generation: begin.generation, push: token)
  }

  private var unrecordedCount: Int {
    writer?.unsyncedCount ?? 0
  }

  /// Finishes the pack when so many bytes more do not fit into it.
  private func makeRoom(_ byteCount: Int) async throws(PosternError) {
    guard let fits = writer?.fits(length: byteCount), !fits else { return }
    try await record()
    try finishWriter()
  }

  private func recordIfDue() async throws(PosternError) {
    guard let writtenByteCount = writer?.byteCount else { return }
    if writtenByteCount - recordedByteCount >= PushSession.recordByteCount { try await record() }
  }

  /// Makes what was appended durable, then enters its rows: never the other way round.
  private func record() async throws(PosternError) {
    guard let entries = try writer?.sync(), let byteCount = writer?.byteCount else { return }
    recordedByteCount = byteCount
    try await record(entries.map(ObjectRow.init), in: openPack, packByteCount: byteCount)
  }

  private func record(
    _ rows: [ObjectRow], in pack: OpenPack, packByteCount: UInt64
  ) async throws(PosternError) {
    var rest = rows[...]
    while !rest.isEmpty {
      let batch = Index.ObjectBatch(
        pack: pack, objects: Array(rest.prefix(Index.ObjectBatch.rowLimit)), packByteCount: packByteCount,
        pushUsedByteCount: usedByteCount, nowSeconds: Clock.nowSeconds)
      rest = rest.dropFirst(Index.ObjectBatch.rowLimit)
      try await index.writer.addObjects(batch)
    }
  }

  private func finishWriter() throws(PosternError) {
    guard let finishing = writer.take() else { return }
    let unrecorded = finishing.unsyncedEntries.map(ObjectRow.init)
    let pack = openPack
    let done = try finishing.finish()
    finished.append(PackSealing(pack: pack, name: done.name, byteCount: done.byteCount, objects: unrecorded))
  }

  // MARK: Looking up

  private func locate(_ ids: [Digest]) throws(PosternError) -> [HeldObject?] {
    let (app, generation, token) = (begin.app, begin.generation, token)
    let recorded = try index.read { (snapshot) throws(PosternError) in
      try snapshot.locate(ids, app: app, generation: generation, push: token)
    }
    return zip(ids, recorded.objects).map { id, location in
      if let entry = writer?.entry(id) {
        return HeldObject(kind: entry.kind.rawValue, byteCount: Int(entry.length), isNew: true)
      }
      return location.map { location in
        let isNew = recorded.packs[location.pack]?.state == .open
        return HeldObject(kind: location.kind, byteCount: Int(location.length), isNew: isNew)
      }
    }
  }

  private func read(_ id: Digest) throws(PosternError) -> [UInt8] {
    if let entry = writer?.entry(id), let bytes = try writer?.read(entry) { return bytes }
    let (app, generation, token) = (begin.app, begin.generation, token)
    let found = try index.read { (snapshot) throws(PosternError) in
      try snapshot.locate([id], app: app, generation: generation, push: token)
    }
    guard let location = found.objects.first ?? nil else { throw .lacking(id) }
    let file = try folder.openPack(
      number: location.pack, app: app, generation: generation, name: found.packs[location.pack]?.name)
    return try file.read(offset: location.offset, length: Int(location.length))
  }
}

extension PackEntry {
  /// An entry from its row.
  init(_ row: ObjectRow) {
    self.init(id: row.id, kind: Kind(rawValue: row.kind) ?? .body, offset: row.offset, length: row.length)
  }
}

extension ObjectRow {
  /// A row from an entry.
  init(_ entry: PackEntry) {
    self.init(id: entry.id, kind: entry.kind.rawValue, offset: entry.offset, length: entry.length)
  }
}

extension PosternError {
  fileprivate static let sealing = PosternError(
    .pushSealing, "The push is being sealed, or is over, and takes no more objects.",
    advice: "Wait for the answer to the seal, or begin again.")

  /// An object of a kind or size that no push may send.
  static func wrongShape(_ object: IncomingObject) -> PosternError {
    PosternError(
      .pushObjectShape, "The object \(object.id) is of a kind or size that no push may send.",
      advice: "Use a client of the same version as the archive.")
  }

  /// An object that was here a moment ago.
  static func lacking(_ id: Digest) -> PosternError {
    PosternError(
      .archiveNotFound, "The archive holds no object \(id) there.",
      advice: "Check the application, the generation and the id; an old epoch may have been collected.")
  }
}
