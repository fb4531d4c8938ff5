public import Core
import Logging
public import Merkle
import Wire

/// A connection to an archive, over which everything is asked and sent.
///
/// It belongs to one ``open(_:whenBroken:_:)`` and ends with it. When the TCP connection breaks, what only reads is
/// asked again over a new one, for a minute; where the archive never answered, for three seconds. What changes
/// something fails with `wire.unavailable`, and a push knows which of that it may repeat.
public struct ArchiveConnection: Sendable {
  /// How long sealing an epoch may take, the check of its tree included; other answers have the wire's default.
  static let sealTimeout = Duration.seconds(600)

  /// How long an archive that answered before may be away.
  public static var patience: Duration { Retry.patience }

  let client: PosternClient<WireClientTransport>
  let retry: Retry
  /// What ends questions for objects or entries that take too long.
  let deadlines: AnswerDeadlines

  /// Connects, and closes the connection when `body` returns.
  ///
  /// - Parameters:
  ///   - address: where the archive listens.
  ///   - answerLimit: how long a question for objects or entries may wait before anything comes; nil for twenty minutes.
  ///   - whenBroken: told each time that an archive that had answered cannot be reached, and is tried again.
  ///   - body: what to do meanwhile.
  /// - Throws: `wire.tls`, `wire.unavailable`; what `body` throws.
  public static func open<Result: Sendable>(
    _ address: ArchiveAddress, answerLimit: Duration? = nil,
    whenBroken: @escaping @Sendable (PosternError) -> Void = { _ in },
    _ body: @Sendable (ArchiveConnection) async throws -> Result
  ) async throws -> Result {
    let tls: WireClientTLS? =
      switch address.security {
      case .plain: nil
      case .tls(let path): try WireClientTLS(trustRootsFile: path)
      }
    let logger = Logger(label: "postern.client") { _ in SwiftLogNoOpLogHandler() }
    let transport = WireClientTransport(host: address.host, port: address.port, tls: tls, logger: logger)
    let retry = Retry(told: whenBroken)
    let deadlines = AnswerDeadlines(limit: answerLimit ?? AnswerDeadlines.limit)
    // Cancelled, and waited for, wherever this ends.
    async let _ = deadlines.watch()
    do {
      return try await withPosternClient(transport: transport) { client in
        try await body(ArchiveConnection(client: client, retry: retry, deadlines: deadlines))
      }
    } catch let error as PosternError where error.code == .wireUnavailable && !retry.isReached {
      throw PosternError(error.code, error.message, advice: address.adviceWhereNothingAnswers)
    }
  }

  /// Asks what changes nothing, again where the connection breaks.
  func ask<Answer: Sendable>(_ call: @Sendable () async throws -> Answer) async throws -> Answer {
    try await retry.whileUnavailable { try await retry.noting(call) }
  }
}

/// Who an archive is, as it says.
public struct ArchiveDescription: Hashable, Sendable {
  /// The log's verifier key, as the archive names it: what a charter pins.
  public let verifier: NoteVerifier
  /// The program's version.
  public let version: String
  /// The most bytes that one push may send.
  public let pushByteCountLimit: UInt64
}

/// An epoch, as an archive's index or a folder's log lists it: a convenience that proves nothing; ask for the epoch
/// itself.
public struct EpochSummary: Hashable, Sendable {
  /// The application.
  public let app: Digest
  /// The epoch's number.
  public let epoch: UInt64
  /// Its generation.
  public let generation: UInt64
  /// The state's version.
  public let stateVersion: UInt64
  /// The application's commitment to the state.
  public let commitment: Digest?
  /// Digest of the recovery policy.
  public let policy: Digest
  /// The record's place in the log.
  public let leafIndex: UInt64
  /// The root's id.
  public let root: Digest
  /// Bytes that the epoch added to the archive; nil of a folder, which does not say.
  public let addedByteCount: UInt64?
}

/// A page of a list.
public struct EpochPage: Hashable, Sendable {
  /// The epochs, newest first.
  public let epochs: [EpochSummary]
  /// What the next page is asked with; nil on the last.
  public let next: [UInt8]?
}
