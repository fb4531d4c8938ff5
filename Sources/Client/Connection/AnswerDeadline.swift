import Core
import Synchronization
import Wire

/// Ends the wait for an archive's answer to one question, however the answer trickles in.
///
/// The wire gives up a call that makes no headway, and a byte now and then is some. What this side takes to deal with
/// what has come does not count: whoever reads a state from a pipe may be slow.
final class AnswerDeadline: Sendable {
  /// How long a question may wait for the archive, with all that a broken connection makes it repeat.
  ///
  /// A question is for 2 MiB of objects, of which eight are asked at once, or for 16 MiB of entries: over a line of 1
  /// Mbit/s either takes less than three minutes.
  static let limit = Duration.seconds(600)

  private struct State {
    var waited = Duration.zero
    /// Since when the archive is waited for; nil while this side deals with what came.
    var waitingSince: ContinuousClock.Instant? = .now
  }

  private let limit: Duration
  private let state = Mutex(State())

  /// A deadline that begins now.
  ///
  /// - Parameter limit: how long the archive may be waited for.
  init(limit: Duration = AnswerDeadline.limit) {
    self.limit = limit
  }

  /// Asks, and gives the question up where the archive takes too long.
  ///
  /// - Throws: `wire.deadline`, which is not asked again; what `question` throws.
  func bounding<Answer: Sendable>(
    _ question: @escaping @Sendable () async throws -> Answer
  ) async throws -> Answer {
    try await withThrowingTaskGroup(of: Answer?.self) { group in
      defer { group.cancelAll() }
      group.addTask { try await question() }
      group.addTask {
        try await self.pass()
        return nil
      }
      while let answer = try await group.next() {
        if let answer { return answer }
      }
      throw CancellationError()
    }
  }

  /// Deals with a part of the answer, for which the archive is not waited for.
  func pausing(_ body: () async throws -> Void) async throws {
    state.withLock { state in
      if let since = state.waitingSince { state.waited += since.duration(to: .now) }
      state.waitingSince = nil
    }
    defer { state.withLock { $0.waitingSince = .now } }
    try await body()
  }

  /// Throws when the time has passed; returns when its task is cancelled.
  private func pass() async throws {
    while true {
      let left = state.withLock { state in
        limit - state.waited - (state.waitingSince?.duration(to: .now) ?? .zero)
      }
      guard left > .zero else { throw PosternError.slowAnswer(limit) }
      do {
        // While this side is busy, little may be left for long.
        try await Task.sleep(for: max(left, limit / 100))
      } catch {
        return
      }
    }
  }
}

extension PosternError {
  fileprivate static func slowAnswer(_ limit: Duration) -> PosternError {
    PosternError(
      .wireDeadline,
      "The archive has not answered a question in \(limit.components.seconds) s, though bytes of it may have come.",
      advice: "Use another archive; over a slow line, leave it to this alone.")
  }
}
