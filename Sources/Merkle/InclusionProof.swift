public import Core

/// The proof that a leaf stands at an index of a tree (RFC 6962, section 2.1.1).
public struct InclusionProof: Hashable, Sendable {
  /// The most hashes that a proof in a tree of 64-bit size can have.
  public static let maximumHashCount = 64

  /// The leaf's place in the log, from 0.
  public let index: UInt64
  /// The size of the tree.
  public let treeSize: UInt64
  /// The audit path: from the leaf's sibling up to the root's child.
  public let hashes: [Digest]

  /// A proof from outside, unverified.
  public init(index: UInt64, treeSize: UInt64, hashes: [Digest]) {
    self.index = index
    self.treeSize = treeSize
    self.hashes = hashes
  }

  /// Makes a proof from a tree's tiles.
  ///
  /// - Parameter read: the bytes of a tile; what it throws is thrown on.
  /// - Throws: `log.range` when the tree has no such leaf, `log.tile` when a tile has another length.
  public init(index: UInt64, treeSize: UInt64, reading read: (TileCoordinate) throws -> [UInt8]) throws {
    let plan = try ProofPlan(inclusionOf: index, treeSize: treeSize)
    self.init(index: index, treeSize: treeSize, hashes: try plan.hashes(reading: read))
  }

  /// Checks the proof (RFC 9162, section 2.1.3.2).
  ///
  /// - Parameters:
  ///   - leafHash: see ``TreeHash/leaf(_:)``.
  ///   - root: the root of a checkpoint of ``treeSize`` whose signature was verified.
  /// - Throws: `log.range` when the tree has no such leaf, `log.inclusion` when the path does not lead from the
  ///   leaf to the root.
  public func verify(leafHash: Digest, root: Digest) throws(PosternError) {
    guard index < treeSize else {
      throw PosternError(
        .logRange, "There is no leaf \(index) in a tree of \(treeSize).",
        advice: "Take the proof and the checkpoint from one answer.")
    }
    guard hashes.count <= Self.maximumHashCount, computedRoot(leafHash) == root else {
      throw PosternError(
        .logInclusion, "The proof does not show that the entry is number \(index) of the log.",
        advice: "Do not rely on the entry; ask another source.")
    }
  }

  /// The root that the path leads to; nil where it is too short or too long.
  private func computedRoot(_ leafHash: Digest) -> Digest? {
    var hasher = TreeHasher()
    var node = index
    var last = treeSize - 1
    var hash = leafHash
    for sibling in hashes {
      guard last > 0 else { return nil }
      if node & 1 == 1 || node == last {
        hash = hasher.node(sibling, hash)
        // A right edge without a sibling goes up as it is.
        while node & 1 == 0, node > 0 {
          node >>= 1
          last >>= 1
        }
      } else {
        hash = hasher.node(hash, sibling)
      }
      node >>= 1
      last >>= 1
    }
    return last == 0 ? hash : nil
  }
}
