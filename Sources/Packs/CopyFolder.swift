internal import Bulk
public import Core
internal import Glibc
internal import Merkle
internal import Synchronization

/// A folder that a copy of an archive is written into, held by this process alone as long as the value lives.
///
/// It has the layout of a data folder, and neither keys nor an index. What an interrupted copy left half written is
/// checked against its ids and kept when the folder is opened again.
public final class CopyFolder: Sendable {
  let folder: DataFolder
  /// How many packs were begun since the folder was opened.
  private let packCount = Atomic<UInt64>(0)

  private init(_ folder: DataFolder) {
    self.folder = folder
  }

  /// Opens a folder for a copy, which is made where there is none, and settles what an interruption left.
  ///
  /// - Parameters:
  ///   - path: the folder; its parent exists.
  ///   - files: the file system.
  /// - Throws: `folder.taken` for a file, an archive's data folder, or one that holds anything that is nothing of a
  ///   copy, which stays as it is; `storage.kind` where a link stands for one of its folders; `storage.in-use` when
  ///   another copy is being written there; `storage.*`.
  public static func open(
    at path: String, files: any FileLayer = SystemFiles()
  ) throws(PosternError) -> CopyFolder {
    let layout = FolderLayout(root: path)
    try DurableFile.makeFolder(path, files: files)
    // “NAME/.” leads to a folder and to nothing else.
    guard access("\(path)/.", F_OK) == 0 || errno != ENOTDIR else { throw .noFolder(path) }
    try requireCopy(layout, files: files)
    guard let lock = try DataFolder.takeLock(layout, .lock, files: files) else {
      throw PosternError(
        .storageInUse, "Another process is writing a copy into “\(path)”.", advice: "Wait until it is done.")
    }
    let folder = DataFolder(layout: layout, files: files, lock: lock)
    try folder.makeFolders(FolderLayout.Part.copyFolders)
    let copy = CopyFolder(folder)
    try copy.settle()
    return copy
  }

  /// Refuses a folder that is not empty and no copy either: what lies in it could not be told from what a pull writes,
  /// replaces and removes.
  private static func requireCopy(_ layout: FolderLayout, files: any FileLayer) throws(PosternError) {
    let names = try files.namesIfThere(layout.root).filter { $0 != FolderLayout.foundName }
    guard !names.contains(where: { FolderLayout.Part(rawValue: $0)?.isArchivesOwn == true }) else {
      throw .archivesOwn(layout.root)
    }
    guard !names.isEmpty else { return }
    var foreign = names.filter { FolderLayout.Part(rawValue: $0) == nil }
    for part in FolderLayout.Part.copyFolders where names.contains(part.rawValue) {
      let path = layout.path(part)
      _ = try OpenFile(path, .ownFolder, files: files)
      foreign += try files.namesIfThere(path).filter { !isOfCopy($0, in: part) }.map { "\(part.rawValue)/\($0)" }
    }
    if let first = foreign.min() { throw .otherThings(layout.root, first) }
    // The lock is the first that a pull makes, and the checkpoint the last: any copy has one of them.
    let log = try files.namesIfThere(layout.log)
    guard names.contains(FolderLayout.Part.lock.rawValue) || log.contains(checkpoint) else {
      throw .otherThings(layout.root, names.min() ?? "")
    }
  }

  private static let checkpoint = LogPath.checkpoint.text

  /// Whether a copy has something of this name in one of its folders.
  private static func isOfCopy(_ name: String, in part: FolderLayout.Part) -> Bool {
    switch part {
    case .incoming: DataFolder.isIncoming(name)
    case .log: [checkpoint, "tile"].contains(name)
    case .packs: Digest(hex: name).map { $0.hex == name } ?? false
    case .lock, .index, .keys, .runs: false
    }
  }

  /// Publishes files of the log; see ``DataFolder/publish(_:)``.
  ///
  /// - Throws: `storage.*`.
  public func publish(_ files: [LogFile]) throws(PosternError) { try folder.publish(files) }

  /// Removes partial tiles or bundles whose place a full one has taken; see ``DataFolder/removePartials(of:)``.
  ///
  /// - Throws: `storage.*`.
  public func removePartials(of path: String) throws(PosternError) { try folder.removePartials(of: path) }

  /// Writes the objects of a placed pack that are what their ids say into a new one, and removes it.
  ///
  /// A pack with holes stays as it is: written anew, what somebody made up of nothing would take room.
  ///
  /// - Returns: the new pack's name, or the old one's where that stays or all of it is good; nil where nothing was.
  /// - Throws: `storage.*`, `pack.*`; the old pack is there then.
  public func mend(_ name: Digest, app: Digest, generation: UInt64) throws(PosternError) -> Digest? {
    let path = folder.layout.pack(app: app, generation: generation, name: name)
    let reader = try PackReader(path, name: name, files: folder.files)
    guard try !reader.hasHoles() else { return name }
    var writer = CopyWriter(into: self, app: app, generation: generation)
    for entry in reader.footer.entriesAsTheyLie {
      do throws(PosternError) {
        try writer.append(try reader.read(entry), id: entry.id, kind: entry.kind)
      } catch let error where error.code == .packObjectDamaged {}
    }
    let new = try writer.finish()
    try folder.makeFolder(folder.layout.packs(app: app, generation: generation))
    // A pack of the same objects has the same name, and lies in the old one's place by now.
    if new != name { try folder.remove(path) }
    return new
  }

  /// The number of the next pack in `incoming/`, which ``settle()`` has left without any.
  ///
  /// What others put there meanwhile is not counted on from: a file's name may be any number.
  func nextPackNumber() -> UInt64 { packCount.wrappingAdd(1, ordering: .relaxed).newValue }

  /// Gives names to packs that an interruption left, as far as their objects are what their ids say.
  private func settle() throws(PosternError) {
    let numbers = try folder.incomingPacks()
    for number in numbers { try settle(number) }
    for name in try folder.incomingNames() where DataFolder.listNumber(name) != nil || DataFolder.isLogTemporary(name) {
      try folder.remove("\(folder.layout.incoming)/\(name)")
    }
  }

  private func settle(_ number: UInt64) throws(PosternError) {
    guard let (app, generation, entries) = try sound(number), !entries.isEmpty else {
      return try folder.removePack(number: number)
    }
    let end = entries.reduce(0) { max($0, $1.end) }
    let writer = try folder.adoptPack(
      number: number, app: app, generation: generation, entries: entries, byteCount: end)
    let done = try writer.finish()
    try folder.place([PackPlacement(number: number, app: app, generation: generation, name: done.name)])
  }

  /// The objects at a pack's beginning that are what their ids say, as far as its list goes.
  ///
  /// Nobody synced file or list before the stop, so that neither is believed: the hashes decide. Nor need it be a pull
  /// that left them: what no pull writes (a longer object, a longer pack, a hole) ends what is kept, before it is
  /// hashed, and a file that has another name beside this one is not taken up, since it would be changed under that
  /// name, too.
  private func sound(
    _ number: UInt64
  ) throws(PosternError) -> (app: Digest, generation: UInt64, entries: [PackEntry])? {
    let file: OpenFile
    do throws(PosternError) {
      file = try OpenFile(folder.layout.incomingPack(number), .update, files: folder.files)
    } catch let error where error.code == .storageKind {
      return nil
    }
    guard file.hasOneName, let header = try file.read(at: 0, count: PackFormat.headerByteCount),
      let (app, generation) = PackFormat.space(inHeader: header)
    else { return nil }
    var entries: [PackEntry] = []
    var seen: Set<Digest> = []
    var offset = UInt64(PackFormat.headerByteCount)
    let storedByteCount = try file.storedByteCount()
    for listed in try ObjectList.read(folder.layout.incomingList(number), files: folder.files) {
      let entry = PackEntry(id: listed.id, kind: listed.kind, offset: offset, length: listed.length)
      guard entry.end <= storedByteCount,
        entry.end + UInt64(PackFormat.endByteCount(objects: entries.count + 1)) <= PackFormat.fileByteLimit,
        let bytes = try file.read(at: offset, count: Int(listed.length)), SHA256.hash(bytes) == listed.id,
        seen.insert(listed.id).inserted
      else { break }
      entries.append(entry)
      offset = entry.end
    }
    return (app, generation, entries)
  }
}

/// Writes objects of one application and generation into packs of a copy, one pack at a time.
///
/// A pack that is full is made durable and placed before the next one begins: so what was appended last is never there
/// without what was appended before it. Beside the open pack lies a list of its objects, by which a stopped copy is
/// taken up.
public struct CopyWriter: ~Copyable, Sendable {
  private let copy: CopyFolder
  private let app: Digest
  private let generation: UInt64
  private var number: UInt64 = 0
  private var pack: PackWriter?
  private var list: ObjectList?
  /// Packs that were placed and that ``takePlaced()`` did not tell yet.
  private var placed: [Digest] = []

  /// A writer, which makes a pack when the first object comes.
  ///
  /// - Parameters:
  ///   - copy: the folder.
  ///   - app: the application.
  ///   - generation: the generation; 0 for charters and their signatures.
  public init(into copy: CopyFolder, app: Digest, generation: UInt64) {
    self.copy = copy
    self.app = app
    self.generation = generation
  }

  /// Whether the open pack holds an object.
  public borrowing func holds(_ id: Digest) -> Bool {
    switch pack {
    case .some(let pack): pack.entry(id) != nil
    case .none: false
    }
  }

  /// Appends an object that the caller has checked against its id, unless the open pack holds it.
  ///
  /// - Returns: whether it was appended.
  /// - Throws: `folder.taken` where somebody else has put a file in the place of a new pack; `storage.full` and other
  ///   `storage.*`. What was appended before is settled at the next start.
  @discardableResult
  public mutating func append(
    _ bytes: UnsafeRawBufferPointer, id: Digest, kind: ObjectKind
  ) throws(PosternError) -> Bool {
    if let fits = pack?.fits(objectCount: 1, byteCount: bytes.count), !fits { try place() }
    if pack == nil { try begin() }
    guard let entry = try pack?.append(id: id, kind: kind, bytes: bytes) else { return false }
    list?.append(entry)
    return true
  }

  /// Appends an object that lies in an array.
  ///
  /// - Throws: `storage.*`.
  @discardableResult
  public mutating func append(_ bytes: [UInt8], id: Digest, kind: ObjectKind) throws(PosternError) -> Bool {
    try bytes.withRawBytes { (bytes) throws(PosternError) in try append(bytes, id: id, kind: kind) }
  }

  /// Hands the open pack's list to the system, so that a process that is killed leaves it.
  ///
  /// - Throws: `storage.*`.
  public mutating func noteList() throws(PosternError) { try list?.write() }

  /// The packs that were placed since the last time.
  public mutating func takePlaced() -> [Digest] {
    defer { placed = [] }
    return placed
  }

  /// Places the open pack; everything that was appended is durable and found when this returns.
  ///
  /// - Returns: the name of the pack that was placed now; nil where none was open.
  /// - Throws: `storage.*`.
  @discardableResult
  public mutating func finish() throws(PosternError) -> Digest? {
    guard pack != nil else { return nil }
    try place()
    return placed.last
  }

  private mutating func begin() throws(PosternError) {
    let layout = copy.folder.layout
    number = copy.nextPackNumber()
    do throws(PosternError) {
      pack = try copy.folder.createPack(number: number, app: app, generation: generation)
      list = try ObjectList(creating: layout.incomingList(number), files: copy.folder.files)
    } catch let error where error.code == .storageExists {
      throw .foreignPack(layout.incomingPack(number))
    }
  }

  private mutating func place() throws(PosternError) {
    guard let finishing = pack.take() else { return }
    // Before the footer: a full disk then leaves the list of what is there.
    try list?.write()
    let done = try finishing.finish()
    try copy.folder.place([PackPlacement(number: number, app: app, generation: generation, name: done.name)])
    list = nil
    try copy.folder.remove(copy.folder.layout.incomingList(number))
    placed.append(done.name)
  }
}

/// What an open pack holds so far, in the order written: `id (32) ‖ u8 kind ‖ u32 length` an object.
struct ObjectList: ~Copyable, Sendable {
  /// An object of the list.
  struct Line: Sendable {
    let id: Digest
    let kind: ObjectKind
    let length: UInt32
  }

  private static let lineByteCount = Digest.byteCount + 1 + 4

  private let file: OpenFile
  private var byteCount: UInt64 = 0
  private var pending: [UInt8] = []

  /// A list of nothing, in a new file.
  ///
  /// - Throws: `storage.*`.
  init(creating path: String, files: any FileLayer) throws(PosternError) {
    file = try OpenFile(path, .create, permissions: 0o600, files: files)
  }

  /// Adds an object, in memory.
  mutating func append(_ entry: PackEntry) {
    pending.append(entry.id)
    pending.append(entry.kind.rawValue)
    pending.append(bigEndian: entry.length)
  }

  /// Hands what was added to the system.
  ///
  /// - Throws: `storage.full`, `storage.failed`.
  mutating func write() throws(PosternError) {
    guard !pending.isEmpty else { return }
    try pending.withRawBytes { (bytes) throws(PosternError) in try file.write(bytes, at: byteCount) }
    byteCount += UInt64(pending.count)
    pending.removeAll(keepingCapacity: true)
  }

  /// A list as far as it is one; empty where there is none.
  ///
  /// - Throws: `storage.*`.
  static func read(_ path: String, files: any FileLayer) throws(PosternError) -> [Line] {
    let bytes: [UInt8]
    do throws(PosternError) {
      bytes = try DurableFile.read(path, byteLimit: PackFormat.objectLimit * lineByteCount, files: files)
    } catch let error where [.storageMissing, .storageTooLong, .storageKind].contains(error.code) {
      return []
    }
    var reader = ByteReader(bytes)
    var lines: [Line] = []
    while let id = try? reader.readDigest(), let number = try? reader.read(UInt8.self),
      let kind = ObjectKind(rawValue: number), let length = try? reader.read(UInt32.self),
      (1...kind.byteLimit).contains(Int(length))
    {
      lines.append(Line(id: id, kind: kind, length: length))
    }
    return lines
  }
}

extension PosternError.Code {
  /// A folder is an archive's own, or something else's, and takes no copy.
  public static let folderTaken: Self = "folder.taken"
}

extension PosternError {
  fileprivate static func archivesOwn(_ path: String) -> PosternError {
    PosternError(
      .folderTaken, "“\(path)” is an archive's data folder, and no copy is written into one.",
      advice: "Name another folder.")
  }

  fileprivate static func noFolder(_ path: String) -> PosternError {
    PosternError(.folderTaken, "“\(path)” is a file.", advice: "Name a folder; it is made where there is none.")
  }

  fileprivate static func foreignPack(_ path: String) -> PosternError {
    PosternError(
      .folderTaken, "Something else has written “\(path)”, or the list beside it, while the copy was written.",
      advice: "See that nothing else writes into the folder, and pull again: what is there is not fetched again.")
  }

  fileprivate static func otherThings(_ path: String, _ name: String) -> PosternError {
    PosternError(
      .folderTaken, "“\(path)” holds other things than a copy of an archive: “\(name)”.",
      advice: "Name a new folder, or move that away if the folder is a copy all the same.")
  }
}
