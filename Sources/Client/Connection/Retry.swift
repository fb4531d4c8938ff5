package import Core
import Synchronization
import Wire

/// Repeats what may be repeated when a connection breaks, with a patience that has an end.
///
/// The calls of one connection share it: what one of them learns of the archive, that it is away or that it is back,
/// holds for all. An archive that is restarted knows no open pushes any more: what a push does about that is
/// ``RenewingPush``'s affair.
package final class Retry: Sendable {
  /// How long an archive that answered before may be away.
  package static let patience = Duration.seconds(60)
  /// How long an archive that never answered is tried: where nothing listens, nothing will.
  package static let firstPatience = Duration.seconds(3)
  /// How often one call is tried where the archive answers others meanwhile and breaks off this one each time.
  ///
  /// An archive that is away is given up by the clock: so many pauses take three times as long on average.
  private static let attemptLimit = 100
  private static let firstPauseMilliseconds = 250.0
  private static let longestPauseMilliseconds = 4_000.0

  private struct State {
    var isReached = false
    var brokenSince: ContinuousClock.Instant?
  }

  private let state = Mutex(State())
  private let told: @Sendable (PosternError) -> Void

  /// Patience with one archive.
  ///
  /// - Parameter told: called once each time that an archive that had answered cannot be reached any more.
  package init(told: @escaping @Sendable (PosternError) -> Void) {
    self.told = told
  }

  /// Whether the archive has ever answered.
  package var isReached: Bool { state.withLock { $0.isReached } }

  /// Makes one call, and notes that the archive is there when it answers, be it with a refusal.
  ///
  /// What the wire says by itself is none: a deadline, for one, passes on this side, whatever became of the other.
  package func noting<Result>(_ call: () async throws -> Result) async throws -> Result {
    let start = ContinuousClock.now
    do {
      let result = try await call()
      answered(start)
      return result
    } catch let error as PosternError where error.isAnswer {
      answered(start)
      throw error
    }
  }

  /// Calls `body` until it returns, fails for good, or patience is at its end.
  ///
  /// - Parameter body: what changes nothing when it is done twice.
  /// - Throws: `wire.unavailable` when the archive stays away; what `body` throws.
  package func whileUnavailable<Result: Sendable>(
    _ body: @Sendable () async throws -> Result
  ) async throws -> Result {
    for attempt in 1..<Retry.attemptLimit {
      do {
        return try await body()
      } catch let error as PosternError where error.code == .wireUnavailable {
        let left = patienceLeft(error)
        guard left > .zero else { throw error }
        try await Retry.pause(afterAttempt: attempt, atMost: left)
      }
    }
    return try await body()
  }

  /// Waits before something is tried again.
  ///
  /// Pauses double from a quarter of a second to four, each of a random length up to that, so that many clients of
  /// one archive do not come back at once.
  ///
  /// - Parameters:
  ///   - attempt: how often it was tried before, from 1.
  ///   - limit: the longest pause that makes sense.
  static func pause(afterAttempt attempt: Int, atMost limit: Duration = patience) async throws {
    let longest = min(firstPauseMilliseconds * Double(1 << min(attempt - 1, 10)), longestPauseMilliseconds)
    try await Task.sleep(for: min(.milliseconds(Double.random(in: 0...longest)), limit))
  }

  private func answered(_ start: ContinuousClock.Instant) {
    state.withLock { state in
      state.isReached = true
      // The answer to what was asked before it went away may come late, from one that is about to end.
      if let since = state.brokenSince, start < since { return }
      state.brokenSince = nil
    }
  }

  /// Notes that the archive is away, and says for how long it may go on to be.
  private func patienceLeft(_ error: PosternError) -> Duration {
    let now = ContinuousClock.now
    let (isNew, left) = state.withLock { state in
      let since = state.brokenSince ?? now
      let isNew = state.isReached && state.brokenSince == nil
      state.brokenSince = since
      return (isNew, (state.isReached ? Retry.patience : Retry.firstPatience) - since.duration(to: now))
    }
    if isNew { told(error) }
    return left
  }
}

extension PosternError {
  /// Whether the archive answered with it, be it with a code that is not for an archive to find.
  ///
  /// Of the other codes of the wire nobody knows who made them.
  var isAnswer: Bool { code == .wireRefusal || !code.rawValue.hasPrefix("wire.") }
}
