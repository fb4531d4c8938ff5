public import Core
import Glibc
import Synchronization

/// An archive's data folder, held by this process alone as long as the value lives.
public final class DataFolder: Sendable {
  /// Where everything lies.
  public let layout: FolderLayout
  let files: any FileLayer
  /// What the packs that are being written have yet to write.
  let waiting = WaitingBytes()
  private let lock: OpenFile
  /// Folders whose names this process has made durable: each costs its syncs once, or again when it was forgotten.
  private let durableFolders = Mutex<Set<String>>([])

  init(layout: FolderLayout, files: any FileLayer, lock: consuming OpenFile) {
    self.layout = layout
    self.files = files
    self.lock = lock
  }

  /// Makes a data folder and locks it.
  ///
  /// A folder that a crash left half made is made whole, and its temporary files are removed. Every folder is
  /// durable when it returns. The caller then writes the index and, last, the log's key.
  ///
  /// - Parameters:
  ///   - path: the folder; its parent exists. It may be there, with nothing in it but what a crash leaves.
  ///   - files: the file system.
  /// - Throws: `storage.exists` when an archive is there, or anything else, which stays as it is; `storage.in-use`;
  ///   `storage.kind`, `storage.missing`, `storage.denied`, `storage.full`, `storage.failed`, `storage.sync-failed`.
  public static func create(
    at path: String, files: any FileLayer = SystemFiles()
  ) throws(PosternError) -> DataFolder {
    let layout = FolderLayout(root: path)
    try DurableFile.makeFolder(path, files: files)
    // Before the lock is made: what is somebody else's gets no file of ours.
    try requireVacant(layout, files: files)
    let folder = DataFolder(layout: layout, files: files, lock: try lock(layout, .lock, files: files))
    try requireVacant(layout, files: files)
    try folder.makeFolders(FolderLayout.Part.archiveFolders)
    try folder.removeTemporaries()
    return folder
  }

  /// Refuses a folder that holds more than a crash leaves of one that was being made.
  private static func requireVacant(_ layout: FolderLayout, files: any FileLayer) throws(PosternError) {
    let keys = try files.namesIfThere(layout.keys)
    guard !keys.contains(FolderLayout.logKeyName) else {
      throw PosternError(
        .storageExists, "\(layout.root) holds an archive already.", advice: "Serve it, or choose another folder.")
    }
    var foreign = try files.namesIfThere(layout.root).filter { !isMade($0) }
    foreign += keys.filter { !DurableFile.isTemporary($0, of: FolderLayout.logKeyName) }
      .map { "\(FolderLayout.Part.keys.rawValue)/\($0)" }
    for part in FolderLayout.Part.archiveFolders where part != .keys {
      foreign += try files.namesIfThere(layout.path(part)).map { "\(part.rawValue)/\($0)" }
    }
    guard let first = foreign.min() else { return }
    throw PosternError(
      .storageExists, "\(layout.root) is not empty: “\(first)” is there.",
      advice: "Name a folder that is empty, or does not exist yet.")
  }

  /// Whether an archive that is being made has something of this name in its root.
  private static func isMade(_ name: String) -> Bool {
    let parts = [FolderLayout.Part.lock] + FolderLayout.Part.archiveFolders
    return (parts.map(\.rawValue) + FolderLayout.indexNames + [FolderLayout.foundName]).contains(name)
  }

  /// Opens a data folder and locks it; nothing in it is changed, so that who finds that the folder is not for this
  /// program can leave it as it was.
  ///
  /// - Throws: `storage.missing` when no archive is there; `storage.in-use` when another process has it open;
  ///   `storage.kind` when one of its folders is a link to another place; `storage.denied`, `storage.failed`.
  public static func open(
    at path: String, files: any FileLayer = SystemFiles()
  ) throws(PosternError) -> DataFolder {
    let layout = FolderLayout(root: path)
    let folder = DataFolder(layout: layout, files: files, lock: try lock(layout, .update, files: files))
    try folder.requireOwnFolders()
    return folder
  }

  /// Makes the folder for what comes in where there is none: what copies a data folder may leave empty folders out.
  ///
  /// - Throws: `storage.*`.
  public func makeIncoming() throws(PosternError) {
    do throws(PosternError) {
      try requireOwn(layout.incoming)
    } catch  where error.code == .storageMissing {
      try makeFolders([.incoming])
    }
  }

  /// Removes what a crash left and nobody will ask for: temporary files of the published log and of the log's key.
  ///
  /// The latter hold a secret and are overwritten first. What has any other name stays.
  ///
  /// - Throws: `storage.missing`, `storage.denied`, `storage.failed`, `storage.sync-failed`.
  public func removeLeftovers() throws(PosternError) {
    for name in try incomingNames() where DataFolder.isLogTemporary(name) {
      try remove("\(layout.incoming)/\(name)")
    }
    try removeTemporaries()
  }

  /// The index's file.
  public var indexPath: String { layout.index }

  /// The log's signing key.
  public var logKeyPath: String { layout.logKey }

  /// The numbers of the packs' files in `incoming/`, rising.
  ///
  /// - Throws: `storage.missing`, `storage.denied`, `storage.failed`.
  public func incomingPacks() throws(PosternError) -> [UInt64] {
    try incomingNames().compactMap(DataFolder.packNumber).sorted()
  }

  /// Removes the file of a pack in `incoming/`; nothing happens where there is none.
  ///
  /// - Throws: `storage.denied`, `storage.failed`.
  public func removePack(number: UInt64) throws(PosternError) {
    try remove(layout.incomingPack(number))
  }

  /// Makes the names in the root durable: after the index was made.
  ///
  /// - Throws: `storage.sync-failed`.
  public func syncRoot() throws(PosternError) {
    try DurableFile.syncFolder(layout.root, files: files)
  }

  /// Makes folders of the root, and their names durable.
  ///
  /// - Throws: `storage.kind` where one of them is a link to another place; `storage.*`.
  func makeFolders(_ parts: [FolderLayout.Part]) throws(PosternError) {
    for part in parts {
      guard let permissions = part.folderPermissions else { continue }
      try DurableFile.makeFolder(layout.path(part), permissions: permissions, files: files)
      try requireOwn(layout.path(part))
    }
  }

  private static let durableFolderLimit = 1_024

  /// Makes a folder below the root, with those between, and their names durable; once, as long as it is remembered.
  ///
  /// - Throws: `storage.kind` where one of them is a link to another place; `storage.*`.
  package func makeFolder(_ path: String) throws(PosternError) {
    guard path != layout.root, !durableFolders.withLock({ $0.contains(path) }) else { return }
    try makeFolder(DurableFile.split(path).folder)
    try DurableFile.makeFolder(path, files: files)
    try requireOwn(path)
    durableFolders.withLock { folders in
      // Anyone who pushes may open one generation after the other.
      if folders.count >= DataFolder.durableFolderLimit { folders.removeAll(keepingCapacity: true) }
      folders.insert(path)
    }
  }

  /// Refuses a link, or a file, in the place of a folder: what is written or removed through it would be somebody
  /// else's.
  ///
  /// - Throws: `storage.kind`, `storage.missing`, `storage.denied`, `storage.failed`.
  func requireOwn(_ path: String) throws(PosternError) { _ = try OpenFile(path, .ownFolder, files: files) }

  /// Refuses links in the place of the layout's folders, as far as there are any.
  private func requireOwnFolders() throws(PosternError) {
    for part in FolderLayout.Part.folders {
      do throws(PosternError) {
        try requireOwn(layout.path(part))
      } catch let error where error.code == .storageMissing {}
    }
  }

  /// Forgets that a folder is durable: it is about to be removed.
  func forgetFolder(_ path: String) {
    durableFolders.withLock { _ = $0.remove(path) }
  }

  /// Runs a call of the file system, whose failure names the path.
  func naming<Value>(
    _ path: String, _ body: () throws(FileFailure) -> Value
  ) throws(PosternError) -> Value {
    do throws(FileFailure) {
      return try body()
    } catch {
      throw error.error(path)
    }
  }

  /// Removes a file, or finds it gone.
  func remove(_ path: String) throws(PosternError) {
    do throws(PosternError) {
      try naming(path) { () throws(FileFailure) in try files.remove(path) }
    } catch  where error.code != .storageMissing {
      throw error
    } catch {}
  }

  /// Removes what ``DurableFile`` had not renamed yet when a crash came: it writes nothing here but the log's key.
  private func removeTemporaries() throws(PosternError) {
    let left = try files.namesIfThere(layout.keys).filter { DurableFile.isTemporary($0, of: FolderLayout.logKeyName) }
    for name in left { try DurableFile.discard("\(layout.keys)/\(name)", isSecret: true, files: files) }
    if !left.isEmpty { try DurableFile.syncFolder(layout.keys, files: files) }
  }

  func incomingNames() throws(PosternError) -> [String] {
    try naming(layout.incoming) { () throws(FileFailure) in try files.names(layout.incoming) }
  }

  /// The number of a pack's file in `incoming/`.
  private static func packNumber(_ name: String) -> UInt64? { number(of: name, ".pack") }

  /// The number of what a copy's open pack holds, beside it.
  static func listNumber(_ name: String) -> UInt64? { number(of: name, ".objects") }

  /// Whether a name in `incoming/` is one that ``publish(_:)`` gives a file before it has its own.
  static func isLogTemporary(_ name: String) -> Bool {
    name.hasPrefix(logTemporaryPrefix) && DurableFile.isMark(name.dropFirst(logTemporaryPrefix.count))
  }

  static let logTemporaryPrefix = "log-"

  /// Whether a copy, or an archive, has something of this name in `incoming/`.
  static func isIncoming(_ name: String) -> Bool {
    packNumber(name) != nil || listNumber(name) != nil || isLogTemporary(name)
  }

  private static func number(of name: String, _ suffix: String) -> UInt64? {
    guard name.hasSuffix(suffix), let number = UInt64(name.dropLast(suffix.count)), "\(number)\(suffix)" == name else {
      return nil
    }
    return number
  }

  /// Takes the lock of a folder.
  ///
  /// - Parameters:
  ///   - mode: whether the file is made where there is none.
  ///   - files: the file system.
  /// - Returns: nil when another process has it.
  /// - Throws: `storage.missing`, `storage.denied`, `storage.failed`.
  static func takeLock(
    _ layout: FolderLayout, _ mode: OpenMode, files: any FileLayer
  ) throws(PosternError) -> OpenFile? {
    let file = try OpenFile(layout.lock, mode, permissions: 0o600, files: files)
    guard try file.lock() else { return nil }
    return file
  }

  private static func lock(
    _ layout: FolderLayout, _ mode: OpenMode, files: any FileLayer
  ) throws(PosternError) -> OpenFile {
    let file: OpenFile?
    do throws(PosternError) {
      file = try takeLock(layout, mode, files: files)
    } catch  where error.code == .storageMissing {
      guard access(layout.index, F_OK) != 0 else {
        throw PosternError(
          .storageMissing, "\(layout.root) holds an archive, and its “\(FolderLayout.Part.lock.rawValue)” is gone.",
          advice: "Look whether more is, then make an empty file of that name there: it holds nothing.")
      }
      throw PosternError(
        .storageMissing, "\(layout.root) holds no archive.",
        advice: "Check the path, or make an archive there with “postern archive init”.")
    }
    guard let file else {
      throw PosternError(
        .storageInUse, "Another process has the data folder \(layout.root) open.",
        advice: "End it first: one archive has one server.")
    }
    return file
  }
}
