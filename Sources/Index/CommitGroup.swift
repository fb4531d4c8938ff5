public import Core

/// Everything that one commit of the sequencer makes true, all of it or nothing.
public struct CommitGroup: Sendable {
  /// The most packs and rows of objects, all together, that one group brings: one transaction stays short.
  ///
  /// Who makes groups counts with ``PackSealing/rowCount`` and leaves the rest to the next one.
  public static let rowLimit = 16_384

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
  /// Its rows that no batch has entered yet: a small pack needs no transaction of its own.
  public var objects: [ObjectRow]

  /// What it adds to ``CommitGroup/rowLimit``.
  public var rowCount: Int { 1 + objects.count }

  /// Makes a value.
  public init(pack: OpenPack, name: Digest, byteCount: UInt64, objects: [ObjectRow] = []) {
    self.pack = pack
    self.name = name
    self.byteCount = byteCount
    self.objects = objects
  }
}

extension CommitGroup {
  /// Refuses a group that contradicts itself.
  ///
  /// - Throws: `index.group`, `index.limit`.
  func validate() throws(PosternError) {
    let rowCount = packs.reduce(0) { $0 + $1.rowCount }
    guard rowCount <= CommitGroup.rowLimit else {
      throw PosternError(
        .indexLimit, "A commit group brings \(rowCount) packs and objects, and may bring \(CommitGroup.rowLimit).",
        advice: "Enter objects in batches before, and commit in smaller groups.")
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
