public import Core

/// Where a committed pack belongs.
public struct PackPlacement: Hashable, Sendable {
  /// The number that names its file in `incoming/`.
  public let number: UInt64
  /// The application.
  public let app: Digest
  /// The generation.
  public let generation: UInt64
  /// SHA-256 of its footer.
  public let name: Digest

  /// Makes a value.
  public init(number: UInt64, app: Digest, generation: UInt64, name: Digest) {
    self.number = number
    self.app = app
    self.generation = generation
    self.name = name
  }
}

extension DataFolder {
  /// Starts a pack in `incoming/`; the file's name is durable when it returns.
  ///
  /// - Throws: `storage.exists`, `storage.denied`, `storage.full`, `storage.failed`, `storage.sync-failed`.
  public func createPack(
    number: UInt64, app: Digest, generation: UInt64
  ) throws(PosternError) -> PackWriter {
    let writer = try PackWriter(
      creating: layout.incomingPack(number), app: app, generation: generation, files: files)
    try DurableFile.syncFolder(layout.incoming, files: files)
    return writer
  }

  /// Takes up an unfinished pack in `incoming/`, cut to what the index knows of it.
  ///
  /// - Throws: as ``PackWriter/init(adopting:app:generation:entries:byteCount:files:)``.
  public func adoptPack(
    number: UInt64, app: Digest, generation: UInt64, entries: [PackEntry], byteCount: UInt64
  ) throws(PosternError) -> PackWriter {
    try PackWriter(
      adopting: layout.incomingPack(number), app: app, generation: generation, entries: entries,
      byteCount: byteCount, files: files)
  }

  /// Opens a pack to read from, wherever it lies now: under its name, or still in `incoming/`.
  ///
  /// - Parameters:
  ///   - number: the pack's number.
  ///   - app: the application.
  ///   - generation: the generation.
  ///   - name: the pack's name; nil while no commit has sealed it.
  /// - Throws: `storage.missing`, `storage.denied`, `storage.failed`, `pack.damaged`, `pack.wrong-space`.
  public func openPack(
    number: UInt64, app: Digest, generation: UInt64, name: Digest?
  ) throws(PosternError) -> PackFile {
    let incoming = layout.incomingPack(number)
    guard let name else { return try PackFile(incoming, app: app, generation: generation, files: files) }
    let placed = layout.pack(app: app, generation: generation, name: name)
    // A pack moves from `incoming/` to its name once: looked for there in between, it is under the name.
    for path in [placed, incoming] {
      do throws(PosternError) {
        return try PackFile(path, app: app, generation: generation, files: files)
      } catch  where error.code != .storageMissing {
        throw error
      } catch {}
    }
    return try PackFile(placed, app: app, generation: generation, files: files)
  }

  /// The footer of a finished pack that lies in `incoming/`, checked as a whole.
  ///
  /// - Throws: as ``PackReader/init(_:name:files:)``.
  public func finishedFooter(number: UInt64, name: Digest) throws(PosternError) -> PackFooter {
    try PackReader(layout.incomingPack(number), name: name, files: files).footer
  }

  /// Gives committed packs their names in `packs/`, and syncs each folder once.
  ///
  /// Done again after a crash, it finds what was done and makes it durable all the same. Only after it
  /// returns may the index say that the packs are placed.
  ///
  /// - Parameters:
  ///   - packs: the packs.
  ///   - checking: whether header, footer and trailer are read back and have to fit the name: at a start, for
  ///     packs that another process finished. Nothing is placed under a name that is not its own.
  /// - Throws: `storage.missing` when a pack is neither here nor there; `storage.denied`, `storage.full`,
  ///   `storage.failed`, `storage.sync-failed`; when checking, `pack.damaged`, `pack.wrong-name`,
  ///   `pack.wrong-space`.
  public func place(_ packs: [PackPlacement], checking: Bool = false) throws(PosternError) {
    if checking { for pack in packs { try check(pack) } }
    var touched: Set<String> = []
    for pack in packs {
      let folder = layout.packs(app: pack.app, generation: pack.generation)
      try makeFolder(folder)
      let placed = layout.pack(app: pack.app, generation: pack.generation, name: pack.name)
      try place(layout.incomingPack(pack.number), as: placed)
      touched.insert(folder)
    }
    for folder in touched.sorted() { try DurableFile.syncFolder(folder, files: files) }
  }

  private func check(_ pack: PackPlacement) throws(PosternError) {
    let incoming = layout.incomingPack(pack.number)
    let placed = layout.pack(app: pack.app, generation: pack.generation, name: pack.name)
    let footer: PackFooter
    do throws(PosternError) {
      footer = try PackReader(incoming, name: pack.name, files: files).footer
    } catch  where error.code == .storageMissing {
      footer = try PackReader(placed, name: pack.name, files: files).footer
    }
    guard footer.app == pack.app, footer.generation == pack.generation else {
      throw PackFormat.wrongSpace(incoming)
    }
  }

  private func place(_ incoming: String, as placed: String) throws(PosternError) {
    do throws(PosternError) {
      try DurableFile.rename(incoming, to: placed, replacing: true, files: files)
    } catch  where error.code == .storageMissing {
      _ = try OpenFile(placed, .read, files: files)
    }
  }
}
