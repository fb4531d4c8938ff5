import Core
import Synchronization
import Wire

/// Ends the wait for an archive's answer to a question, however the answer trickles in.
///
/// The wire gives up a call that makes no headway, and a byte now and then is some. What this side takes to deal with
/// what has come does not count: whoever reads a state from a pipe may be slow.
///
/// One task looks after all questions of a connection. A sleep of its own for each would leave a timer behind until the
/// question's time is over, however soon the answer is there: a large state takes tens of thousands of questions.
package final class AnswerDeadlines: Sendable {
  /// How long a question may wait for the archive, with all that a broken connection makes it repeat, besides the time
  /// that what comes is given.
  ///
  /// Eight questions at once ask for a mebibyte or two of objects each, in messages of at most a mebibyte: over a line
  /// of 64 kbit/s the first message of each is there within 18 minutes.
  package static let limit = Duration.seconds(1_200)

  /// Bytes of an answer that give it one second more: eight answers at that rate fill a line of 64 kbit/s.
  static let byteCountOfSecond = 1_024

  /// A question that waits for its answer.
  private struct Question {
    let deadline: AnswerDeadline
    let giveUp: @Sendable () -> Void
  }

  private let limit: Duration
  private let questions = Mutex<[ObjectIdentifier: Question]>([:])

  /// No question waits yet.
  ///
  /// - Parameter limit: how long the archive may be waited for before anything comes.
  package init(limit: Duration = AnswerDeadlines.limit) {
    self.limit = limit
  }

  /// Gives up the questions whose time is over, until its task is cancelled: nothing is given up without it.
  package func watch() async {
    let pause = min(.seconds(1), limit / 20)
    while (try? await Task.sleep(for: pause)) != nil {
      let over = questions.withLock { questions in questions.values.filter { $0.deadline.isOver } }
      for question in over { question.giveUp() }
    }
  }

  /// Asks, and gives the question up where the archive takes too long.
  ///
  /// - Parameter question: is cancelled when its time is over, and with the caller's task.
  /// - Throws: `wire.deadline`, which is not asked again; what `question` throws.
  package func bounding<Answer: Sendable>(
    _ question: @escaping @Sendable (AnswerDeadline) async throws -> Answer
  ) async throws -> Answer {
    let deadline = AnswerDeadline(limit)
    // It ends before this does, whatever happens: its end is waited for.
    let task = Task { try await question(deadline) }
    let key = ObjectIdentifier(deadline)
    questions.withLock { $0[key] = Question(deadline: deadline, giveUp: { task.cancel() }) }
    defer { questions.withLock { $0[key] = nil } }
    do {
      return try await withTaskCancellationHandler {
        try await task.value
      } onCancel: {
        task.cancel()
      }
    } catch {
      // Who else would have cancelled it?
      throw task.isCancelled && !Task.isCancelled ? PosternError.slowAnswer : error
    }
  }
}

/// How long one question has waited, and may wait.
package final class AnswerDeadline: Sendable {
  private struct State {
    /// How long the archive may still be waited for, from `waitingSince` on.
    var left: Duration
    /// Since when the archive is waited for; nil while this side deals with what came.
    var waitingSince: ContinuousClock.Instant? = .now
  }

  private let state: Mutex<State>

  /// A deadline that begins now.
  fileprivate init(_ limit: Duration) {
    state = Mutex(State(left: limit))
  }

  /// Whether the archive was waited for too long.
  fileprivate var isOver: Bool {
    state.withLock { state in state.left - (state.waitingSince?.duration(to: .now) ?? .zero) <= .zero }
  }

  /// Allows more time, since a part of the answer has come.
  func received(byteCount: Int) {
    state.withLock { $0.left += .seconds(1) * byteCount / AnswerDeadlines.byteCountOfSecond }
  }

  /// Deals with a part of the answer, for which the archive is not waited for.
  func pausing(_ body: () async throws -> Void) async throws {
    state.withLock { state in
      if let since = state.waitingSince { state.left -= since.duration(to: .now) }
      state.waitingSince = nil
    }
    defer { state.withLock { $0.waitingSince = .now } }
    try await body()
  }
}

extension PosternError {
  fileprivate static let slowAnswer = PosternError(
    .wireDeadline,
    "The archive takes too long to answer a question, though bytes of the answer may have come.",
    advice: "Try again, over a faster line if this one is below 64 kbit/s, or use another archive.")
}
