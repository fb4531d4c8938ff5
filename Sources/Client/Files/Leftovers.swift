import Synchronization

/// What this process would leave behind if it ended now: files and folders that have not got their names yet.
///
/// Whoever makes one says how it is removed, and whoever ends the process before its time has all of them removed.
package final class Leftovers: Sendable {
  /// Those of this process.
  package static let ofProcess = Leftovers()

  private struct State {
    var newest: UInt64 = 0
    var discards: [UInt64: @Sendable () -> Void] = [:]
  }

  private let state = Mutex(State())

  private init() {}

  /// Makes something that is removed if the process is ended before ``Leftover`` goes away.
  ///
  /// - Parameters:
  ///   - make: makes it; the process is not ended in between.
  ///   - discard: removes what was made; nothing happens where it is gone, or has its name.
  /// - Throws: what `make` throws.
  func making<Made: Sendable, Failure: Error>(
    _ make: () throws(Failure) -> Made, discard: @escaping @Sendable (Made) -> Void
  ) throws(Failure) -> (Made, Leftover) {
    let outcome = state.withLock { state in
      Result<(Made, Leftover), Failure> { () throws(Failure) in
        let made = try make()
        state.newest += 1
        state.discards[state.newest] = { discard(made) }
        return (made, Leftover(state.newest, of: self))
      }
    }
    return try outcome.get()
  }

  fileprivate func forget(_ number: UInt64) {
    // What it holds may take part in this very lock when it goes away.
    let discard = state.withLock { $0.discards.removeValue(forKey: number) }
    withExtendedLifetime(discard) {}
  }

  /// Removes everything, and then ends the process; nothing is made meanwhile.
  package func discardAll(andEnd end: () -> Never) -> Never {
    state.withLock { state in
      for discard in state.discards.values { discard() }
      end()
    }
  }
}

/// Says, as long as it lives, that something would be left behind.
final class Leftover: Sendable {
  private let number: UInt64
  private let leftovers: Leftovers

  fileprivate init(_ number: UInt64, of leftovers: Leftovers) {
    self.number = number
    self.leftovers = leftovers
  }

  deinit { leftovers.forget(number) }
}
