import Core

/// Repeats what may be repeated when a connection breaks, so that an archive's restart ends no push.
enum Retry {
  private static let attemptLimit = 8
  private static let firstPauseMilliseconds = 250.0

  /// Calls `body` until it returns, fails for good, or has met eight broken connections.
  ///
  /// Pauses double from a quarter of a second on, each of a random length up to that, so that many clients of one
  /// archive do not come back at once.
  ///
  /// - Parameter body: what changes nothing when it is done twice.
  static func whileUnavailable<Result: Sendable>(
    _ body: @Sendable () async throws -> Result
  ) async throws -> Result {
    for attempt in 1..<attemptLimit {
      do {
        return try await body()
      } catch let error as PosternError where error.code == "wire.unavailable" {
        let longest = firstPauseMilliseconds * Double(1 << (attempt - 1))
        try await Task.sleep(for: .milliseconds(Double.random(in: 0...longest)))
      }
    }
    return try await body()
  }
}
