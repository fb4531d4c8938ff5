internal import Bulk
public import Core
public import Merkle
import Synchronization
public import Trust

/// A folder of the one layout, read without an index: what `pull` wrote, or an archive's data folder or a copy of it.
///
/// Nothing is locked, and nothing is trusted to be what it should: whoever reads checks ids, proofs and signatures.
/// Objects are found by the packs' footers. Waiting for the disk holds none of the threads that all tasks share.
public final class FolderSource: Source {
  /// Bytes between two wanted objects that are read and thrown away rather than skipped.
  private static let gapByteCount: UInt64 = 16 << 10
  private static let readerCount = 4

  private struct Space: Hashable {
    let app: Digest
    let generation: UInt64
  }

  /// The root's path.
  public let path: String
  private let layout: FolderLayout
  private let files: any FileLayer
  private let open: OpenPacks
  private let shelves = Mutex<[Space: PackShelf]>([:])
  /// Whose turn it is to look through a space's packs: all that ask for them at once would do it side by side.
  private let looking = Turns()
  private let readers = QueuePool(label: "postern.folder", width: readerCount)

  /// A folder to read from; it is looked at when something is asked.
  ///
  /// - Parameters:
  ///   - path: the root.
  ///   - files: the file system.
  public init(_ path: String, files: any FileLayer = SystemFiles()) {
    self.path = path
    self.files = files
    layout = FolderLayout(root: path)
    open = OpenPacks(files: files)
  }

  // MARK: The log

  /// The published checkpoint's note.
  ///
  /// - Throws: `source.absent` where there is none; `storage.*`.
  public func checkpoint() async throws -> [UInt8] {
    guard let note = try log(LogPath.checkpoint.text, byteLimit: SignedNote.maximumByteCount) else {
      throw PosternError.lacking(path, "a published log")
    }
    return note
  }

  /// A tile; of a full one the beginning where the partial one is gone.
  ///
  /// - Throws: `source.absent`, `log.tile`, `storage.*`.
  public func tile(_ coordinate: TileCoordinate) async throws -> [UInt8] {
    if let bytes = try log(coordinate.path, byteLimit: coordinate.byteCount) {
      guard bytes.count == coordinate.byteCount else { throw PosternError.shortTile(path, coordinate) }
      return bytes
    }
    let full = try TileCoordinate(level: coordinate.level, index: coordinate.index, width: TileCoordinate.fullWidth)
    guard !coordinate.isFull, let bytes = try log(full.path, byteLimit: full.byteCount) else {
      throw PosternError.lacking(path, "the tile \(coordinate.path)")
    }
    guard bytes.count == full.byteCount else { throw PosternError.shortTile(path, full) }
    return Array(bytes.prefix(coordinate.byteCount))
  }

  /// A bundle of entries; cut from the full one where the partial one is gone.
  ///
  /// - Throws: `source.absent`, `log.bundle`, `storage.*`.
  public func entries(_ coordinate: BundleCoordinate) async throws -> [UInt8] {
    if let bytes = try log(coordinate.path, byteLimit: coordinate.maximumByteCount) { return bytes }
    let full = try BundleCoordinate(index: coordinate.index, width: TileCoordinate.fullWidth)
    guard coordinate != full, let bytes = try log(full.path, byteLimit: full.maximumByteCount) else {
      throw PosternError.lacking(path, "the entries \(coordinate.path)")
    }
    let entries = try EntryBundle(parsing: bytes, width: full.width).entries
    return try EntryBundle(Array(entries.prefix(coordinate.width))).bytes
  }

  /// The indices of the entry bundles that the folder has, of any width, rising.
  ///
  /// - Throws: `storage.*`.
  public func bundles() async throws -> [UInt64] {
    var found: Set<UInt64> = []
    var folders = ["tile/entries"]
    while let folder = folders.popLast() {
      for name in try files.namesIfThere(layout.log(folder)) {
        let text = "\(folder)/\(name)"
        if name.hasPrefix("x") && !name.hasSuffix(".p") && name.utf8.count == 4 {
          // Links could lead round in circles.
          let isOwn = (try? OpenFile(layout.log(text), .ownFolder, files: files)) != nil
          if isOwn, text.utf8.count <= LogPath.maximumByteCount { folders.append(text) }
        } else if let bundle = FolderSource.bundle(text) {
          found.insert(bundle)
        }
      }
    }
    return found.sorted()
  }

  /// The bundle that a file, or a folder of partial ones, is of.
  private static func bundle(_ text: String) -> UInt64? {
    let path = text.hasSuffix(".p") ? String(text.dropLast(2)) : text
    guard case .entries(let bundle)? = try? LogPath(parsing: path) else { return nil }
    return bundle.index
  }

  private func log(_ path: String, byteLimit: Int) throws(PosternError) -> [UInt8]? {
    do throws(PosternError) {
      return try DurableFile.read(layout.log(path), byteLimit: byteLimit, files: files)
    } catch let error where error.code == .storageMissing {
      return nil
    }
  }

  // MARK: Objects

  /// Whether the folder is an archive's own, as far as its names say.
  ///
  /// - Throws: `storage.*`.
  public func isDataFolder() throws(PosternError) -> Bool {
    try files.namesIfThere(path).contains { FolderLayout.Part(rawValue: $0)?.isArchivesOwn == true }
  }

  /// Files that should be packs, and are no whole ones or cannot be read, among those of the applications and
  /// generations that something was asked of.
  public var unusablePacks: UnusablePacks {
    shelves.withLock { Array($0.values) }.reduce(into: UnusablePacks()) { $0.add($1.unusable) }
  }

  /// A body.
  ///
  /// Of several copies the first is given that is what the digest says; where none of 16 is, one that is not.
  ///
  /// - Throws: `source.absent`, `pack.damaged`, `storage.*`.
  public func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] {
    let shelf = try await shelf(app, generation)
    let body = try await onDisk { (folder) throws(PosternError) -> [UInt8]? in
      var body: [UInt8]?
      for place in try shelf.packs(holding: digest) {
        let bytes = try folder.read(place)
        if SHA256.hash(bytes) == digest { return bytes }
        body = bytes
      }
      return body
    }
    guard let body else { throw PosternError.lacking(path, "the body \(digest) of generation \(generation)") }
    return body
  }

  /// Chunks and nodes, in the order in which they lie in the packs, neighbours read together.
  ///
  /// Of several copies one is given that is what the id says; where none of 16 is, one that is not. A batch has a
  /// mebibyte at the most: no pack is opened that gives an object more bytes than its kind has.
  ///
  /// - Throws: `pack.damaged`, `storage.*`; what `receive` throws.
  public func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws {
    let shelf = try await shelf(query.app, query.generation)
    let batches = try await onDisk { (folder) throws(PosternError) in
      let places = try shelf.places(of: query.ids)
      return FolderSource.batches(places.map { (id: $0.key, place: $0.value) })
    }
    for batch in batches {
      try await receive(try await onDisk { (folder) throws(PosternError) in try folder.read(batch, from: shelf) })
    }
  }

  /// Which of some objects no pack of the folder holds; their bytes are not looked at.
  ///
  /// - Throws: `pack.damaged`, `storage.*`.
  public func absent(_ ids: [Digest], app: Digest, generation: UInt64) async throws -> [Digest] {
    let shelf = try await shelf(app, generation)
    return try await onDisk { (folder) throws(PosternError) in
      let places = try shelf.places(of: ids)
      return ids.filter { places[$0] == nil }
    }
  }

  /// The names of the packs that hold an object, 16 at the most.
  ///
  /// - Throws: `pack.damaged`, `storage.*`.
  public func packs(holding id: Digest, app: Digest, generation: UInt64) async throws -> [Digest] {
    let shelf = try await shelf(app, generation)
    return try await onDisk { (folder) throws(PosternError) in try shelf.packs(holding: id).map(\.pack.name) }
  }

  /// Whether an object in a certain pack is what its id says.
  ///
  /// - Throws: `pack.damaged`, `storage.*`.
  public func isSound(_ id: Digest, in name: Digest, app: Digest, generation: UInt64) async throws -> Bool {
    let shelf = try await shelf(app, generation)
    return try await onDisk { (folder) throws(PosternError) in
      let places = try shelf.packs(holding: id)
      guard let place = places.first(where: { $0.pack.name == name }) else { return false }
      return SHA256.hash(try folder.read(place)) == id
    }
  }

  /// Takes notice of a pack that was placed in the folder, or removed from it.
  ///
  /// - Throws: `storage.*`, `pack.*`.
  public func notice(_ name: Digest, app: Digest, generation: UInt64, isPlaced: Bool) async throws {
    let shelf = try await shelf(app, generation)
    try await onDisk { (folder) throws(PosternError) in
      if isPlaced { try shelf.add(name) } else { shelf.remove(name) }
    }
  }

  private func onDisk<Result: Sendable>(
    _ body: @escaping @Sendable (FolderSource) throws(PosternError) -> Result
  ) async throws -> Result {
    try await withTaskExecutorPreference(readers) { try body(self) }
  }

  /// The packs of an application and generation, looked through once: whoever else asks meanwhile waits.
  private func shelf(_ app: Digest, _ generation: UInt64) async throws -> PackShelf {
    let space = Space(app: app, generation: generation)
    if let shelf = shelves.withLock({ $0[space] }) { return shelf }
    await looking.take()
    defer { looking.pass() }
    if let shelf = shelves.withLock({ $0[space] }) { return shelf }
    let shelf = try await onDisk { (folder) throws(PosternError) in
      try PackShelf(
        app: app, generation: generation, layout: folder.layout, open: folder.open, files: folder.files)
    }
    shelves.withLock { $0[space] = shelf }
    return shelf
  }

  /// Objects that one batch carries, as ranges of packs.
  private struct Batch: Sendable {
    struct Read: Sendable {
      let pack: SearchedPack
      let offset: UInt64
      var byteCount: Int
    }
    var reads: [Read] = []
    /// Ids, the packs that they are read from, and where in the batch's bytes they lie.
    var objects: [(id: Digest, pack: SearchedPack, range: Range<Int>)] = []
    var byteCount = 0

    /// Adds an object that lies behind the last one's end, in its pack or another.
    mutating func append(_ id: Digest, _ place: PackShelf.Place) {
      let entry = place.entry
      if let last = reads.last, last.pack === place.pack, entry.offset >= last.offset + UInt64(last.byteCount),
        entry.offset - last.offset - UInt64(last.byteCount) <= gapByteCount
      {
        let added = Int(entry.end - last.offset) - last.byteCount
        reads[reads.count - 1].byteCount += added
        byteCount += added
      } else {
        reads.append(Read(pack: place.pack, offset: entry.offset, byteCount: Int(entry.length)))
        byteCount += Int(entry.length)
      }
      objects.append((id, place.pack, byteCount - Int(entry.length)..<byteCount))
    }
  }

  /// Sorts objects into batches: pack by pack, front to back.
  private static func batches(_ found: [(id: Digest, place: PackShelf.Place)]) -> [Batch] {
    let sorted = found.sorted { left, right in
      left.place.pack === right.place.pack
        ? left.place.entry.offset < right.place.entry.offset : left.place.pack.name < right.place.pack.name
    }
    var batches: [Batch] = []
    var batch = Batch()
    for (id, place) in sorted {
      let byteCount = batch.byteCount + Int(place.entry.length) + Int(gapByteCount)
      if batch.byteCount > 0, byteCount > ProtocolLimits.batchByteCount {
        batches.append(batch)
        batch = Batch()
      }
      batch.append(id, place)
    }
    if !batch.objects.isEmpty { batches.append(batch) }
    return batches
  }

  private func read(_ batch: Batch, from shelf: PackShelf) throws(PosternError) -> [SourceObject] {
    let bytes = try read(batch)
    let packs = shelf.all
    var objects: [SourceObject] = []
    for (id, pack, range) in batch.objects {
      // Whoever asked hashes it as well: here only where there is a choice.
      let hasOther = packs.contains { $0 !== pack && $0.mayHold(id) }
      let isRotten = hasOther && bytes[range].withUnsafeBytes { SHA256.hash($0) } != id
      let other = isRotten ? try soundCopy(of: id, on: shelf) : nil
      objects.append(SourceObject(id: id, bytes: other?[...] ?? bytes[range]))
    }
    return objects
  }

  /// A chunk or node that rotted in one pack, from another.
  private func soundCopy(of id: Digest, on shelf: PackShelf) throws(PosternError) -> [UInt8]? {
    for place in try shelf.packs(holding: id) where place.entry.kind != .body {
      let bytes = try read(place)
      if SHA256.hash(bytes) == id { return bytes }
    }
    return nil
  }

  private func read(_ batch: Batch) throws(PosternError) -> [UInt8] {
    var failure: PosternError?
    let bytes = [UInt8](unsafeUninitializedCapacity: batch.byteCount) { buffer, initialized in
      var done = 0
      let memory = UnsafeMutableRawBufferPointer(buffer)
      do throws(PosternError) {
        for read in batch.reads {
          let target = UnsafeMutableRawBufferPointer(rebasing: memory[done..<done + read.byteCount])
          try open.read(read.pack, at: read.offset, into: target)
          done += read.byteCount
        }
        initialized = batch.byteCount
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  private func read(_ place: PackShelf.Place) throws(PosternError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: Int(place.entry.length))
    try bytes.withMutableRawBytes { (buffer) throws(PosternError) in
      try open.read(place.pack, at: place.entry.offset, into: buffer)
    }
    return bytes
  }
}

extension PosternError {
  fileprivate static func lacking(_ path: String, _ what: String) -> PosternError {
    PosternError(
      .sourceAbsent, "The folder “\(path)” does not hold \(what).",
      advice: "Copy it again from an archive or a copy that has it.")
  }

  fileprivate static func shortTile(_ path: String, _ tile: TileCoordinate) -> PosternError {
    PosternError(
      .logTile, "The tile \(tile.path) in “\(path)” has another length than \(tile.byteCount) bytes.",
      advice: "Copy it again from an archive or a copy that has it.")
  }
}
