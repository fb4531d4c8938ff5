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
