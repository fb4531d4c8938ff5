public import Core

/// The proof that a tree is a later state of another: nothing was changed or taken out (RFC 6962, section 2.1.2).
public struct ConsistencyProof: Hashable, Sendable {
  /// The most hashes that a proof between 64-bit sizes can have.
  public static let maximumHashCount = 65

  /// The size of the older tree.
  public let oldSize: UInt64
  /// The size of the newer tree.
  public let newSize: UInt64
  /// The proof's hashes, lowest first; none between equal sizes and from the empty tree.
  public let hashes: [Digest]

  /// A proof from outside, unverified.
  public init(oldSize: UInt64, newSize: UInt64, hashes: [Digest]) {
    self.oldSize = oldSize
    self.newSize = newSize
    self.hashes = hashes
  }

  /// Makes a proof from the newer tree's tiles.
  ///
  /// - Parameter read: the bytes of a tile; what it throws is thrown on.
  /// - Throws: `log.range` when the older size is the larger, `log.tile` when a tile has another length.
  public init(oldSize: UInt64, newSize: UInt64, reading read: (TileCoordinate) throws -> [UInt8]) throws {
    let plan = try ProofPlan(consistencyFrom: oldSize, to: newSize)
    self.init(oldSize: oldSize, newSize: newSize, hashes: try plan.hashes(reading: read))
  }

  /// Checks the proof (RFC 9162, section 2.1.4.2), the roots being those of verified checkpoints.
  ///
  /// - Throws: `log.range` when the older size is the larger, `log.consistency` when the proof does not lead to
  ///   both roots, or a root of size 0 is not that of the empty tree.
  public func verify(oldRoot: Digest, newRoot: Digest) throws(PosternError) {
    guard oldSize <= newSize else {
      throw PosternError(
        .logRange, "A tree of \(oldSize) leaves cannot have become one of \(newSize).",
        advice: "Give the older checkpoint first.")
    }
    guard holds(oldRoot, newRoot) else {
      throw PosternError(
        .logConsistency, "The log of size \(newSize) does not continue the log of size \(oldSize).",
        advice: "Keep both checkpoints: if both are signed, they are the evidence of a fork.")
    }
  }

  private func holds(_ oldRoot: Digest, _ newRoot: Digest) -> Bool {
    guard oldSize > 0 else {
      return hashes.isEmpty && oldRoot == TreeHash.empty && (newSize > 0 || newRoot == oldRoot)
    }
    guard oldSize < newSize else { return hashes.isEmpty && oldRoot == newRoot }
    guard !hashes.isEmpty, hashes.count <= Self.maximumHashCount else { return false }
    let roots = computedRoots(oldSize.nonzeroBitCount == 1 ? [oldRoot] + hashes : hashes)
    return roots.map { $0 == (oldRoot, newRoot) } ?? false
  }

  /// The roots that the path leads to; nil where it is too short or too long.
  private func computedRoots(_ path: [Digest]) -> (old: Digest, new: Digest)? {
    guard let first = path.first else { return nil }
    var hasher = TreeHasher()
    let shift = UInt64((oldSize - 1).trailingOnes)
    var node = (oldSize - 1) >> shift
    var last = (newSize - 1) >> shift
    var (old, new) = (first, first)
    for hash in path.dropFirst() {
      guard last > 0 else { return nil }
      if node & 1 == 1 || node == last {
        old = hasher.node(hash, old)
        new = hasher.node(hash, new)
        while node & 1 == 0, node > 0 {
          node >>= 1
          last >>= 1
        }
      } else {
        new = hasher.node(new, hash)
      }
      node >>= 1
      last >>= 1
    }
    return last == 0 ? (old, new) : nil
  }
}

extension UInt64 {
  /// How many of the lowest bits are one without a gap.
  fileprivate var trailingOnes: Int { (~self).trailingZeroBitCount }
}
