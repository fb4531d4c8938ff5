public import Core
import Index
public import Merkle
package import Packs

extension Archive {
  /// Makes a new archive: the data folder, its index, the log's key, and a signed checkpoint of an empty log.
  ///
  /// - Parameters:
  ///   - path: the data folder; it may not exist yet, or be empty.
  ///   - origin: the log's name, a URL without its scheme (C2SP tlog-checkpoint).
  /// - Returns: the log's verifier key, for charters and trust files.
  /// - Throws: `storage.*`, `index.*`, `log.origin`.
  public static func create(at path: String, origin: String) throws(PosternError) -> NoteVerifier {
    try create(at: path, origin: origin, files: SystemFiles())
  }

  /// The same over a given file system.
  package static func create(
    at path: String, origin: String, files: any FileLayer
  ) throws(PosternError) -> NoteVerifier {
    // Before anything is made: an origin that no key can have leaves no folder behind.
    _ = try Checkpoint(origin: origin, size: 0, root: TreeHash.empty)
    let folder = try DataFolder.create(at: path, files: files)
    let index = try ArchiveIndex.open(path: folder.indexPath)
    try index.close()
    try folder.syncRoot()
    // Last, since a folder with a key is an archive.
    return try LogKey.create(origin: origin, in: folder, files: files)
  }

  /// Opens an archive and finishes what a stop of the process left between commit and publication.
  ///
  /// - Parameters:
  ///   - path: the data folder.
  ///   - limits: what others may take.
  ///   - stop: told once, when nobody can know what the disk holds: the archive admits nothing more, and the process
  ///     has to end.
  /// - Throws: `storage.missing`, `storage.in-use`, `storage.denied`, `archive.log-key`, `archive.index-behind`,
  ///   `archive.two-histories`, `index.*`, `log.*`.
  public static func open(
    at path: String, limits: ArchiveLimits = ArchiveLimits(), stop: @escaping @Sendable (PosternError) -> Void
  ) async throws(PosternError) -> Archive {
    try await open(at: path, limits: limits, files: SystemFiles(), stop: stop)
  }

  /// The same over a given file system.
  package static func open(
    at path: String, limits: ArchiveLimits = ArchiveLimits(), files: any FileLayer,
    stop: @escaping @Sendable (PosternError) -> Void
  ) async throws(PosternError) -> Archive {
    let folder = try DataFolder.open(at: path, files: files)
    try folder.requireAccess()
    let signer = try LogKey.read(in: folder, files: files)
    let index = try ArchiveIndex.open(path: folder.indexPath)
    let home = signer.verifier
    let newest = try await firstCheckpoint(index, signer)
    let checkpoint = try committed(newest, home)
    let tree = try tree(of: checkpoint, index)
    let publishedSize = try publishedSize(checkpoint, folder, index, home)
    // Only now it is known that the folder is this program's, and its own log's, to tidy.
    try folder.makeIncoming()
    try folder.removeLeftovers()
    let openFiles = OpenFiles(folder: folder, index: index)
    let runs = RunKeeper(openFiles)
    let publishing = PublishingQueue(openFiles, publishedSize: publishedSize)
    let archive = Archive(
      home: home, limits: limits, objects: ObjectFinder(files: openFiles), runs: runs,
      sequencer: Sequencer(
        files: openFiles, runs: runs, publishing: publishing, signer: signer, tree: tree, newest: newest, stop: stop))
    do throws(PosternError) {
      try await archive.settle(publishing, from: publishedSize, to: newest, runs)
    } catch let error where error.code == .storageFull {
      // What is committed can be read all the same.
      await archive.sequencer.settleLater { [weak archive] () async throws(PosternError) in
        try await archive?.settle(publishing, from: publishedSize, to: newest, runs)
      }
    }
    return archive
  }

  /// Does what a stop left to be done, in the order of a commit: what the published checkpoint names is there before it
  /// is.
  ///
  /// Nothing is admitted or collected before it is done: it removes what no row names. Pushes may be given up.
  private func settle(
    _ publishing: PublishingQueue, from publishedSize: UInt64?, to newest: CheckpointRow, _ runs: RunKeeper
  ) async throws(PosternError) {
    publishing.forget()
    try await settlePacks(publishing, newest)
    try await publishing.publish(checking: true)
    try await runs.settle()
    Publisher(folder: folder, index: index).removePartials(from: publishedSize ?? 0, to: newest.size)
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

  private static func committed(_ row: CheckpointRow, _ home: NoteVerifier) throws(PosternError) -> Checkpoint {
    do throws(PosternError) {
      return try SignedCheckpoint(parsing: row.note, log: home).checkpoint
    } catch let error where [.logUnsigned, .logOrigin, .logSignature].contains(error.code) {
      throw .otherLogKey
    }
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

  /// How much of the log is on show, nil for none of it, which has to be what is committed.
  ///
  /// Never the other way round: an index that is behind what was shown would sign a second history.
  private static func publishedSize(
    _ newest: Checkpoint, _ folder: DataFolder, _ index: ArchiveIndex, _ home: NoteVerifier
  ) throws(PosternError) -> UInt64? {
    guard let note = try folder.readLog(LogPath.checkpoint.text, byteLimit: SignedNote.maximumByteCount) else {
      return nil
    }
    let published = try checkpoint(published: note, in: folder, home)
    guard published.size <= newest.size else {
      throw PosternError(
        .archiveIndexBehind,
        "The index ends at \(newest.size) entries, but this archive has published \(published.size).",
        advice: "The index is gone, or was restored from a copy or rolled back. Restore the newest one: it must not "
          + "sign again. Epochs can still be read without it: “postern recover --from FOLDER”, with the data folder.")
    }
    let row = try index.read { (snapshot) throws(PosternError) in try snapshot.checkpoint(size: published.size) }
    let root = try row.map { (row) throws(PosternError) in try committed(row, home).root }
    guard root == published.root else {
      throw PosternError(
        .archiveTwoHistories, "The index and the published log differ at size \(published.size).",
        advice: "Keep both as evidence and do not serve this folder; recover from a copy.")
    }
    return published.size
  }

  private static func checkpoint(
    published note: [UInt8], in folder: DataFolder, _ home: NoteVerifier
  ) throws(PosternError) -> Checkpoint {
    do throws(PosternError) {
      return try SignedCheckpoint(parsing: note, log: home).checkpoint
    } catch {
      throw PosternError(
        error.code,
        "\(folder.layout.log(LogPath.checkpoint.text)) is damaged: it is no checkpoint that this log signed.",
        advice: "Move it away and start the archive again, which publishes it anew from its index. Do not where the "
          + "index was restored from an older copy: this file is what notices that.")
    }
  }

  /// Notes for publication what commits sealed and replaced, and removes what no push owns any more.
  private func settlePacks(
    _ publishing: PublishingQueue, _ newest: CheckpointRow
  ) async throws(PosternError) {
    publishing.add([], newest)
    try index.forEachPage(of: .sealed) { page in
      publishing.add(page.compactMap { pack in pack.name.map { PackPlacement(pack, named: $0) } }, newest)
    }
    while true {
      let left = try index.read { (snapshot) throws(PosternError) in try snapshot.packsWithoutPush() }
      guard !left.isEmpty else { break }
      for pack in left { try await index.writer.abandonPack(pack.number) }
    }
    // Of many, all but the first page when the archive serves already.
    try index.forEachPage(of: .abandoned) { page in
      // Those that others took the place of may lie under their names; those that a push finished and gave up never
      // did. Which is which no row says: each is looked for at both places.
      publishing.add([], newest, retired: page.filter { $0.finished != nil })
      sweeper.remove(page.filter { $0.finished == nil })
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
