import Core

/// The entries of a pack that is being written, in the order written, found by id.
///
/// A hash table of positions: 4 bytes a slot beside the entry itself, because a server holds one table for
/// every open push. What a position leaves free of a slot are bits of the id's hash: an entry lies far from its slot in
/// memory, and is looked at only where those agree.
struct EntryTable: Sendable {
  private(set) var entries: [PackEntry] = []
  /// Position in `entries` plus one, and above it bits of the id's hash; 0 is an empty slot.
  ///
  /// The count is a power of two, and at most half of it is taken.
  private var slots = [UInt32](repeating: 0, count: 64)

  /// Bits of a position plus one, which is at most ``PackFormat/objectLimit``, a power of two.
  private static let positionMask = UInt32(PackFormat.objectLimit) << 1 - 1

  /// Where an id goes that the table lacks.
  struct Vacancy {
    fileprivate let slot: Int
    fileprivate let tag: UInt32
  }

  /// The entry of an id.
  subscript(id: Digest) -> PackEntry? {
    let slot = slots[place(of: id).slot]
    return slot == 0 ? nil : entries[EntryTable.position(slot)]
  }

  /// Where an id goes, until anything else is appended; nil when the id is there already.
  mutating func vacancy(for id: Digest) -> Vacancy? {
    if entries.count * 2 >= slots.count { grow() }
    let place = place(of: id)
    return slots[place.slot] == 0 ? place : nil
  }

  /// Appends an entry, of a pack that has fewer than ``PackFormat/objectLimit``, where ``vacancy(for:)`` said last.
  mutating func append(_ entry: PackEntry, at place: Vacancy) {
    precondition(entries.count < PackFormat.objectLimit)
    entries.append(entry)
    slots[place.slot] = place.tag | UInt32(entries.count)
  }

  private static func position(_ slot: UInt32) -> Int { Int(slot & positionMask) - 1 }

  /// The slot that holds the id, or the empty one where it goes.
  private func place(of id: Digest) -> Vacancy {
    let mask = slots.count - 1
    // Under the process's own key: senders choose ids, and could have them all meet in one place.
    var hasher = Hasher()
    hasher.combine(id.prefix)
    let hash = hasher.finalize()
    // The upper end of the hash, of which the slots' numbers have the lower one.
    let tag = UInt32(truncatingIfNeeded: hash >> 32) & ~EntryTable.positionMask
    var slot = hash & mask
    while slots[slot] != 0, !holds(slots[slot], tag, id) { slot = (slot + 1) & mask }
    return Vacancy(slot: slot, tag: tag)
  }

  private func holds(_ slot: UInt32, _ tag: UInt32, _ id: Digest) -> Bool {
    slot & ~EntryTable.positionMask == tag && entries[EntryTable.position(slot)].id == id
  }

  private mutating func grow() {
    slots = [UInt32](repeating: 0, count: slots.count * 2)
    for (position, entry) in entries.enumerated() {
      let place = place(of: entry.id)
      slots[place.slot] = place.tag | UInt32(position + 1)
    }
  }
}
