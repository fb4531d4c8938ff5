public import Core

/// A pack while it is written: objects go in one after the other, then ``finish()`` gives it its name.
///
/// Bytes are collected into blocks of 1 MiB that end on multiples of 1 MiB in the file, since objects come one by
/// one and have 16 KiB or so: a system call an object would cost more than the copy. Once a write or a sync
/// has failed, nobody knows what the file holds behind the last sync: every later call throws that error
/// again, and the file is taken up from what the index knows of it, or removed.
///
/// `@unchecked Sendable`: the block of memory has this one owner, and only its mutating methods touch it.
public struct PackWriter: ~Copyable, @unchecked Sendable {
  /// The application whose objects the pack holds.
  public let app: Digest
  /// The generation whose objects the pack holds; 0 for bodies of the whole application.
  public let generation: UInt64

  private let file: OpenFile
  private var table: EntryTable
  /// How many entries the last sync has made durable.
  private var syncedCount: Int
  private let block: UnsafeMutableRawBufferPointer
  /// How many bytes the file has, and how many wait in `block` to follow them.
  private var writtenByteCount: UInt64
  private var pendingByteCount = 0
  /// What made the value useless.
  private var failure: PosternError?

  private static let blockByteCount = 1 << 20

  private init(
    file: consuming OpenFile, app: Digest, generation: UInt64, table: EntryTable, writtenByteCount: UInt64
  ) {
    self.file = file
    self.app = app
    self.generation = generation
    self.table = table
    self.writtenByteCount = writtenByteCount
    syncedCount = table.entries.count
    block = .allocate(byteCount: PackWriter.blockByteCount, alignment: MemoryLayout<UInt64>.alignment)
  }

  deinit { block.deallocate() }

  /// Starts a pack in a new file, whose name is not durable before its folder is synced.
  ///
  /// - Throws: `storage.exists`, `storage.missing`, `storage.denied`, `storage.full`, `storage.failed`.
  public init(
    creating path: String, app: Digest, generation: UInt64, files: any FileLayer = SystemFiles()
  ) throws(PosternError) {
    let file = try OpenFile(path, .create, files: files)
    self.init(file: file, app: app, generation: generation, table: EntryTable(), writtenByteCount: 0)
    PackFormat.header(app: app, generation: generation).withUnsafeBytes { put($0) }
  }

  /// Takes up an unfinished pack: what lies beyond the bytes that the index knows is cut off.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - app: the application that its header has to name.
  ///   - generation: the generation that its header has to name.
  ///   - entries: every object of the file that the index knows, in any order.
  ///   - byteCount: how much of the file was synced, by the index: at least those entries.
  ///   - files: the file system.
  /// - Throws: `pack.damaged` when the file is shorter or the entries do not lie back to back;
  ///   `pack.wrong-space`; `storage.missing`, `storage.denied`, `storage.failed`.
  public init(
    adopting path: String, app: Digest, generation: UInt64, entries: [PackEntry], byteCount: UInt64,
    files: any FileLayer = SystemFiles()
  ) throws(PosternError) {
    let file = try OpenFile(path, .update, files: files)
    try PackHeader.check(file, app: app, generation: generation)
    var table = EntryTable()
    for entry in entries.sorted(by: { $0.offset < $1.offset }) {
      guard let slot = table.vacancy(for: entry.id) else { throw PackFormat.damaged(path, "it holds an id twice") }
      table.append(entry, at: slot)
    }
    let start = UInt64(PackFormat.headerByteCount)
    let end = entries.reduce(start) { max($0, $1.end) }
    guard entries.count <= PackFormat.objectLimit, PackEntry.areContiguous(entries, from: start, to: end) else {
      throw PackFormat.damaged(path, "its objects do not lie back to back")
    }
    guard end <= byteCount, byteCount <= (try file.length()) else {
      throw PackFormat.damaged(path, "its end is missing")
    }
    try file.truncate(to: end)
    self.init(file: file, app: app, generation: generation, table: table, writtenByteCount: end)
  }

  /// How many bytes the file has so far, those that still wait in memory included.
  public var byteCount: UInt64 { writtenByteCount + UInt64(pendingByteCount) }

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

  /// How many entries no ``sync()`` has made durable yet.
  public var unsyncedCount: Int { table.entries.count - syncedCount }

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
    guard let slot = table.vacancy(for: id) else { return nil }
    guard fits(objectCount: 1, byteCount: bytes.count) else {
      throw PosternError(.packFull, "The pack takes no more objects.", advice: "Finish it and start another.")
    }
    let entry = PackEntry(id: id, kind: kind, offset: byteCount, length: UInt32(bytes.count))
    try orFail { (writer) throws(PosternError) in try writer.write(bytes) }
    table.append(entry, at: slot)
    return entry
  }

  /// Reads an object of the unfinished pack back.
  ///
  /// - Throws: `storage.full`, `storage.failed`; `pack.damaged` for an entry that is not of this pack.
  public mutating func read(_ entry: PackEntry) throws(PosternError) -> [UInt8] {
    if entry.end > writtenByteCount { try orFail { (writer) throws(PosternError) in try writer.flush() } }
    guard let bytes = try file.read(at: entry.offset, count: Int(entry.length)) else {
      throw PackFormat.damaged(file.path, "an object lies beyond its end")
    }
    return bytes
  }

  /// Makes durable what was appended: fdatasync, after which a crash loses none of it.
  ///
  /// - Returns: the entries since the sync before, which the index may know from now on.
  /// - Throws: `storage.full`, `storage.failed`; `storage.sync-failed`, after which the process ends.
  public mutating func sync() throws(PosternError) -> ArraySlice<PackEntry> {
    try orFail { (writer) throws(PosternError) in try writer.makeDurable() }
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
    try makeDurable()
    return FinishedPack(name: footer.name, entries: entries, byteCount: writtenByteCount)
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

  private mutating func makeDurable() throws(PosternError) {
    try flush()
    try file.syncData()
  }

  private mutating func write(_ bytes: [UInt8]) throws(PosternError) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(PosternError) in
      try write(UnsafeRawBufferPointer(buffer))
    }
  }

  private mutating func write(_ bytes: UnsafeRawBufferPointer) throws(PosternError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(room))
      put(piece)
      rest = rest.dropFirst(piece.count)
      if room == 0 { try flush() }
    }
  }

  /// How many bytes the block takes until it ends on a multiple of its size in the file.
  private var room: Int {
    PackWriter.blockByteCount - Int(writtenByteCount % UInt64(PackWriter.blockByteCount)) - pendingByteCount
  }

  private mutating func put(_ bytes: UnsafeRawBufferPointer) {
    UnsafeMutableRawBufferPointer(rebasing: block[pendingByteCount...]).copyMemory(from: bytes)
    pendingByteCount += bytes.count
  }

  private mutating func flush() throws(PosternError) {
    guard pendingByteCount > 0 else { return }
    try file.write(UnsafeRawBufferPointer(rebasing: block[..<pendingByteCount]), at: writtenByteCount)
    // A sync comes every few dozen blocks, and whoever pushes waits for it: by then most of them are on the disk.
    if pendingByteCount == PackWriter.blockByteCount {
      file.startWriteback(at: writtenByteCount, count: pendingByteCount)
    }
    writtenByteCount += UInt64(pendingByteCount)
    pendingByteCount = 0
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
