public import Core

/// A pack while it is written: objects go in one after the other, then ``finish()`` gives it its name.
///
/// Once a write or a sync has failed, nobody knows what the file holds behind the last sync: every later call throws
/// that error again, and the file is taken up from what the index knows of it, or removed. A write may fail behind the
/// caller's back, which the next call tells that needs the disk.
public struct PackWriter: ~Copyable, Sendable {
  /// The application whose objects the pack holds.
  public let app: Digest
  /// The generation whose objects the pack holds; 0 for bodies of the whole application.
  public let generation: UInt64

  private var blocks: BlockWriter
  private var table: EntryTable
  /// How many entries the last sync has made durable.
  private var syncedCount: Int
  /// What made the value useless.
  private var failure: PosternError?

  private init(_ blocks: consuming BlockWriter, app: Digest, generation: UInt64, table: EntryTable) {
    self.blocks = blocks
    self.app = app
    self.generation = generation
    self.table = table
    syncedCount = table.entries.count
  }

  /// Starts a pack in a new file, whose name is not durable before its folder is synced.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - app: the application whose objects it holds.
  ///   - generation: the generation.
  ///   - waiting: counts what waits in memory.
  ///   - files: the file system.
  /// - Throws: `storage.exists`, `storage.missing`, `storage.denied`, `storage.full`, `storage.failed`.
  package init(
    creating path: String, app: Digest, generation: UInt64, waiting: WaitingBytes = WaitingBytes(),
    files: any FileLayer = SystemFiles()
  ) throws(PosternError) {
    let file = try OpenFile(path, .create, files: files)
    let header = PackFormat.header(app: app, generation: generation)
    let blocks = BlockWriter(file, beginning: header, waiting: waiting)
    self.init(blocks, app: app, generation: generation, table: EntryTable())
  }

  /// Takes up an unfinished pack: what lies beyond the bytes that the index knows is cut off.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - app: the application that its header has to name.
  ///   - generation: the generation that its header has to name.
  ///   - entries: every object of the file that the index knows, in any order.
  ///   - byteCount: how much of the file was synced, by the index: at least those entries.
  ///   - waiting: counts what waits in memory.
  ///   - files: the file system.
  /// - Throws: `pack.damaged` when the file is shorter, has a second name (a hard link), or the entries do not lie back
  ///   to back; `pack.wrong-space`; `storage.missing`, `storage.denied`, `storage.failed`.
  package init(
    adopting path: String, app: Digest, generation: UInt64, entries: [PackEntry], byteCount: UInt64,
    waiting: WaitingBytes = WaitingBytes(), files: any FileLayer = SystemFiles()
  ) throws(PosternError) {
    let file = try OpenFile(path, .update, files: files)
    guard file.hasOneName else { throw PackFormat.damaged(path, "it is another file's hard link") }
    try PackHeader.check(file, app: app, generation: generation)
    guard entries.count <= PackFormat.objectLimit else { throw PackFormat.damaged(path, "it holds too many objects") }
    var table = EntryTable()
    for entry in entries.sorted(by: { $0.offset < $1.offset }) {
      guard let place = table.vacancy(for: entry.id) else { throw PackFormat.damaged(path, "it holds an id twice") }
      table.append(entry, at: place)
    }
    let start = UInt64(PackFormat.headerByteCount)
    let end = entries.reduce(start) { max($0, $1.end) }
    guard PackEntry.areContiguous(entries, from: start, to: end) else {
      throw PackFormat.damaged(path, "its objects do not lie back to back")
    }
    guard end <= byteCount, byteCount <= (try file.length()) else {
      throw PackFormat.damaged(path, "its end is missing")
    }
    try file.truncate(to: end)
    self.init(BlockWriter(file, byteCount: end, waiting: waiting), app: app, generation: generation, table: table)
  }

  /// How many bytes the file has so far, those that still wait in memory included.
  public var byteCount: UInt64 { blocks.byteCount }

  /// How many objects the pack holds so far.
  public var count: Int { table.entries.count }

  /// Whether more objects still fit, their lines in the footer included.
  ///
  /// - Parameters:
  ///   - objectCount: how many objects.
  ///   - addedByteCount: bytes of all of them.
  public borrowing func fits(objectCount: Int, byteCount addedByteCount: Int) -> Bool {
    let objects = count + objectCount
    let end = UInt64(PackFormat.endByteCount(objects: objects))
    return objects <= PackFormat.objectLimit && byteCount + UInt64(addedByteCount) + end <= PackFormat.fileByteLimit
  }

  /// The entry of an object that the pack holds, durable or not.
  public borrowing func entry(_ id: Digest) -> PackEntry? { table[id] }

  /// The entries that no ``sync()`` has made durable yet: the index may not know them.
  public var unsyncedEntries: ArraySlice<PackEntry> { table.entries[syncedCount...] }

  /// Appends an object whose bytes the caller has checked against the id, unless the pack holds it.
  ///
  /// - Parameters:
  ///   - id: SHA-256 of the bytes.
  ///   - kind: what the object is.
  ///   - bytes: 1 to ``PackFormat/objectByteLimit`` bytes, copied.
  /// - Returns: where it lies now; nil when the pack held it before, and nothing was written.
  /// - Throws: with the pack as it was: `pack.full`, `pack.object-length`. Else `storage.full`, `storage.failed`.
  @discardableResult
  public mutating func append(
    id: Digest, kind: ObjectKind, bytes: UnsafeRawBufferPointer
  ) throws(PosternError) -> PackEntry? {
    guard (1...PackFormat.objectByteLimit).contains(bytes.count) else {
      throw PosternError(
        .packObjectLength, "An object has \(bytes.count) bytes; 1 to \(PackFormat.objectByteLimit) are allowed.",
        advice: "Send it in smaller pieces.")
    }
    guard let place = table.vacancy(for: id) else { return nil }
    guard fits(objectCount: 1, byteCount: bytes.count) else {
      throw PosternError(.packFull, "The pack takes no more objects.", advice: "Finish it and start another.")
    }
    let entry = PackEntry(id: id, kind: kind, offset: byteCount, length: UInt32(bytes.count))
    try orFail { (writer) throws(PosternError) in try writer.blocks.append(bytes) }
    table.append(entry, at: place)
    return entry
  }

  /// Reads an object of the unfinished pack back.
  ///
  /// - Throws: `storage.full`, `storage.failed`; `pack.damaged` for an entry that is not of this pack.
  public mutating func read(_ entry: PackEntry) throws(PosternError) -> [UInt8] {
    if entry.end > blocks.drainedByteCount { try orFail { (writer) throws(PosternError) in try writer.blocks.flush() } }
    guard let bytes = try blocks.read(at: entry.offset, count: Int(entry.length)) else {
      throw PackFormat.damaged(blocks.path, "an object lies beyond its end")
    }
    return bytes
  }

  /// Starts reading an object without waiting, so that ``read(_:)`` finds it in memory.
  public borrowing func prefetch(_ entry: PackEntry) {
    if entry.end <= blocks.drainedByteCount { blocks.prefetch(at: entry.offset, count: Int(entry.length)) }
  }

  /// Makes durable what was appended: fdatasync, after which a crash loses none of it.
  ///
  /// - Returns: the entries since the sync before, which the index may know from now on.
  /// - Throws: `storage.full`, `storage.failed`; `storage.sync-failed`, after which the process ends.
  public mutating func sync() throws(PosternError) -> ArraySlice<PackEntry> {
    try orFail { (writer) throws(PosternError) in try writer.blocks.syncData() }
    defer { syncedCount = table.entries.count }
    return unsyncedEntries
  }

  /// Writes footer and trailer and makes the whole file durable (fdatasync); its name in `incoming/` is
  /// durable since the folder was synced at its creation.
  ///
  /// - Throws: `storage.full`, `storage.failed`; `storage.sync-failed`, after which the process ends.
  public consuming func finish() throws(PosternError) -> FinishedPack {
    if let failure { throw failure }
    let entries = table.entries.sorted { $0.id < $1.id }
    let footer = PackFooter(app: app, generation: generation, entries: entries)
    try write(footer.bytes)
    try write(PackFormat.trailer(footerByteCount: footer.bytes.count))
    try blocks.syncData()
    return FinishedPack(name: footer.name, entries: entries, byteCount: byteCount)
  }

  /// Runs a step whose failure leaves the file in a state that nobody knows.
  private mutating func orFail(
    _ body: (inout PackWriter) throws(PosternError) -> Void
  ) throws(PosternError) {
    if let failure { throw failure }
    do throws(PosternError) {
      try body(&self)
    } catch {
      failure = error
      throw error
    }
  }

  private mutating func write(_ bytes: [UInt8]) throws(PosternError) {
    try bytes.withRawBytes { (bytes) throws(PosternError) in try blocks.append(bytes) }
  }
}

/// A pack whose whole file is durable in `incoming/`, and which no commit has sealed yet.
public struct FinishedPack: Sendable {
  /// SHA-256 of the footer.
  public let name: Digest
  /// Every object, sorted by id.
  public let entries: [PackEntry]
  /// How many bytes the file has.
  public let byteCount: UInt64

  /// The entries as a run has them.
  ///
  /// - Parameter number: the pack's number.
  public func runEntries(number: UInt64) -> [RunEntry] {
    entries.enumerated().map { RunEntry(prefix: $1.id.prefix, pack: number, position: $0) }
  }
}
