/// How long marks may take that nothing was added for: a 32nd of the time, so that they cost little however often
/// somebody pushes a small change to a large state.
///
/// What was not used is saved up to some seconds. A mark that has begun comes to its end, and those after it wait until
/// what it took is there again.
package struct MarkAllowance: Sendable {
  private static let share = 32
  private static let savedLimit = Duration.seconds(4)
  private var left = MarkAllowance.savedLimit
  private var counted: ContinuousClock.Instant

  /// A full allowance.
  ///
  /// - Parameter now: the time.
  package init(at now: ContinuousClock.Instant) { counted = now }

  /// Whether a mark may begin.
  ///
  /// - Parameter now: the time, no earlier than that of the call before.
  package mutating func isLeft(at now: ContinuousClock.Instant) -> Bool {
    left = min(left + (now - counted) / MarkAllowance.share, MarkAllowance.savedLimit)
    counted = now
    return left > .zero
  }

  /// Takes off what a mark took.
  package mutating func spend(_ duration: Duration) { left -= duration }
}
