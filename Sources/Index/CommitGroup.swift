public import Core

/// Everything that one commit of the sequencer makes true, all of it or nothing.
public struct CommitGroup: Sendable {
  /// The most packs that one group brings: one transaction stays short.
  ///
  /// Who makes groups leaves the rest to the next one.
  public static let packLimit = 16_384

  /// The newest checkpoint, from which the group starts; nil for the log's first.
  public var previous: CheckpointRow?
  /// The checkpoint that covers the group, signed and shown to nobody yet.
  public var checkpoint: CheckpointRow
  /// The new leaves: their indexes go on from the size before, without a gap.
  public var entries: [EntryRow] = []
  /// The tiles that grew or are new.
  public var tiles: [TileRow] = []
  /// Charters that came into force.
  public var charters: [CharterRow] = []
  /// What stands for each application that changed.
  public var applications: [ApplicationRow] = []
  /// Generations that opened.
  public var generations: [GenerationRow] = []
  /// Epochs that were admitted.
  public var epochs: [EpochRow] = []
  /// Packs that become the archive's.
  public var packs: [PackSealing] = []
  /// Pushes that end here.
  ///
  /// ``packs`` has to list every pack that they still have: one forgotten would take objects of an admitted
  /// epoch with it.
  public var pushes: [PushToken] = []

  /// A group without records.
  public init(previous: CheckpointRow?, checkpoint: CheckpointRow) {
    self.previous = previous
    self.checkpoint = checkpoint
  }
}

/// A finished pack that a commit makes visible.
public struct PackSealing: Sendable {
  /// The pack and whose it is.
  public var pack: OpenPack
  /// SHA-256 of its footer.
  public var name: Digest
  /// How many bytes its file has, all of them durable.
  public var byteCount: UInt64

  /// Makes a value.
  public init(pack: OpenPack, name: Digest, byteCount: UInt64) {
    self.pack = pack
    self.name = name
    self.byteCount = byteCount
  }
}

extension CommitGroup {
  /// Refuses a group that contradicts itself.
  ///
  /// - Throws: `index.group`, `index.limit`.
  func validate() throws(PosternError) {
    guard packs.count <= CommitGroup.packLimit else {
      throw PosternError(
        .indexLimit, "A commit group brings \(packs.count) packs, and may bring \(CommitGroup.packLimit).",
        advice: "Commit in smaller groups; a push has fewer packs when it sends larger objects.")
    }
    let start = previous?.size ?? 0
    for (position, entry) in entries.enumerated() where entry.index != start + UInt64(position) {
      throw CommitGroup.refused("an entry's index leaves a gap", position)
    }
    guard checkpoint.size == start + UInt64(entries.count) else {
      throw CommitGroup.refused("the checkpoint's size is not that of the log with the new entries")
    }
    guard previous == nil || !entries.isEmpty else { throw CommitGroup.refused("nothing is added to the log") }
    for (position, tile) in tiles.enumerated() {
      guard tile.hashes.count.isMultiple(of: Digest.byteCount),
        (1...TileRow.width).contains(tile.hashes.count / Digest.byteCount)
      else { throw CommitGroup.refused("a tile has not 1 to 256 hashes", position) }
    }
    for (position, sealing) in packs.enumerated() {
      if let push = sealing.pack.push, !pushes.contains(push) {
        throw CommitGroup.refused("a pack's push does not end with the group", position)
      }
    }
  }

  static func refused(_ what: String, _ index: Int? = nil) -> PosternError {
    PosternError(
      .indexGroup, "The commit group contradicts itself: \(what); nothing was changed.",
      advice: "This is a defect of the archive: report it.", index: index)
  }
}
