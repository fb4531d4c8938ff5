import Core
import Records
import Sodium

/// A push that is open at the archive, and the one place that knows its token.
///
/// Tokens live in the archive's memory. After a restart it knows none; but a new begin of the same uploader takes
/// over what the archive has recorded of the older push, so a push begins again and goes on where it was. Where another
/// process with the same key began one meanwhile, the archive says so, and this one gives way: two that fence each
/// other send everything twice.
actor RenewingPush {
  /// How often one push begins again.
  static let renewalLimit = 3

  private let archive: ArchiveConnection
  private let terms: Terms
  private let signing: SigningKey
  private var token: PushToken?
  private var renewalCount = 0
  /// Begins that nobody knows the end of, because the connection broke: each may be taken up later than the one that
  /// was answered, and fence its push.
  private var lostBeginCount = 0
  /// The begin that is under way: whoever lost the same token waits for the same one.
  private var renewal: Task<PushToken, any Error>?

  /// What a begin says, besides the archive's nonce.
  struct Terms: Sendable {
    let app: Digest
    let epoch: UInt64
    let previous: Digest
    let generation: UInt64
    let budgetByteCount: UInt64
  }

  /// Opens a push.
  ///
  /// - Throws: what the archive refuses a begin with; `wire.*`.
  init(_ terms: Terms, over archive: ArchiveConnection, signedBy signing: consuming SigningKey) async throws {
    self.archive = archive
    self.terms = terms
    self.signing = signing
    token = try await begin()
  }

  /// Calls `body` with the token; again with another one, where the archive does not know the token any more, and
  /// where the connection broke.
  ///
  /// - Parameter body: what changes nothing when it is done twice.
  /// - Throws: `push.fenced` when another process began a push; what the archive refuses a begin with; what `body`
  ///   throws.
  nonisolated func withToken<Result: Sendable>(
    _ body: @Sendable (PushToken) async throws -> Result
  ) async throws -> Result {
    var lost: (token: PushToken, error: PosternError)?
    while true {
      let token = try await current(instead: lost)
      do {
        return try await archive.retry.whileUnavailable { try await body(token) }
      } catch let error as PosternError where [.pushUnknown, .pushEnded, .pushFenced].contains(error.code) {
        lost = (token, error)
      }
    }
  }

  /// Gives the push up, which is tried once: the archive removes a push that nobody writes to by itself.
  func abandon() async {
    guard let token else { return }
    try? await archive.abandon(token)
  }

  /// The token to go on with, which is another one than the one that was lost.
  private func current(instead lost: (token: PushToken, error: PosternError)?) async throws -> PushToken {
    if let renewal { return try await renewal.value }
    if let token, token != lost?.token { return token }
    if let lost {
      guard renewalCount < RenewingPush.renewalLimit else { throw lost.error }
      if lost.error.code == .pushFenced {
        guard lostBeginCount > 0 else { throw lost.error }
        lostBeginCount -= 1
      }
    }
    renewalCount += 1
    let task = Task {
      try await Retry.pause(afterAttempt: renewalCount)
      return try await begin()
    }
    renewal = task
    defer { renewal = nil }
    let token = try await task.value
    self.token = token
    return token
  }

  private func begin() async throws -> PushToken {
    try await archive.retry.whileUnavailable {
      let nonce = try await self.archive.challenge(app: self.terms.app)
      do {
        return try await self.archive.begin(self.signed(nonce))
      } catch let error as PosternError where !error.isAnswer {
        await self.noteLostBegin()
        throw error
      }
    }
  }

  private func noteLostBegin() { lostBeginCount += 1 }

  private func signed(_ nonce: Digest) -> Begin {
    Begin(
      app: terms.app, epoch: terms.epoch, previous: terms.previous, generation: terms.generation,
      budgetByteCount: terms.budgetByteCount, nonce: nonce, signedBy: signing)
  }
}
