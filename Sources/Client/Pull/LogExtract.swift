import Core
import Merkle
import Packs
import Trust

/// The part of a log that proves some of its leaves, under one checkpoint: what a copy has of a log.
///
/// For each bundle of entries that the copy has, and each that a new leaf needs, the bundle and its tile as wide as the
/// checkpoint's tree has them, the tiles on the way to the root, and those of the right edge. So a copy grows with
/// what was pulled and not with the log, and a reader of tlog-tiles paths finds each leaf that it has a bundle of.
struct LogExtract<Origin: Source>: Sendable {
  private let checkpoint: SignedCheckpoint
  private let home: NoteVerifier
  private let archive: Origin
  private let folder: FolderSource
  private let copy: CopyFolder
  /// Where evidence against the log is kept.
  private let memory: CheckpointMemory?
  /// Whether all that the folder has of the log is verified again, and not only what is new.
  private let checksHeld: Bool

  private var size: UInt64 { checkpoint.checkpoint.size }

  init(
    _ checkpoint: SignedCheckpoint, of home: NoteVerifier, from archive: Origin, folder: FolderSource,
    into copy: CopyFolder, memory: CheckpointMemory?, checksHeld: Bool
  ) {
    self.checkpoint = checkpoint
    self.checksHeld = checksHeld
    self.home = home
    self.archive = archive
    self.folder = folder
    self.copy = copy
    self.memory = memory
  }

  /// Says that the log is the one that the folder holds, further on or as far.
  ///
  /// What contradicts the folder's checkpoint is kept in the memory: nothing lies in a copy but the copy.
  ///
  /// - Parameter earlier: the checkpoint that the folder showed before the archive was asked.
  /// - Throws: `folder.other-log`; `log.rollback`, `log.fork`; `log.root`, `log.tile` where the archive's tiles are not
  ///   the log's; `storage.in-use` where another pull ended meanwhile, and knew more; what archive and disk throw.
  func requireContinuing(after earlier: [UInt8]?) async throws {
    guard let note = try await publishedNote() else { return }
    let held: SignedCheckpoint
    do throws(PosternError) {
      held = try SignedCheckpoint(parsing: note, log: home)
    } catch {
      throw PosternError(
        .folderOtherLog,
        "The folder “\(folder.path)” holds a copy of another log than “\(home.name)”, or its log/checkpoint is damaged.",
        advice: "Pull into another folder: one folder holds one log. A damaged log/checkpoint is removed by hand.")
    }
    let shown = memory.map { "“\($0.refusedPath(checkpoint, of: home))”" } ?? "what the archive shows now"
    let evidence = "“\(folder.path)/log/checkpoint” and \(shown)"
    guard let contradiction = try await checkpoint.contradiction(to: held, reading: archive, evidence: evidence) else {
      return
    }
    // A pull that ended since the archive was asked may know more of the log. That is no rollback; a fork is one all
    // the same.
    guard note == earlier || contradiction.code == .logFork else {
      throw PosternError(
        .storageInUse, "Another process has written a copy into “\(folder.path)” meanwhile, of a newer log.",
        advice: "Pull again.")
    }
    throw memory?.keeping(checkpoint, of: home, asEvidenceOf: contradiction) ?? contradiction
  }

  /// Publishes what proves some leaves and all that the folder shows already, the checkpoint last.
  ///
  /// - Throws: `log.*`, where what the archive gives does not fit its checkpoint; `source.*`, `storage.*`, `wire.*`.
  func publish(_ leaves: [UInt64]) async throws {
    let there = try await folder.bundles().filter { BundleCoordinate(index: $0, treeSize: size) != nil }
    let settled = checksHeld ? 0 : BundleCoordinate.index(ofEntry: try await heldSize())
    var upper: [TileCoordinate: [UInt8]] = [:]
    try await loadEdge(into: &upper)
    let needed = Set(leaves.map(BundleCoordinate.index(ofEntry:)))
    var full: [String] = []
    for index in needed.union(there).sorted() {
      guard let bundle = BundleCoordinate(index: index, treeSize: size) else { continue }
      if index < settled, !needed.contains(index) {
        // It was full before and is as it was; only what leads from it to the new root is another.
        try await loadUpper(of: bundle, into: &upper)
      } else {
        try await publish(bundle, &upper)
      }
      if bundle.width == TileCoordinate.fullWidth { full += [bundle.path, bundle.tile.path] }
    }
    full += upper.keys.filter(\.isFull).map(\.path)
    if try await publishedNote() != checkpoint.note.bytes {
      try copy.publish([LogFile(path: LogPath.checkpoint.text, bytes: checkpoint.note.bytes)])
    }
    // What cannot be removed is superfluous and not wrong.
    for path in full { try? copy.removePartials(of: path) }
  }

  /// Publishes a bundle and what leads from it to the root, verified under the checkpoint.
  ///
  /// - Parameter upper: tiles that several bundles need.
  private func publish(_ bundle: BundleCoordinate, _ upper: inout [TileCoordinate: [UInt8]]) async throws {
    let plan = try await loadUpper(of: bundle, into: &upper)
    let (held, heldTile) = (try await heldEntries(bundle), try await heldTile(bundle.tile))
    if let held, let heldTile, (try? verify(bundle, held, heldTile, plan, upper)) != nil { return }
    async let entries = archive.entries(bundle)
    async let tile = archive.tile(bundle.tile)
    let (newEntries, newTile) = try await (entries, tile)
    do {
      try verify(bundle, newEntries, newTile, plan, upper)
    } catch let error as PosternError {
      // A tile that the folder had may be what is damaged.
      for coordinate in plan.tiles where coordinate != bundle.tile {
        let bytes = try await archive.tile(coordinate)
        guard upper[coordinate] != bytes else { continue }
        upper[coordinate] = bytes
        try copy.publish([LogFile(path: coordinate.path, bytes: bytes)])
      }
      guard (try? verify(bundle, newEntries, newTile, plan, upper)) != nil else { throw error }
    }
    try copy.publish([
      LogFile(path: bundle.path, bytes: newEntries), LogFile(path: bundle.tile.path, bytes: newTile),
    ])
  }

  /// Says that a bundle's entries stand in the tree: they are those of the tile, and its first hash leads to the root
  /// past all the others.
  private func verify(
    _ bundle: BundleCoordinate, _ entries: [UInt8], _ tile: [UInt8], _ plan: ProofPlan,
    _ upper: [TileCoordinate: [UInt8]]
  ) throws {
    let hashes = try EntryBundle(parsing: entries, width: bundle.width).leafHashes
    guard try bundle.tile.hashes(in: tile) == hashes, let first = hashes.first else {
      throw PosternError(
        .logInclusion, "The entries of the bundle \(bundle.path) are not those of its tile.",
        advice: "Do not rely on them; ask another source.")
    }
    let path = try plan.hashes { coordinate in coordinate == bundle.tile ? tile : upper[coordinate] ?? [] }
    let proof = InclusionProof(index: bundle.entryNumbers.lowerBound, treeSize: size, hashes: path)
    try proof.verify(leafHash: first, root: checkpoint.checkpoint.root)
  }

  /// Has the tiles of the right edge in memory, and in the folder, from which a reader computes the root.
  private func loadEdge(into upper: inout [TileCoordinate: [UInt8]]) async throws {
    let edge = TileCoordinate.partials(treeSize: size)
    for coordinate in edge { try await load(coordinate, into: &upper) }
    let root = checkpoint.checkpoint.root
    guard (try? Tree(size: size, root: root, reading: { [upper] in upper[$0] ?? [] })) == nil else { return }
    for coordinate in edge {
      let bytes = try await archive.tile(coordinate)
      upper[coordinate] = bytes
      try copy.publish([LogFile(path: coordinate.path, bytes: bytes)])
    }
    guard (try? Tree(size: size, root: root, reading: { [upper] in upper[$0] ?? [] })) != nil else {
      throw PosternError.otherTiles(checkpoint.checkpoint)
    }
  }

  /// Has the tiles in memory, and in the folder, that lead from a bundle's own tile to the root.
  @discardableResult
  private func loadUpper(
    of bundle: BundleCoordinate, into upper: inout [TileCoordinate: [UInt8]]
  ) async throws -> ProofPlan {
    let plan = try ProofPlan(inclusionOf: bundle.entryNumbers.lowerBound, treeSize: size)
    for coordinate in plan.tiles where coordinate != bundle.tile { try await load(coordinate, into: &upper) }
    return plan
  }

  /// The size of the log that the folder shows; 0 where it shows none.
  private func heldSize() async throws -> UInt64 {
    guard let note = try await publishedNote() else { return 0 }
    return try Checkpoint(parsing: SignedNote(parsing: note).text).size
  }

  /// Has a tile in memory and, where it was not there, in the folder.
  private func load(_ coordinate: TileCoordinate, into tiles: inout [TileCoordinate: [UInt8]]) async throws {
    guard tiles[coordinate] == nil else { return }
    if let held = try await heldTile(coordinate) {
      tiles[coordinate] = held
      return
    }
    let bytes = try await archive.tile(coordinate)
    tiles[coordinate] = bytes
    try copy.publish([LogFile(path: coordinate.path, bytes: bytes)])
  }

  private func publishedNote() async throws -> [UInt8]? {
    try await unlessAbsent { try await folder.checkpoint() }
  }

  private func heldTile(_ coordinate: TileCoordinate) async throws -> [UInt8]? {
    try await unlessAbsent { try await folder.tile(coordinate) }
  }

  private func heldEntries(_ bundle: BundleCoordinate) async throws -> [UInt8]? {
    try await unlessAbsent { try await folder.entries(bundle) }
  }

  /// What the folder has; nil where it is missing or damaged: then it is fetched.
  private func unlessAbsent(_ read: () async throws -> [UInt8]) async throws -> [UInt8]? {
    do {
      return try await read()
    } catch let error as PosternError
      where [.sourceAbsent, .logTile, .logBundle, .storageTooLong, .storageKind].contains(error.code)
    {
      return nil
    }
  }
}
