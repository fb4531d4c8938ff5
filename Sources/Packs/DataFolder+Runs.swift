public import Core

extension DataFolder {
  /// Starts a run; its file is durable under its name after ``RunWriter/finish()`` and ``syncRuns()``.
  ///
  /// - Throws: as ``RunWriter/init(creating:app:generation:entryLimit:files:)``.
  public func createRun(
    number: UInt64, app: Digest, generation: UInt64, entryLimit: Int
  ) throws(PosternError) -> RunWriter {
    try makeFolder(layout.runs)
    return try RunWriter(
      creating: layout.run(number), app: app, generation: generation, entryLimit: entryLimit, files: files)
  }

  /// Makes the names of runs durable.
  ///
  /// - Throws: `storage.sync-failed`.
  public func syncRuns() throws(PosternError) { try DurableFile.syncFolder(layout.runs, files: files) }

  /// Opens a run.
  ///
  /// - Throws: as ``RunFile/init(_:app:generation:filterByteLimit:files:)``.
  public func openRun(
    number: UInt64, app: Digest, generation: UInt64, filterByteLimit: Int = .max
  ) throws(PosternError) -> RunFile {
    try RunFile(
      layout.run(number), app: app, generation: generation, filterByteLimit: filterByteLimit, files: files)
  }

  /// The numbers of the runs' files, rising.
  ///
  /// - Throws: `storage.denied`, `storage.failed`.
  public func runs() throws(PosternError) -> [UInt64] {
    try files.namesIfThere(layout.runs).compactMap { name in
      UInt64(name.prefix { $0 != "." }).flatMap { "\($0).run" == name ? $0 : nil }
    }.sorted()
  }

  /// Removes the file of a run; nothing happens where there is none.
  ///
  /// - Throws: `storage.denied`, `storage.failed`.
  public func removeRun(number: UInt64) throws(PosternError) { try remove(layout.run(number)) }
}
