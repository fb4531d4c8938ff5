public import Core
internal import Merkle

/// A file of the published log.
public struct LogFile: Hashable, Sendable {
  /// Its C2SP tlog-tiles path, such as `tile/0/000` or `checkpoint`.
  public let path: String
  /// Its content.
  public let bytes: [UInt8]

  /// A file of the log.
  public init(path: String, bytes: [UInt8]) {
    self.path = path
    self.bytes = bytes
  }
}

extension DataFolder {
  /// Publishes files of the log: each whole or not at all, all durable when it returns.
  ///
  /// Temporary files lie in `incoming/`, so that nothing but the log is ever seen in `log/`; each folder is
  /// synced once. The order of the files among themselves is open: the checkpoint is published by a call of
  /// its own, after those of all that it covers.
  ///
  /// - Throws: `storage.denied`, `storage.full`, `storage.failed`; `storage.sync-failed`, after which the
  ///   process ends.
  public func publish(_ files: [LogFile]) throws(PosternError) {
    var touched: Set<String> = []
    for file in files {
      let path = layout.log(file.path)
      let folder = DurableFile.split(path).folder
      try makeFolder(folder)
      let temporary =
        "\(layout.incoming)/\(DataFolder.logTemporaryPrefix)\(String(UInt64.random(in: 0...UInt64.max), radix: 16))"
      do throws(PosternError) {
        try file.bytes.withUnsafeBufferPointer { (bytes) throws(PosternError) in
          try DurableFile.writeSynced(
            UnsafeRawBufferPointer(bytes), to: temporary, permissions: 0o644, files: self.files)
        }
        try DurableFile.rename(temporary, to: path, replacing: true, files: self.files)
      } catch {
        try? self.files.remove(temporary)
        throw error
      }
      touched.insert(folder)
    }
    for folder in touched.sorted() { try DurableFile.syncFolder(folder, files: self.files) }
  }

  /// Removes the partial tiles or bundles whose place a full one has taken: the folder `PATH.p`.
  ///
  /// Called when the full one is durable and a published checkpoint covers it; readers of a partial one then go
  /// on with the full one, as C2SP tlog-tiles has them do. Nothing is synced: what a crash brings back is
  /// superfluous and not wrong. Where there is no partial one, nothing happens; what is none stays, and its folder.
  ///
  /// - Parameter path: the full tile's or bundle's path below `log/`, such as `tile/0/000`.
  /// - Throws: `storage.missing` when the full one is not there, with every partial one kept; `storage.exists` where
  ///   something else stays; `storage.kind`, `storage.denied`, `storage.failed`.
  public func removePartials(of path: String) throws(PosternError) {
    try makeFolder(DurableFile.split(layout.log(path)).folder)
    _ = try OpenFile(layout.log(path), .read, files: files)
    let partials = layout.log("\(path).p")
    do throws(PosternError) {
      try requireOwn(partials)
    } catch let error where error.code == .storageMissing {
      return
    }
    let names = try files.namesIfThere(partials).filter { (try? LogPath(parsing: "\(path).p/\($0)")) != nil }
    forgetFolder(partials)
    for name in names { try remove("\(partials)/\(name)") }
    try remove(partials)
  }

  /// Reads a file of the published log; nil where there is none.
  ///
  /// - Throws: `storage.too-long` beyond `byteLimit`; `storage.denied`, `storage.failed`.
  public func readLog(_ path: String, byteLimit: Int) throws(PosternError) -> [UInt8]? {
    do throws(PosternError) {
      return try DurableFile.read(layout.log(path), byteLimit: byteLimit, files: files)
    } catch  where error.code == .storageMissing {
      return nil
    }
  }
}
