import Synchronization

/// Values that were used of late, within a bound on their count and their cost; the longest unused goes first.
///
/// What goes is only let go of: who uses it still has it.
package final class RecentlyUsed<Value: Sendable>: Sendable {
  private struct Entry {
    let value: Value
    let cost: Int
    var lastUse: UInt64
  }

  private struct State {
    var entries: [UInt64: Entry] = [:]
    var cost = 0
    var clock: UInt64 = 0
    var removalCount: UInt64 = 0

    mutating func remove(_ key: UInt64) {
      if let entry = entries.removeValue(forKey: key) { cost -= entry.cost }
    }
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
  package subscript(key: UInt64) -> Value? {
    state.withLock { state in
      state.clock += 1
      state.entries[key]?.lastUse = state.clock
      return state.entries[key]?.value
    }
  }

  /// How often a value was let go on purpose so far.
  package var removalCount: UInt64 { state.withLock { $0.removalCount } }

  /// Keeps a value, unless it costs more than all may.
  ///
  /// - Parameters:
  ///   - value: the value.
  ///   - cost: what it costs.
  ///   - key: its key.
  ///   - removalCount: what ``removalCount`` was before the value was read; where more was let go since, it may be out of
  ///     date by now and is not kept.
  package func keep(_ value: Value, cost: Int = 1, for key: UInt64, readAt removalCount: UInt64? = nil) {
    guard cost <= costLimit else { return }
    state.withLock { state in
      guard removalCount ?? state.removalCount == state.removalCount else { return }
      state.remove(key)
      while state.entries.count >= countLimit || state.cost > costLimit - cost {
        guard let oldest = state.entries.min(by: { $0.value.lastUse < $1.value.lastUse }) else { break }
        state.remove(oldest.key)
      }
      state.clock += 1
      state.entries[key] = Entry(value: value, cost: cost, lastUse: state.clock)
      state.cost += cost
    }
  }

  /// Whether a value of some cost finds room without pushing out what is in use.
  package func hasRoom(for cost: Int) -> Bool {
    state.withLock { state in
      let inUse = state.entries.values.filter { $0.lastUse + RecentlyUsed.recentUseCount > state.clock }
      return inUse.reduce(cost) { $0 + $1.cost } <= costLimit
    }
  }

  /// Lets a value go.
  package func remove(_ key: UInt64) {
    state.withLock { state in
      state.remove(key)
      state.removalCount += 1
    }
  }
}
