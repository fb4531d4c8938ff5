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

  /// Publishes what a group added.
  ///
  /// - Parameters:
  ///   - growth: the tiles of the new size.
  ///   - firstIndex: the first new leaf.
  ///   - checkpoint: the committed checkpoint.
  /// - Throws: `storage.*`.
  func publish(_ growth: Growth, from firstIndex: UInt64, checkpoint: CheckpointRow) throws(PosternError) {
    var files = growth.tiles.map { LogFile(path: $0.coordinate.path, bytes: $0.bytes) }
    for bundle in bundles(from: firstIndex, to: growth.size) { files.append(try file(bundle)) }
    try folder.publish(files)
    try folder.publish([LogFile(path: LogPath.checkpoint.text, bytes: checkpoint.note)])
    for tile in growth.tiles where tile.coordinate.isFull { removePartials(of: tile.coordinate.path) }
    for bundle in bundles(from: firstIndex, to: growth.size) where bundle.width == TileCoordinate.fullWidth {
      removePartials(of: bundle.path)
    }
  }

  /// Publishes all that the index has beyond what is on show, after a stop between commit and publication.
  ///
  /// - Parameters:
  ///   - publishedSize: the size of the published checkpoint; 0 where there is none.
  ///   - checkpoint: the newest committed checkpoint.
  /// - Throws: `storage.*`, `index.*`.
  func catchUp(from publishedSize: UInt64, to checkpoint: CheckpointRow) throws(PosternError) {
    for level in 0..<8 {
      let width = UInt64(1) << UInt64(8 * level)
      guard checkpoint.size >= width else { break }
      var number = publishedSize / width / 256
      while let tile = TileCoordinate(level: level, index: number, treeSize: checkpoint.size) {
        try folder.publish([LogFile(path: tile.path, bytes: try index.tile(tile))])
        number += 1
      }
    }
    // One by one: the bundles of a whole log would not fit into memory.
    for bundle in bundles(from: publishedSize, to: checkpoint.size) { try folder.publish([try file(bundle)]) }
    try folder.publish([LogFile(path: LogPath.checkpoint.text, bytes: checkpoint.note)])
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
    sequence(state: oldSize / 256) { number in
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
    let (first, isBeyond) = coordinate.index.multipliedReportingOverflow(by: 256)
    guard !isBeyond, first <= UInt64.max - 256 else { throw .noSuchPartOfLog }
    let entries = try read { (snapshot) throws(PosternError) in
      try snapshot.entries(first..<first + UInt64(coordinate.width))
    }
    guard entries.count == coordinate.width else { throw .noSuchPartOfLog }
    return try EntryBundle(entries.map(\.bytes))
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
