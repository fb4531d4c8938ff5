public import Core
public import Merkle

/// A leaf with its audit path, as answers carry it: several of them share one checkpoint.
public struct ProvenLeaf: Hashable, Sendable {
  /// The leaf's place in the log, from 0.
  public let index: UInt64
  /// The leaf's bytes, at most 65,535.
  public let leaf: [UInt8]
  /// The audit path, leaf to root.
  public let path: [Digest]

  /// A leaf from outside, unverified.
  public init(index: UInt64, leaf: [UInt8], path: [Digest]) {
    self.index = index
    self.leaf = leaf
    self.path = path
  }

  /// A leaf with the path that a tree's tiles give.
  ///
  /// - Parameter read: the bytes of a tile; what it throws is thrown on.
  /// - Throws: `log.range` when the tree has no such leaf, `log.tile` when a tile has another length.
  public init(
    index: UInt64, leaf: [UInt8], treeSize: UInt64, reading read: (TileCoordinate) throws -> [UInt8]
  ) throws {
    let proof = try InclusionProof(index: index, treeSize: treeSize, reading: read)
    self.init(index: index, leaf: leaf, path: proof.hashes)
  }

  /// Checks that the leaf is where it says in the log.
  ///
  /// - Throws: `log.entry-length` when the leaf is longer than leaves are, `log.range` or `log.inclusion` when the
  ///   checkpoint does not cover it.
  public func verify(under signed: SignedCheckpoint) throws(PosternError) {
    guard leaf.count <= EntryBundle.maximumEntryByteCount else {
      throw PosternError(
        .logEntryLength, "An entry of \(leaf.count) bytes does not fit a log.",
        advice: "Entries have at most 65,535 bytes; ask another source.")
    }
    let proof = InclusionProof(index: index, treeSize: signed.checkpoint.size, hashes: path)
    try proof.verify(leafHash: TreeHash.leaf(leaf), root: signed.checkpoint.root)
  }
}
