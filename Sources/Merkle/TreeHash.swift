import Bulk
public import Core

/// The hashes of an RFC 6962 tree over SHA-256 (section 2.1): a prefix byte keeps leaves and nodes apart.
public enum TreeHash {
  /// The root of a tree without leaves: the hash of nothing.
  public static let empty = SHA256.hash([UInt8]())

  /// The hash of a leaf: SHA-256(0x00 ‖ data).
  public static func leaf(_ data: [UInt8]) -> Digest {
    var hasher = TreeHasher()
    return hasher.leaf(data[...])
  }

  /// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
  public static func node(_ left: Digest, _ right: Digest) -> Digest {
    var hasher = TreeHasher()
    return hasher.node(left, right)
  }
}

/// Hashes many leaves and nodes with one context: a new one for each would cost four times the hash.
struct TreeHasher: ~Copyable {
  private var hash = SHA256()

  mutating func leaf(_ data: ArraySlice<UInt8>) -> Digest {
    withUnsafeBytes(of: 0 as UInt8) { hash.update($0) }
    data.withUnsafeBytes { hash.update($0) }
    return hash.finish()
  }

  mutating func node(_ left: Digest, _ right: Digest) -> Digest {
    withUnsafeTemporaryAllocation(byteCount: 1 + 2 * Digest.byteCount, alignment: 8) { buffer in
      buffer[0] = 1
      left.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: buffer[1...]).copyMemory(from: $0) }
      right.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: buffer[33...]).copyMemory(from: $0) }
      hash.update(UnsafeRawBufferPointer(buffer))
    }
    return hash.finish()
  }

  /// The root over neighbours that are as many as a power of two.
  mutating func root(ofPerfect hashes: ArraySlice<Digest>) -> Digest {
    var row = Array(hashes)
    while row.count > 1 {
      for index in 0..<row.count / 2 { row[index] = node(row[2 * index], row[2 * index + 1]) }
      row.removeLast(row.count / 2)
    }
    return row.first ?? TreeHash.empty
  }

  /// The root over perfect subtrees, largest first, as they stand side by side in a tree.
  mutating func root(ofPeaks peaks: [Digest]) -> Digest {
    guard var root = peaks.last else { return TreeHash.empty }
    for peak in peaks.dropLast().reversed() { root = node(peak, root) }
    return root
  }
}
