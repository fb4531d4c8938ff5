import Core

/// Ids of chunks that were seen a short while ago: as many as there are slots, the newer in the place of the older.
///
/// A dump may name a chunk in many places. What was seen surely is known again while it is recent; what was
/// forgotten is looked for once more, which costs time and nothing else: of nodes that would be time without end, and
/// ``WalkedNodes`` forgets none. Which ids share a slot is another matter in each process, so that nobody can choose
/// two.
struct RecentIds: Sendable {
  private static let slotCount = 1 << 18

  private var slots = [Digest](repeating: .zero, count: slotCount)

  /// Takes notice of an id.
  ///
  /// - Returns: whether it is new, as far as is known.
  mutating func insert(_ id: Digest) -> Bool {
    let slot = Int(truncatingIfNeeded: id.hashValue) & (RecentIds.slotCount - 1)
    guard slots[slot] != id else { return false }
    slots[slot] = id
    return true
  }
}
