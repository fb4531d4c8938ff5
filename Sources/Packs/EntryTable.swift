import Core

/// The entries of a pack that is being written, in the order written, found by id.
///
/// A hash table of positions: 4 bytes a slot beside the entry itself, because a server holds one table for
/// every open push.
struct EntryTable: Sendable {
  private(set) var entries: [PackEntry] = []
  /// Position in `entries` plus one; 0 is an empty slot.
  ///
  /// The count is a power of two, and at most half of it is taken.
  private var slots = [UInt32](repeating: 0, count: 64)

  /// The entry of an id.
  subscript(id: Digest) -> PackEntry? {
    let slot = slots[self.slot(id)]
    return slot == 0 ? nil : entries[Int(slot) - 1]
  }

  /// The slot where an id goes, until anything else is appended; nil when the id is there already.
  mutating func vacancy(for id: Digest) -> Int? {
    if entries.count * 2 >= slots.count { grow() }
    let slot = slot(id)
    return slots[slot] == 0 ? slot : nil
  }

  /// Appends an entry, whose slot is what ``vacancy(for:)`` answered last.
  mutating func append(_ entry: PackEntry, at slot: Int) {
    entries.append(entry)
    slots[slot] = UInt32(entries.count)
  }

  /// The slot that holds the id, or the empty one where it goes.
  private func slot(_ id: Digest) -> Int {
    let mask = slots.count - 1
    // Under the process's own key: senders choose ids, and could have them all meet in one place.
    var hasher = Hasher()
    hasher.combine(id.prefix)
    var slot = hasher.finalize() & mask
    while slots[slot] != 0, entries[Int(slots[slot]) - 1].id != id { slot = (slot + 1) & mask }
    return slot
  }

  private mutating func grow() {
    slots = [UInt32](repeating: 0, count: slots.count * 2)
    for (position, entry) in entries.enumerated() { slots[slot(entry.id)] = UInt32(position + 1) }
  }
}
