import Synchronization

/// The bytes by which all connections of a server may widen their windows.
///
/// Windows start small, so that a thousand connections that only sit there cost little; those over which bulk flows
/// widen theirs while this lasts.
final class WindowBudget: Sendable {
  private let left: Mutex<Int>

  /// A budget of so many bytes.
  init(byteCount: Int) {
    left = Mutex(byteCount)
  }

  /// Takes bytes out; false, with nothing taken, when fewer are left.
  func take(_ byteCount: Int) -> Bool {
    left.withLock { left in
      guard byteCount <= left else { return false }
      left -= byteCount
      return true
    }
  }

  /// Puts bytes back.
  func giveBack(_ byteCount: Int) {
    left.withLock { $0 += byteCount }
  }
}

/// What one connection has taken out of the budget.
final class WindowLoan: Sendable {
  private let budget: WindowBudget
  private let taken = Mutex(0)

  /// A loan of nothing yet.
  init(from budget: WindowBudget) {
    self.budget = budget
  }

  /// Takes bytes out; false, with nothing taken, when fewer are left.
  func take(_ byteCount: Int) -> Bool {
    guard budget.take(byteCount) else { return false }
    taken.withLock { $0 += byteCount }
    return true
  }

  /// Puts back all that was taken.
  func giveBack() {
    let byteCount = taken.withLock { taken in
      defer { taken = 0 }
      return taken
    }
    budget.giveBack(byteCount)
  }
}
