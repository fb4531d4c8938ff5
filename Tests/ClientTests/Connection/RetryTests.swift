import Client
import Core
import Synchronization
import Testing

/// Patience with an archive that is away: once told, never endless, and none where nothing ever was.
@Suite struct RetryTests {
  private static let away = PosternError("wire.unavailable", "It is away.", advice: "")

  /// What a connection tells, and how often it is asked.
  private final class Watch: Sendable {
    let told = Atomic(0)
    let asked = Atomic(0)
  }

  @Test func tellsOnceAndGoesOn() async throws {
    let watch = Watch()
    let retry = Retry { _ in watch.told.add(1, ordering: .relaxed) }
    try await retry.noting {}
    #expect(retry.isReached)
    for _ in 0..<2 {
      watch.asked.store(0, ordering: .relaxed)
      let answer = try await retry.whileUnavailable {
        try await retry.noting {
          guard watch.asked.add(1, ordering: .relaxed).newValue > 3 else { throw Self.away }
          return 7
        }
      }
      #expect(answer == 7 && watch.asked.load(ordering: .relaxed) == 4)
    }
    // Once each time that it went away, and not once an attempt.
    #expect(watch.told.load(ordering: .relaxed) == 2)
  }

  /// What was asked before the archive went away, and answered after, is no sign that it is back.
  @Test func aLateAnswerIsNoReturn() async throws {
    let watch = Watch()
    let retry = Retry { _ in watch.told.add(1, ordering: .relaxed) }
    let (asked, held) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
    let late = Task {
      try await retry.noting {
        asked.continuation.finish()
        for await _ in held.stream {}
      }
    }
    for await _ in asked.stream {}
    try await retry.noting {}
    try await retry.whileUnavailable {
      try await retry.noting {
        let count = watch.asked.add(1, ordering: .relaxed).newValue
        if count == 2 {
          held.continuation.finish()
          try await late.value
        }
        guard count > 3 else { throw Self.away }
      }
    }
    #expect(watch.told.load(ordering: .relaxed) == 1)
  }

  /// A refusal is an answer: it comes at once, and shows that the archive is there.
  @Test func aRefusalIsNotTriedAgain() async throws {
    // The second: with a code that is not for an archive to find.
    for code in ["epoch.taken", "wire.refusal"] as [PosternError.Code] {
      let watch = Watch()
      let retry = Retry { _ in watch.told.add(1, ordering: .relaxed) }
      let refusal = PosternError(code, "It is taken.", advice: "")
      await #expect(throws: refusal) {
        try await retry.whileUnavailable {
          try await retry.noting {
            watch.asked.add(1, ordering: .relaxed)
            throw refusal
          }
        }
      }
      #expect(watch.asked.load(ordering: .relaxed) == 1 && retry.isReached, "\(code)")
    }
  }

  /// A deadline that passes on this side is no sign of life, nor is anything else that the wire says by itself.
  @Test func aDeadlineIsNoAnswer() async throws {
    let retry = Retry { _ in }
    for code in ["wire.deadline", "wire.unavailable", "wire.internal"] as [PosternError.Code] {
      let error = PosternError(code, "It is late.", advice: "")
      await #expect(throws: error) { try await retry.noting { throw error } }
      #expect(!retry.isReached, "\(code)")
    }
    try? await retry.noting { throw PosternError("archive.not-found", "It is not there.", advice: "") }
    #expect(retry.isReached)
  }

  /// Where nothing ever answered, it is a few seconds until that is said, and nothing is told meanwhile.
  @Test func whatNeverWasThereIsGivenUpSoon() async throws {
    let watch = Watch()
    let retry = Retry { _ in watch.told.add(1, ordering: .relaxed) }
    let start = ContinuousClock.now
    await #expect(throws: Self.away) {
      try await retry.whileUnavailable {
        try await retry.noting {
          watch.asked.add(1, ordering: .relaxed)
          throw Self.away
        }
      }
    }
    let seconds = start.duration(to: .now) / .seconds(1)
    #expect(seconds < 10 && watch.asked.load(ordering: .relaxed) > 1)
    #expect(watch.told.load(ordering: .relaxed) == 0 && !retry.isReached)
  }
}
