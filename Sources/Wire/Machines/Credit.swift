/// What this side may still send: granted by the peer, spent by messages.
package struct SendCredit: Hashable, Sendable {
  /// Bytes that may be sent now.
  package private(set) var available: Int

  package init(_ initial: UInt32) {
    available = Int(initial)
  }

  /// Spends what a message costs; false, with nothing spent, where there is too little.
  package mutating func spend(_ cost: Int) -> Bool {
    guard cost <= available else { return false }
    available -= cost
    return true
  }

  /// Takes a grant.
  ///
  /// - Throws: ``CloseReason/credit`` when there would be more than any window may hold.
  package mutating func add(_ bytes: UInt32) throws(CloseReason) {
    guard available + Int(bytes) <= Int(WireFormat.creditCeiling) else { throw .credit }
    available += Int(bytes)
  }
}

/// What the peer may still send: granted as messages are consumed.
///
/// `available + buffered + pending == window`, where buffered is what arrived and is not consumed yet: so memory for
/// messages never exceeds the window, whatever the peer does.
package struct ReceiveCredit: Hashable, Sendable {
  /// The most that may be on its way or waiting here, in bytes.
  package private(set) var window: Int
  /// What the peer may still send, in bytes.
  package private(set) var available: Int
  /// Consumed, and not granted again yet: small grants are gathered into one frame.
  private var pending = 0
  /// What the longest message costs.
  private let largestCost: Int

  package init(window: Int, messageLimit: Int) {
    self.window = window
    available = window
    largestCost = WireFormat.messageCost(messageLimit)
  }

  /// Grants wait until they are worth a frame, but never so long that the longest message could not be sent.
  private var threshold: Int { max(1, min(window / 4, window - largestCost)) }

  /// Charges a message that is about to arrive.
  ///
  /// - Throws: ``CloseReason/credit`` when the peer has not been granted that much.
  package mutating func charge(_ cost: Int) throws(CloseReason) {
    guard cost <= available else { throw .credit }
    available -= cost
  }

  /// Notes that so much was consumed, and returns the grant that is due, if any.
  package mutating func consume(_ cost: Int) -> UInt32? {
    pending += cost
    guard pending >= threshold else { return nil }
    defer { pending = 0 }
    available += pending
    return UInt32(pending)
  }

  /// Makes the window larger; the difference is part of the next grant.
  package mutating func widen(to size: Int) {
    guard size > window else { return }
    pending += size - window
    window = size
  }
}
