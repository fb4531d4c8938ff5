public import Core
import Index
public import Merkle
import Packs
import Records

extension Archive {
  /// Makes a new archive: the data folder, its index, the log's key, and a signed checkpoint of an empty log.
  ///
  /// - Parameters:
  ///   - path: the data folder; it may not exist yet, or be empty.
  ///   - origin: the log's name, a URL without its scheme (C2SP tlog-checkpoint).
  /// - Returns: the log's verifier key, for charters and trust files.
  /// - Throws: `storage.*`, `log.key-name`.
  public static func create(at path: String, origin: String) throws(PosternError) -> NoteVerifier {
    // Before anything is made: an origin that no key can have leaves no folder behind.
    _ = try Checkpoint(origin: origin, size: 0, root: TreeHash.empty)
    let folder = try DataFolder.create(at: path)
    let index = try ArchiveIndex.open(path: folder.indexPath)
    try index.close()
    return try LogKey.create(origin: origin, at: folder.logKeyPath)
  }

  /// Opens an archive and finishes what a stop of the process left between commit and publication.
  ///
  /// - Parameters:
  ///   - path: the data folder.
  ///   - limits: what others may take.
  ///   - stop: ends the process; called when nobody can know what the disk holds.
  /// - Throws: `storage.missing`, `storage.in-use`, `archive.log-key`, `archive.index-behind`,
  ///   `archive.two-histories`, `index.*`, `log.*`.
  public static func open(
    at path: String, limits: ArchiveLimits = ArchiveLimits(), stop: @escaping @Sendable (PosternError) -> Never
  ) async throws(PosternError) -> Archive {
    let folder = try DataFolder.open(at: path)
    let signer = try LogKey.read(at: folder.logKeyPath)
    let index = try ArchiveIndex.open(path: folder.indexPath)
    let home = signer.verifier
    let newest = try await firstCheckpoint(index, signer)
    let checkpoint = try SignedCheckpoint(parsing: newest.note, log: home).checkpoint
    let tree = try tree(of: checkpoint, index)
    try publish(newest, checkpoint, folder, index, home)
    let archive = Archive(
      home: home, limits: limits, folder: folder, index: index,
      sequencer: Sequencer(folder: folder, index: index, signer: signer, tree: tree, newest: newest, stop: stop))
    try await archive.settlePacks()
    return archive
  }

  /// The newest committed checkpoint; of a new log, that of the empty tree, committed now.
  private static func firstCheckpoint(
    _ index: ArchiveIndex, _ signer: borrowing NoteSigner
  ) async throws(PosternError) -> CheckpointRow {
    let newest = try index.read { (snapshot) throws(PosternError) in try snapshot.newestCheckpoint() }
    if let newest { return newest }
    let empty = try Checkpoint(origin: signer.verifier.name, size: 0, root: TreeHash.empty)
    let row = CheckpointRow(size: 0, note: try empty.signed(by: signer).bytes)
    try await index.writer.commit(CommitGroup(previous: nil, checkpoint: row))
    return row
  }

  /// The tree of the stored tiles, whose root has to be the one that was signed.
  private static func tree(of checkpoint: Checkpoint, _ index: ArchiveIndex) throws(PosternError) -> Tree {
    let outcome = Result { try Tree(size: checkpoint.size, root: checkpoint.root) { try index.tile($0) } }
    do {
      return try outcome.get()
    } catch let error as PosternError {
      throw error
    } catch {
      throw .noSuchPartOfLog
    }
  }

  /// Compares what is on show with what is committed, and publishes what is missing.
  ///
  /// Never the other way round: an index that is behind what was shown would sign a second history.
  private static func publish(
    _ newest: CheckpointRow, _ checkpoint: Checkpoint, _ folder: DataFolder, _ index: ArchiveIndex,
    _ home: NoteVerifier
  ) throws(PosternError) {
    var publishedSize: UInt64 = 0
    if let note = try folder.readLog(LogPath.checkpoint.text, byteLimit: SignedNote.maximumByteCount) {
      let published = try SignedCheckpoint(parsing: note, log: home).checkpoint
      publishedSize = published.size
      guard published.size <= checkpoint.size else {
        throw PosternError(
          .archiveIndexBehind,
          "The index ends at \(checkpoint.size) entries, but this archive has published \(published.size).",
          advice: "The index was restored from a copy or rolled back. Restore the newest one: it must not sign again.")
      }
      let committed = try index.read { (snapshot) throws(PosternError) in
        try snapshot.checkpoint(size: published.size)
      }
      let root = try committed.map { (row) throws(PosternError) in
        try SignedCheckpoint(parsing: row.note, log: home).checkpoint.root
      }
      guard root == published.root else {
        throw PosternError(
          .archiveTwoHistories, "The index and the published log differ at size \(published.size).",
          advice: "Keep both as evidence and do not serve this folder; recover from a mirror.")
      }
      if published.size == checkpoint.size { return }
    }
    try Publisher(folder: folder, index: index).catchUp(from: publishedSize, to: newest)
  }

  /// Puts committed packs under their names, and removes what no push owns any more.
  private func settlePacks() async throws(PosternError) {
    let batchCount = 1_024
    while true {
      let sealed = try index.read { (snapshot) throws(PosternError) in
        try snapshot.packs(in: .sealed, limit: batchCount)
      }
      guard !sealed.isEmpty else { break }
      let placements = sealed.compactMap { pack in
        pack.name.map { PackPlacement(number: pack.number, app: pack.app, generation: pack.generation, name: $0) }
      }
      try folder.place(placements)
      try await index.writer.markPlaced(placements.map(\.number))
    }
    while true {
      let left = try index.read { (snapshot) throws(PosternError) in
        try snapshot.packs(in: .abandoned, limit: batchCount) + snapshot.packsWithoutPush(limit: batchCount)
      }
      guard !left.isEmpty else { break }
      for pack in left where pack.state == .open { try await index.writer.abandonPack(pack.number) }
      try await pushes.remove(left)
    }
    try removeUnknownPacks()
  }

  /// Removes files in `incoming/` that the index has no row for: a stop came before their first rows.
  private func removeUnknownPacks() throws(PosternError) {
    for number in try folder.incomingPacks() {
      let known = try index.read { (snapshot) throws(PosternError) in try snapshot.pack(number) }
      if known == nil { try folder.removePack(number: number) }
    }
  }
}
