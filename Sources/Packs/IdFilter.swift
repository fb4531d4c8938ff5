import Core

/// Says of an id that a set surely lacks it, or that it may have it: a Bloom filter of six bits an id.
///
/// Of ids that the set lacks, it lets one in eighteen through. Ids are hashes already, so their own bytes are the
/// probes; whoever grinds ids to collide slows a search down, and changes no answer.
struct IdFilter: Sendable {
  private static let bitsPerId = 6
  private static let probeCount: UInt64 = 4

  private var words: [UInt64]
  private let bitCount: UInt64

  /// An empty set.
  ///
  /// - Parameter count: how many ids will be in it.
  init(count: Int) {
    let wordCount = max(1, (count * IdFilter.bitsPerId + 63) / 64)
    words = [UInt64](repeating: 0, count: wordCount)
    bitCount = UInt64(wordCount) * 64
  }

  /// Puts an id into the set.
  mutating func insert(_ id: Digest) {
    let (first, step) = IdFilter.words(of: id)
    for probe in 0..<IdFilter.probeCount {
      let bit = place(first &+ probe &* step)
      words[Int(bit / 64)] |= 1 << (bit % 64)
    }
  }

  /// Whether the set may have the id.
  func mayContain(_ id: Digest) -> Bool {
    let (first, step) = IdFilter.words(of: id)
    for probe in 0..<IdFilter.probeCount {
      let bit = place(first &+ probe &* step)
      if words[Int(bit / 64)] & 1 << (bit % 64) == 0 { return false }
    }
    return true
  }

  private func place(_ value: UInt64) -> UInt64 { value.multipliedFullWidth(by: bitCount).high }

  /// Two words of the id that its rank among sorted ids says nothing about.
  private static func words(of id: Digest) -> (UInt64, UInt64) {
    id.withUnsafeBytes { bytes in
      (
        bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
        bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self) | 1
      )
    }
  }
}
