import Synchronization

/// Values that were used of late, within a bound on their count and their cost; the longest unused goes first.
///
/// What goes is only let go of: who uses it still has it.
package final class RecentlyUsed<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private struct State {
    var list = RecencyList<Key, Value>()
    /// How often a value was let go on purpose.
    var removalCount: UInt64 = 0
  }

  private let countLimit: Int
  private let costLimit: Int
  private let state = Mutex(State())
  /// Uses within which a value counts as being in use.
  private static var recentUseCount: UInt64 { 1_024 }

  /// Holds nothing yet.
  package init(countLimit: Int, costLimit: Int = .max) {
    self.countLimit = countLimit
    self.costLimit = costLimit
  }

  /// The value of a key, which counts as used now.
  package subscript(key: Key) -> Value? { state.withLock { $0.list.use(key) } }

  /// The value of a key, read and kept where it is not here.
  ///
  /// A value that is read while any is let go on purpose may be out of date by then: it is answered, and not kept.
  ///
  /// - Parameters:
  ///   - key: the key.
  ///   - cost: what a value costs.
  ///   - read: reads the value.
  /// - Throws: what `read` throws.
  package func value<Failure: Error>(
    of key: Key, cost: (Value) -> Int = { _ in 1 }, reading read: () throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let (known, removalCount) = look(key)
    if let known { return known }
    let value = try read()
    keep(value, cost: cost(value), for: key, readAt: removalCount)
    return value
  }

  /// The same where there may be no such value, which is not kept.
  package func valueIfAny<Failure: Error>(
    of key: Key, cost: (Value) -> Int = { _ in 1 }, reading read: () throws(Failure) -> Value?
  ) throws(Failure) -> Value? {
    let (known, removalCount) = look(key)
    if let known { return known }
    guard let value = try read() else { return nil }
    keep(value, cost: cost(value), for: key, readAt: removalCount)
    return value
  }

  private func look(_ key: Key) -> (value: Value?, removalCount: UInt64) {
    state.withLock { state in (state.list.use(key), state.removalCount) }
  }

  /// Keeps a value, unless it costs more than all may.
  package func keep(_ value: Value, cost: Int = 1, for key: Key) {
    keep(value, cost: cost, for: key, readAt: nil)
  }

  private func keep(_ value: Value, cost: Int, for key: Key, readAt removalCount: UInt64?) {
    guard cost <= costLimit else { return }
    state.withLock { state in
      guard removalCount ?? state.removalCount == state.removalCount else { return }
      state.list.remove(key)
      while state.list.count >= countLimit || state.list.cost > costLimit - cost {
        guard state.list.removeOldest() else { break }
      }
      state.list.add(value, cost: cost, for: key)
    }
  }

  /// Whether a value of some cost finds room without pushing out what is in use.
  package func hasRoom(for cost: Int) -> Bool {
    state.withLock { cost + $0.list.cost(usedWithin: RecentlyUsed.recentUseCount) <= costLimit }
  }

  /// Lets a value go.
  package func remove(_ key: Key) {
    state.withLock { state in
      state.list.remove(key)
      state.removalCount += 1
    }
  }
}

/// Values in the order of their last use: each step costs the same, however many there are.
private struct RecencyList<Key: Hashable, Value> {
  private struct Entry {
    let key: Key
    let value: Value
    let cost: Int
    var lastUse: UInt64
    /// Slots of the neighbours.
    var newer: Int?
    var older: Int?
  }

  private var slots: [Entry?] = []
  private var freeSlots: [Int] = []
  private var places: [Key: Int] = [:]
  private var newest: Int?
  private var oldest: Int?
  private var useCount: UInt64 = 0
  /// What all values cost.
  private(set) var cost = 0

  var count: Int { places.count }

  /// The value of a key, which is the newest now; a key without one counts as a use, too.
  mutating func use(_ key: Key) -> Value? {
    useCount += 1
    guard let slot = places[key] else { return nil }
    unlink(slot)
    link(slot)
    return slots[slot]?.value
  }

  /// Adds a value of a key that has none.
  mutating func add(_ value: Value, cost: Int, for key: Key) {
    let entry = Entry(key: key, value: value, cost: cost, lastUse: 0)
    let slot = freeSlots.popLast() ?? slots.count
    if slot == slots.count { slots.append(entry) } else { slots[slot] = entry }
    places[key] = slot
    self.cost += cost
    useCount += 1
    link(slot)
  }

  mutating func remove(_ key: Key) {
    guard let slot = places.removeValue(forKey: key) else { return }
    unlink(slot)
    cost -= slots[slot]?.cost ?? 0
    slots[slot] = nil
    freeSlots.append(slot)
  }

  /// Removes the value that was not used for the longest time; false where there is none.
  mutating func removeOldest() -> Bool {
    guard let oldest, let entry = slots[oldest] else { return false }
    remove(entry.key)
    return true
  }

  /// What those values cost that were used among the last so many uses.
  func cost(usedWithin count: UInt64) -> Int {
    var cost = 0
    var place = newest
    while let slot = place, let entry = slots[slot], entry.lastUse + count > useCount {
      cost += entry.cost
      place = entry.older
    }
    return cost
  }

  private mutating func link(_ slot: Int) {
    slots[slot]?.lastUse = useCount
    slots[slot]?.newer = nil
    slots[slot]?.older = newest
    if let newest { slots[newest]?.newer = slot } else { oldest = slot }
    newest = slot
  }

  private mutating func unlink(_ slot: Int) {
    let (newer, older) = (slots[slot]?.newer, slots[slot]?.older)
    if let newer { slots[newer]?.older = older } else { newest = older }
    if let older { slots[older]?.newer = newer } else { oldest = newer }
  }
}
