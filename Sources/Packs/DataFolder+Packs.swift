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

  /// The place of a pack.
  public init(number: UInt64, app: Digest, generation: UInt64, name: Digest) {
    self.number = number
    self.app = app
    self.generation = generation
    self.name = name
  }
}

/// A sealed pack to write anew, and what of it is dead.
public struct PackSource: Sendable {
  /// Where it lies.
  public let placement: PackPlacement
  private let deadPositions: Bitmap

  /// A pack to write anew.
  ///
  /// - Parameters:
  ///   - placement: where it lies.
  ///   - deadPositions: a bit for each place in its footer; none where none of it is dead.
  public init(_ placement: PackPlacement, deadPositions: Bitmap) {
    self.placement = placement
    self.deadPositions = deadPositions
  }

  /// What goes into a new pack, in the order in which it lies.
  func kept(of footer: PackFooter) -> [PackEntry] {
    (0..<footer.count).filter { !deadPositions[$0] }.map { footer[$0] }.sorted { $0.offset < $1.offset }
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
      creating: layout.incomingPack(number), app: app, generation: generation, waiting: waiting, files: files)
    try DurableFile.syncFolder(layout.incoming, files: files)
    return writer
  }

  /// Takes up an unfinished pack in `incoming/`, cut to what the index knows of it.
  ///
  /// - Throws: as ``PackWriter/init(adopting:app:generation:entries:byteCount:waiting:files:)``.
  public func adoptPack(
    number: UInt64, app: Digest, generation: UInt64, entries: [PackEntry], byteCount: UInt64
  ) throws(PosternError) -> PackWriter {
    try PackWriter(
      adopting: layout.incomingPack(number), app: app, generation: generation, entries: entries,
      byteCount: byteCount, waiting: waiting, files: files)
  }

  /// Opens a finished pack to read from, wherever it lies now: under its name, or still in `incoming/`.
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
    return try whereverItLies(placed: placed, incoming: incoming) { (path) throws(PosternError) in
      try PackFile(path, app: app, generation: generation, files: files)
    }
  }

  /// Opens a pack that a commit has sealed, and that may be given its name meanwhile.
  private func whereverItLies<Pack: ~Copyable>(
    placed: String, incoming: String, _ open: (String) throws(PosternError) -> Pack
  ) throws(PosternError) -> Pack {
    for path in [placed, incoming] {
      do throws(PosternError) {
        return try open(path)
      } catch let error where error.code == .storageMissing {}
    }
    // It moves from `incoming/` to its name once: looked for there in between, it is under the name.
    do throws(PosternError) {
      return try open(placed)
    } catch  where error.code == .storageMissing {
      throw PosternError(
        .storageMissing, "The pack \(placed) is gone.",
        advice: "Restore it: a copy that was pulled, or a mirror, has the same objects, and a backup the same file. "
          + "Until then its objects cannot be read, and who pushes them sends them again.")
    }
  }

  /// Writes some objects of a finished pack in `incoming/` into a new one beside it, in the order in which they lie.
  ///
  /// The new pack is finished and durable when it returns; the old one stays as it is.
  ///
  /// - Parameters:
  ///   - number: the finished pack's number.
  ///   - name: its name.
  ///   - newNumber: the new pack's number.
  ///   - isKept: whether an object goes into the new pack, by its first byte's place in the old one.
  /// - Throws: as ``PackReader/init(_:name:files:)``, ``PackReader/read(_:)`` and ``requireReserve(_:besides:)``;
  ///   `storage.exists`, `storage.sync-failed`. Nothing is left of the new pack then, or a file that the index does not
  ///   know.
  public func copyPack(
    number: UInt64, name: Digest, to newNumber: UInt64, keeping isKept: (_ offset: UInt64) -> Bool
  ) throws(PosternError) -> FinishedPack {
    let reader = try PackReader(layout.incomingPack(number), name: name, files: files)
    let footer = reader.footer
    let kept = footer.entriesAsTheyLie.filter { isKept($0.offset) }
    try requireReserve(.half, besides: kept.objectByteCount)
    do throws(PosternError) {
      var writer = try createPack(number: newNumber, app: footer.app, generation: footer.generation)
      try writer.append(kept, of: reader)
      return try writer.finish()
    } catch {
      if error.code != .storageExists { try? removePack(number: newNumber) }
      throw error
    }
  }

  /// Writes the objects of some sealed packs that are not dead into a new one, pack by pack in the order in which they
  /// lie.
  ///
  /// The new pack is finished and durable when it returns; the old ones stay as they are. An object that several hold
  /// is written once.
  ///
  /// - Parameters:
  ///   - sources: packs of one application and generation, of which together no more is kept than one pack takes.
  ///   - number: the new pack's number.
  /// - Returns: nil where nothing is kept, and no pack was made.
  /// - Throws: as ``PackReader/init(_:name:files:)``, ``PackReader/read(_:)`` and ``requireReserve(_:besides:)``;
  ///   `pack.full`, `storage.exists`, `storage.sync-failed`. Nothing is left of the new pack then, or a file that the
  ///   index does not know.
  public func mergePacks(_ sources: [PackSource], to number: UInt64) throws(PosternError) -> FinishedPack? {
    var writer: PackWriter?
    do throws(PosternError) {
      for source in sources {
        let reader = try openSealed(source.placement)
        let footer = reader.footer
        let kept = source.kept(of: footer)
        try requireReserve(.half, besides: kept.objectByteCount)
        if writer == nil, !kept.isEmpty {
          writer = try createPack(number: number, app: footer.app, generation: footer.generation)
        }
        try writer?.append(kept, of: reader)
      }
      return try writer.take()?.finish()
    } catch {
      if error.code != .storageExists { try? removePack(number: number) }
      throw error
    }
  }

  /// Opens a sealed pack and checks all of it but the objects' own bytes, wherever it lies now.
  private func openSealed(_ pack: PackPlacement) throws(PosternError) -> PackReader {
    let placed = layout.pack(app: pack.app, generation: pack.generation, name: pack.name)
    let incoming = layout.incomingPack(pack.number)
    return try whereverItLies(placed: placed, incoming: incoming) { (path) throws(PosternError) in
      try PackReader(path, name: pack.name, files: files)
    }
  }

  /// Removes the files of packs under their names in `packs/`, where they are, and makes that durable.
  ///
  /// - Parameter packs: packs that the index has abandoned, and whose names no sealed pack has.
  /// - Throws: `storage.denied`, `storage.failed`, `storage.sync-failed`.
  public func removePlaced(_ packs: [PackPlacement]) throws(PosternError) {
    var touched: Set<String> = []
    for pack in packs {
      try remove(layout.pack(app: pack.app, generation: pack.generation, name: pack.name))
      touched.insert(layout.packs(app: pack.app, generation: pack.generation))
    }
    for folder in touched.sorted() {
      do throws(PosternError) {
        try DurableFile.syncFolder(folder, files: files)
      } catch let error where error.code == .storageMissing {}
    }
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

extension PackWriter {
  /// Appends objects of a finished pack, each checked against its id; those that the writer holds are passed over.
  ///
  /// - Throws: as ``append(id:kind:bytes:)`` and ``PackReader/read(_:)``.
  mutating func append(_ entries: [PackEntry], of reader: borrowing PackReader) throws(PosternError) {
    for entry in entries {
      let bytes = try reader.read(entry)
      try bytes.withRawBytes { (bytes) throws(PosternError) in
        _ = try append(id: entry.id, kind: entry.kind, bytes: bytes)
      }
    }
  }
}
