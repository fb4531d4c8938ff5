import Core
import Index
import Merkle
import Packs

/// Writes the log's files, from which anyone can read and rebuild it: tiles, bundles, then the checkpoint.
///
/// What the checkpoint names is durable before the checkpoint is. Everything may be written again.
struct Publisher: Sendable {
  /// The data folder.
  let folder: DataFolder
  /// The committed log.
  let index: ArchiveIndex

  /// Files that are published together, so that a folder is synced once for all of them and memory is bounded.
  private static let filesAtOnce = 64

  /// Publishes all that the index has beyond what is on show.
  ///
  /// - Parameters:
  ///   - publishedSize: the size of the published checkpoint; 0 where there is none.
  ///   - checkpoint: a newer committed checkpoint.
  /// - Throws: `storage.*`, `index.*`.
  func publish(from publishedSize: UInt64, to checkpoint: CheckpointRow) throws(PosternError) {
    var files: [LogFile] = []
    func add(_ file: LogFile) throws(PosternError) {
      files.append(file)
      guard files.count == Publisher.filesAtOnce else { return }
      try folder.publish(files)
      files = []
    }
    for level in 0..<8 {
      let width = UInt64(1) << UInt64(8 * level)
      guard checkpoint.size / width > publishedSize / width else { break }
      var number = publishedSize / width / 256
      while let tile = TileCoordinate(level: level, index: number, treeSize: checkpoint.size) {
        try add(LogFile(path: tile.path, bytes: try index.tile(tile)))
        number += 1
      }
    }
    for bundle in bundles(from: publishedSize, to: checkpoint.size) { try add(try file(bundle)) }
    try folder.publish(files)
    try folder.publish([LogFile(path: LogPath.checkpoint.text, bytes: checkpoint.note)])
    removeReplaced(from: publishedSize, to: checkpoint.size)
  }

  /// Removes the partial tiles and bundles whose full ones came on show.
  private func removeReplaced(from publishedSize: UInt64, to size: UInt64) {
    for level in 0..<8 {
      let (first, full) = (publishedSize >> UInt64(8 * (level + 1)), size >> UInt64(8 * (level + 1)))
      guard first < full else { break }
      for number in first..<full {
        guard let tile = TileCoordinate(level: level, index: number, treeSize: size) else { break }
        removePartials(of: tile.path)
        guard level == 0, let bundle = BundleCoordinate(index: number, treeSize: size) else { continue }
        removePartials(of: bundle.path)
      }
    }
  }

  /// Removes the partial tiles and bundles that a stop left beside full ones; the checkpoint is on show.
  ///
  /// - Parameters:
  ///   - publishedSize: the size of the checkpoint that was on show before; 0 where there was none.
  ///   - size: the size of the one that is.
  func removePartials(from publishedSize: UInt64, to size: UInt64) {
    for level in 0..<8 {
      // What a stop left lies beside the last full tile of before, or beside one that is newer.
      let full = size >> UInt64(8 * (level + 1))
      let first = publishedSize >> UInt64(8 * (level + 1))
      for number in (first - min(first, 1))..<max(full, first) {
        guard let tile = TileCoordinate(level: level, index: number, treeSize: size), tile.isFull else { break }
        removePartials(of: tile.path)
        guard level == 0, let bundle = BundleCoordinate(index: number, treeSize: size) else { continue }
        removePartials(of: bundle.path)
      }
    }
  }

  /// Removes what a full tile or bundle takes the place of.
  ///
  /// What cannot be removed is superfluous and not wrong.
  private func removePartials(of path: String) { try? folder.removePartials(of: path) }

  /// The bundles that hold the leaves of a range, as wide as the newer size has them.
  private func bundles(from oldSize: UInt64, to newSize: UInt64) -> some Sequence<BundleCoordinate> {
    sequence(state: BundleCoordinate.index(ofEntry: oldSize)) { number in
      defer { number += 1 }
      return BundleCoordinate(index: number, treeSize: newSize)
    }
  }

  private func file(_ bundle: BundleCoordinate) throws(PosternError) -> LogFile {
    LogFile(path: bundle.path, bytes: try index.bundle(bundle).bytes)
  }
}

extension ArchiveIndex {
  /// A tile as wide as it is asked for.
  ///
  /// - Throws: `archive.not-found` where the log has no such tile, or not as wide.
  func tile(_ coordinate: TileCoordinate) throws(PosternError) -> [UInt8] {
    try read { (snapshot) throws(PosternError) in try snapshot.tile(coordinate) }
  }

  /// A bundle as wide as it is asked for.
  ///
  /// - Throws: `archive.not-found` where the log has no such bundle, or not as wide.
  func bundle(_ coordinate: BundleCoordinate) throws(PosternError) -> EntryBundle {
    let entries = try read { (snapshot) throws(PosternError) in try snapshot.entries(coordinate.entryNumbers) }
    guard entries.count == coordinate.width else { throw .noSuchPartOfLog }
    var leaves: [[UInt8]] = []
    for entry in entries { leaves.append(try entry.sound.bytes) }
    return try EntryBundle(leaves)
  }
}

extension IndexSnapshot {
  /// A tile as wide as it is asked for.
  ///
  /// - Throws: `archive.not-found` where the log has no such tile, or not as wide.
  func tile(_ coordinate: TileCoordinate) throws(PosternError) -> [UInt8] {
    guard let hashes = try tile(level: UInt8(coordinate.level), number: coordinate.index),
      hashes.count >= coordinate.byteCount
    else { throw .noSuchPartOfLog }
    return Array(hashes.prefix(coordinate.byteCount))
  }
}

extension PosternError {
  /// The log has no such entry, tile or bundle.
  static let noSuchPartOfLog = PosternError(
    .archiveNotFound, "The log has no such entry, tile or bundle yet.",
    advice: "Ask within the size of its newest checkpoint.")
}
