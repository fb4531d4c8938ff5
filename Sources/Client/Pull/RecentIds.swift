import Core

/// Ids that were seen a short while ago: as many as there are slots, the newer in the place of the older.
///
/// A dump may name a node or a chunk in many places. What was seen surely is known again while it is recent; what was
/// forgotten is looked for once more, which costs time and nothing else.
struct RecentIds: Sendable {
  private static let slotBits: UInt64 = 18

  private var slots = [Digest](repeating: .zero, count: 1 << Int(slotBits))

  /// Takes notice of an id.
  ///
  /// - Returns: whether it is new, as far as is known.
  mutating func insert(_ id: Digest) -> Bool {
    let slot = Int(id.prefix >> (64 - RecentIds.slotBits))
    guard slots[slot] != id else { return false }
    slots[slot] = id
    return true
  }
}
