import Bulk
import Core
import Dump
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
  /// Appending, sealing, handing over and ending, one after the other.
  ///
  /// Who calls ``seal(_:bodies:)``, ``reopen()`` or ``end()`` has the turn.
  nonisolated let turns = Turns()

  /// How the application's states are cut: chunks have one of its eight lengths.
  nonisolated let chunker: ChunkerParameters

  private let folder: DataFolder
  private let index: ArchiveIndex
  private let nodeCounter: NodeCounter
  private let queue = SerialQueue(label: "postern.push")
  /// The pack that objects are appended to, with its number; nil before the first object and after a full pack.
  private var writer: PackWriter?
  private var writerNumber: UInt64 = 0
  /// How many bytes of the writer's file were durable when its rows were last entered.
  private var recordedByteCount: UInt64 = 0
  /// Rows of the writer's pack whose bytes are durable, and which the index does not have yet.
  private var unrecorded: [ObjectRow] = []
  /// Packs that are finished, footer and all, and whose rows the index has but for those listed.
  private var finished: [PackSealing] = []
  /// Nodes that the push brought; those that its tree does not reach may not outlive it, see ``drop(_:)``.
  private var newNodes: Set<Digest> = []
  /// What the push has used of its budget since it began.
  private var usedByteCount: UInt64 = 0
  private var lastUsedSeconds = Clock.nowSeconds
  /// Every pack that the push wrote to.
  private var numbers: Set<UInt64> = []
  /// What left a pack unfinished: the push can only be begun again, and goes on with what the index knows.
  private var failure: PosternError?
  private var isOver = false

  /// Rows that one commit may take along; more are written before it, so that a huge push stalls nobody.
  private static let rowsInCommit = 4_096
  /// Bytes after which what came is made durable and recorded, so that a crash loses no more of a long push.
  private static let recordByteCount: UInt64 = 64 << 20

  nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// A session of a push whose row stands in the index.
  init(
    begin: Begin, token: PushToken, chunker: ChunkerParameters, folder: DataFolder, index: ArchiveIndex,
    nodeCounter: NodeCounter
  ) {
    self.begin = begin
    self.chunker = chunker
    self.token = token
    self.folder = folder
    self.index = index
    self.nodeCounter = nodeCounter
  }

  deinit { nodeCounter.give(newNodes.count, of: begin.app) }

  // MARK: Objects

  /// Appends objects whose ids and shapes were verified; those that the pack has are passed over.
  ///
  /// - Throws: `push.budget` before anything of the batch is written; `push.unknown`, `storage.*`, `pack.*`.
  func append(_ batch: some IncomingBatch) async throws(PosternError) {
    await turns.take()
    defer { turns.pass() }
    try requireOpen()
    let fresh = batch.objects.filter { writer?.entry($0.id) == nil }
    let byteCount = fresh.reduce(0) { $0 + $1.byteCount }
    try charge(objectCount: fresh.count, byteCount: byteCount)
    try await makeRoom(objectCount: fresh.count, byteCount: byteCount)
    let outcome = batch.withUnsafeBytes { bytes in
      Result { () throws(PosternError) in try append(batch.objects, from: bytes) }
    }
    try outcome.get()
    try await recordIfDue()
  }

  /// Charges the budget for what is about to be stored.
  private func charge(objectCount: Int, byteCount: Int) throws(PosternError) {
    let cost = UInt64(byteCount + objectCount * Begin.objectOverheadByteCount)
    guard usedByteCount + cost <= begin.budgetByteCount else {
      throw PosternError(
        .pushBudget, "The push sends more than the \(begin.budgetByteCount) bytes that its begin allows.",
        advice: "Begin again with a larger budget; what was sent is kept.")
    }
    usedByteCount += cost
  }

  private func requireOpen() throws(PosternError) {
    guard !isOver else { throw .unknownPush }
    if let failure { throw failure }
    lastUsedSeconds = Clock.nowSeconds
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
      take(index.reservePack())
      writer = try folder.createPack(number: writerNumber, app: begin.app, generation: begin.generation)
      recordedByteCount = 0
    }
    guard writer?.entry(id) == nil else { return }
    if kind == .node { try take([id]) }
    _ = try writer?.append(id: id, kind: kind, bytes: bytes)
  }

  /// Remembers nodes that the push brought, as far as memory allows.
  private func take(_ nodes: some Collection<Digest>) throws(PosternError) {
    let fresh = nodes.filter { !newNodes.contains($0) }
    try nodeCounter.take(fresh.count, for: begin.app)
    newNodes.formUnion(fresh)
  }

  /// Which of these objects neither the archive nor this push has: a bit each, as `MissingResponse` has them.
  func missing(_ ids: [Digest]) throws(PosternError) -> [UInt8] {
    lastUsedSeconds = Clock.nowSeconds
    let (app, generation, token) = (begin.app, begin.generation, token)
    var bitmap = try index.read { (snapshot) throws(PosternError) in
      try snapshot.missing(ids, app: app, generation: generation, push: token)
    }
    for (position, id) in ids.enumerated() where writer?.entry(id) != nil {
      bitmap[position / 8] &= ~(1 << UInt8(position % 8))
    }
    return bitmap
  }

  /// Whether nobody has used the push since some second, and nobody does now.
  func isIdle(since seconds: UInt64) -> Bool {
    turns.isFree && lastUsedSeconds < seconds
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
    try requireOpen()
    let reached = try verifyHolding(
      root: fields.root, rootByteCount: Int(fields.rootByteCount), locate: locate, read: read)
    // Only now: bodies of an epoch that is not complete would stay in the pack.
    try await append(bodies)
    if unrecorded.count + (writer?.unsyncedCount ?? 0) > PushSession.rowsInCommit { try await record() }
    try finishWriter()
    try await drop(newNodes.subtracting(reached))
    return finished
  }

  private func append(_ bodies: [Digest: [UInt8]]) async throws(PosternError) {
    let digests = bodies.keys.sorted()
    let fresh = zip(digests, try locate(digests)).filter { $0.1 == nil }.map(\.0)
    let byteCount = fresh.reduce(0) { $0 + (bodies[$1]?.count ?? 0) }
    try charge(objectCount: fresh.count, byteCount: byteCount)
    try await makeRoom(objectCount: fresh.count, byteCount: byteCount)
    for digest in fresh {
      let body = bodies[digest] ?? []
      let outcome = body.withUnsafeBytes { bytes in
        Result { () throws(PosternError) in try append(id: digest, kind: .body, bytes) }
      }
      try outcome.get()
    }
  }

  /// Takes nodes that the push's tree does not reach out of the index: what is below them was never looked for, and
  /// once the pack is sealed they would pass for complete in the next epoch.
  private func drop(_ unreached: Set<Digest>) async throws(PosternError) {
    guard !unreached.isEmpty else { return }
    for position in finished.indices { finished[position].objects.removeAll { unreached.contains($0.id) } }
    var rest = Array(unreached)[...]
    while !rest.isEmpty {
      try await index.writer.dropObjects(Array(rest.prefix(ArchiveIndex.idLimit)), push: token)
      rest = rest.dropFirst(ArchiveIndex.idLimit)
    }
    forget(unreached)
  }

  private func forget(_ nodes: Set<Digest>) {
    let before = newNodes.count
    newNodes.subtract(nodes)
    nodeCounter.give(before - newNodes.count, of: begin.app)
  }

  /// The push goes on after its epoch was refused: rows that the commit would have taken along are entered now, so
  /// that what the packs hold is found.
  ///
  /// - Throws: `storage.*`, `index.*`; what was not entered has to be sent again.
  func reopen() async throws(PosternError) {
    for position in finished.indices where !finished[position].objects.isEmpty {
      let pack = finished[position]
      try await record(pack.objects, in: pack.pack, packByteCount: pack.byteCount)
      finished[position].objects = []
    }
  }

  // MARK: The end

  /// Ends the push and writes down what it has, so that the next begin of its uploader can go on with it.
  ///
  /// A disk that is full or has failed does not stand in the way of the next begin: what it took before is kept.
  ///
  /// - Throws: only what ends the process.
  func handOver() async throws(PosternError) {
    await turns.take()
    defer { turns.pass() }
    guard !isOver else { return }
    do throws(PosternError) {
      try await record()
      try await reopen()
    } catch let error where error.endsTheProcess {
      throw error
    } catch {}
    end()
  }

  /// The push is over: what is in memory is let go, and with it the files that the index does not know.
  func end() {
    isOver = true
    writer = nil
    (finished, unrecorded) = ([], [])
    forget(newNodes)
    for number in numbers {
      let known = Result { () throws(PosternError) in
        try index.read { (snapshot) throws(PosternError) in try snapshot.pack(number) }
      }
      // A file that cannot be removed now is removed at the next start.
      if case .success(nil) = known { try? folder.removePack(number: number) }
    }
  }

  /// Goes on in a pack that an earlier push of the same uploader left.
  ///
  /// - Throws: `pack.damaged`, `pack.wrong-space`, `storage.*`, `index.*`.
  func adopt(_ pack: PackRow) async throws(PosternError) {
    let rows = try index.read { (snapshot) throws(PosternError) in try snapshot.objects(pack: pack.number) }
    try finishWriter()
    take(pack.number)
    writer = try folder.adoptPack(
      number: pack.number, app: begin.app, generation: begin.generation, entries: rows.map(PackEntry.init),
      byteCount: pack.byteCount)
    recordedByteCount = writer?.byteCount ?? 0
    try take(rows.lazy.filter { $0.kind == PackEntry.Kind.node.rawValue }.map(\.id))
  }

  // MARK: Packs

  private func take(_ number: UInt64) {
    writerNumber = number
    numbers.insert(number)
  }

  private var openPack: OpenPack {
    OpenPack(number: writerNumber, app: begin.app, generation: begin.generation, push: token)
  }

  /// Finishes the pack when what comes does not fit into it whole.
  private func makeRoom(objectCount: Int, byteCount: Int) async throws(PosternError) {
    guard writer?.fits(objectCount: objectCount, byteCount: byteCount) == false else { return }
    try await record()
    try finishWriter()
  }

  private func recordIfDue() async throws(PosternError) {
    guard let byteCount = writer?.byteCount, byteCount - recordedByteCount >= PushSession.recordByteCount else {
      return
    }
    try await record()
  }

  /// Makes what was appended durable, then enters its rows: never the other way round.
  ///
  /// Rows that could not be entered stay in memory: the next call, or the commit, enters them.
  private func record() async throws(PosternError) {
    guard let entries = try writer?.sync(), let byteCount = writer?.byteCount else { return }
    unrecorded += entries.map(ObjectRow.init)
    recordedByteCount = byteCount
    while !unrecorded.isEmpty {
      let rows = Array(unrecorded.prefix(Index.ObjectBatch.rowLimit))
      try await record(rows, in: openPack, packByteCount: byteCount)
      unrecorded.removeFirst(rows.count)
    }
  }

  private func record(
    _ rows: [ObjectRow], in pack: OpenPack, packByteCount: UInt64
  ) async throws(PosternError) {
    try await index.writer.addObjects(
      Index.ObjectBatch(
        pack: pack, objects: rows, packByteCount: packByteCount, pushUsedByteCount: usedByteCount,
        nowSeconds: Clock.nowSeconds))
  }

  private func finishWriter() throws(PosternError) {
    guard let finishing = writer.take() else { return }
    let rows = unrecorded + finishing.unsyncedEntries.map(ObjectRow.init)
    unrecorded = []
    do throws(PosternError) {
      let done = try finishing.finish()
      finished.append(PackSealing(pack: openPack, name: done.name, byteCount: done.byteCount, objects: rows))
    } catch {
      failure = error
      throw error
    }
  }

  // MARK: Looking up

  private func locate(_ ids: [Digest]) throws(PosternError) -> [HeldObject?] {
    let (app, generation, token) = (begin.app, begin.generation, token)
    let recorded = try index.read { (snapshot) throws(PosternError) in
      try snapshot.locate(ids, app: app, generation: generation, push: token)
    }
    var packs = OpenedPacks(recorded.packs, folder: folder)
    var objects: [HeldObject?] = []
    for (id, location) in zip(ids, recorded.objects) {
      if let entry = writer?.entry(id) {
        objects.append(HeldObject(kind: entry.kind.rawValue, byteCount: Int(entry.length), isNew: true))
      } else if let location {
        objects.append(try held(location, isNew: recorded.packs[location.pack]?.state == .open, &packs))
      } else {
        objects.append(nil)
      }
    }
    return objects
  }

  private func held(
    _ location: ObjectLocation, isNew: Bool, _ packs: inout OpenedPacks
  ) throws(PosternError) -> HeldObject {
    var level: Int?
    if !isNew, location.kind == PackEntry.Kind.node.rawValue {
      let prefix = try packs.read(location, byteCount: NodePublicPart.levelPrefixByteCount)
      level = NodePublicPart.level(inPrefix: prefix)
    }
    return HeldObject(kind: location.kind, byteCount: Int(location.length), isNew: isNew, level: level)
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
