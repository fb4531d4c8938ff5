import Core
import Wire

/// Repeats what may be repeated when a connection breaks.
///
/// An archive that is restarted knows no open pushes any more: what a push does about that is ``OpenPush``'s affair.
enum Retry {
  private static let attemptLimit = 8
  private static let firstPauseMilliseconds = 250.0

  /// Calls `body` until it returns, fails for good, or has met eight broken connections.
  ///
  /// - Parameter body: what changes nothing when it is done twice.
  static func whileUnavailable<Result: Sendable>(
    _ body: @Sendable () async throws -> Result
  ) async throws -> Result {
    for attempt in 1..<attemptLimit {
      do {
        return try await body()
      } catch let error as PosternError where error.code == .wireUnavailable {
        try await pause(afterAttempt: attempt)
      }
    }
    return try await body()
  }

  /// Waits before something is tried again.
  ///
  /// Pauses double from a quarter of a second on, each of a random length up to that, so that many clients of one
  /// archive do not come back at once.
  ///
  /// - Parameter attempt: how often it was tried before, from 1.
  static func pause(afterAttempt attempt: Int) async throws {
    let longest = firstPauseMilliseconds * Double(1 << (attempt - 1))
    try await Task.sleep(for: .milliseconds(Double.random(in: 0...longest)))
  }
}
