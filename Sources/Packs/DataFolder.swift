public import Core
import Synchronization

/// An archive's data folder, held by this process alone as long as the value lives.
public final class DataFolder: Sendable {
  /// Where everything lies.
  public let layout: FolderLayout
  let files: any FileLayer
  private let lock: OpenFile
  /// Folders whose names this process has made durable: each costs its syncs once.
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
  ///   - path: the folder; its parent exists.
  ///   - files: the file system.
  /// - Throws: `storage.exists` when an archive is there; `storage.in-use`; `storage.missing`,
  ///   `storage.denied`, `storage.full`, `storage.failed`, `storage.sync-failed`.
  public static func create(
    at path: String, files: any FileLayer = SystemFiles()
  ) throws(PosternError) -> DataFolder {
    let layout = FolderLayout(root: path)
    try DurableFile.makeFolder(path, files: files)
    let folder = DataFolder(layout: layout, files: files, lock: try lock(layout, .lock, files: files))
    let names = try folder.naming(path) { () throws(FileFailure) in try files.names(path) }
    var keys: [String] = []
    if names.contains("keys") {
      keys = try folder.naming(layout.keys) { () throws(FileFailure) in try files.names(layout.keys) }
    }
    guard !keys.contains("log.key") else {
      throw PosternError(
        .storageExists, "\(path) holds an archive already.", advice: "Serve it, or choose another folder.")
    }
    for (path, permissions) in [
      (layout.keys, UInt32(0o700)), (layout.incoming, 0o700), (layout.log, 0o755), (layout.packs, 0o755),
    ] {
      try DurableFile.makeFolder(path, permissions: permissions, files: files)
    }
    try folder.removeTemporaries()
    return folder
  }

  /// Opens a data folder and locks it; nothing in it is changed, so that who finds that the folder is not for this
  /// program can leave it as it was.
  ///
  /// - Throws: `storage.missing` when no archive is there; `storage.in-use` when another process has it open;
  ///   `storage.denied`, `storage.failed`.
  public static func open(
    at path: String, files: any FileLayer = SystemFiles()
  ) throws(PosternError) -> DataFolder {
    let layout = FolderLayout(root: path)
    return DataFolder(layout: layout, files: files, lock: try lock(layout, .update, files: files))
  }

  /// Removes what a crash left and nobody will ask for: temporary files, of which those among the keys, which hold
  /// secrets, are overwritten first, and what is no pack in `incoming/`.
  ///
  /// - Throws: `storage.missing`, `storage.denied`, `storage.failed`, `storage.sync-failed`.
  public func removeLeftovers() throws(PosternError) {
    for name in try incomingNames() where DataFolder.packNumber(name) == nil {
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

  /// Makes a folder below the root, with those between, and their names durable; once a process.
  func makeFolder(_ path: String) throws(PosternError) {
    guard path != layout.root, !durableFolders.withLock({ $0.contains(path) }) else { return }
    try makeFolder(DurableFile.split(path).folder)
    try DurableFile.makeFolder(path, files: files)
    durableFolders.withLock { _ = $0.insert(path) }
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

  /// Removes what ``DurableFile`` had not renamed yet when a crash came.
  func removeTemporaries() throws(PosternError) {
    for folder in [layout.root, layout.keys, layout.log] {
      let left = try files.namesIfThere(folder).filter(DurableFile.isTemporary)
      for name in left {
        try DurableFile.discard("\(folder)/\(name)", isSecret: folder == layout.keys, files: files)
      }
      if !left.isEmpty { try DurableFile.syncFolder(folder, files: files) }
    }
  }

  func incomingNames() throws(PosternError) -> [String] {
    try naming(layout.incoming) { () throws(FileFailure) in try files.names(layout.incoming) }
  }

  private static func packNumber(_ name: String) -> UInt64? {
    guard name.hasSuffix(".pack"), let number = UInt64(name.dropLast(5)), "\(number).pack" == name else {
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
