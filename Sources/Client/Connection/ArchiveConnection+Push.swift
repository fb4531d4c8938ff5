import Core
import FoundationEssentials
import GRPCCore
import Records
import Trust
import Wire

extension ArchiveConnection {
  /// A fresh nonce for a signed begin.
  func challenge(app: Digest) async throws -> Digest {
    var request = Postern_V1_ChallengeRequest()
    request.app = Data(app.bytes)
    let answer = try await retry.noting { try await client.challenge(request) }
    guard let nonce = Digest(answer.nonce) else { throw PosternError.answerShape }
    return nonce
  }

  /// Opens a push.
  func begin(_ begin: Begin) async throws -> PushToken {
    var request = Postern_V1_BeginRequest()
    request.begin = Data(begin.bytes)
    guard let token = PushToken(try await retry.noting({ try await client.begin(request) }).token) else {
      throw PosternError.answerShape
    }
    return token
  }

  /// Which of these objects, at most 16,384, the archive lacks: one answer each.
  func missing(_ ids: [Digest], of push: PushToken) async throws -> [Bool] {
    var request = Postern_V1_MissingRequest()
    request.token = Data(push.bytes)
    request.ids = Data(joining: ids)
    let missing = Bitmap(bytes: Array(try await retry.noting { try await client.missing(request) }.missing))
    guard missing.bytes.count == Bitmap.byteCount(ids.count) else { throw PosternError.answerShape }
    return ids.indices.map { missing[$0] }
  }

  /// Sends objects in batches that `next` makes one after the other; returns when the archive has stored them.
  func upload(_ next: @escaping @Sendable (Int) throws -> ObjectBatch?) async throws {
    _ = try await retry.noting {
      try await client.upload { batches in
        var number = 0
        while let batch = try next(number) {
          try await batches.write(batch)
          number += 1
        }
      }
    }
  }

  /// Ends a push, or asks after the epoch of an earlier one.
  ///
  /// - Parameters:
  ///   - pending: the signed record and its bodies.
  ///   - push: the open push; nil to ask whether the epoch was admitted.
  func seal(_ pending: PendingEpoch, of push: PushToken?) async throws -> Receipt {
    var request = Postern_V1_SealRequest()
    request.token = Data(push?.bytes ?? [])
    request.leaf = Data(pending.leaf)
    request.envelope = Data(pending.envelope)
    request.veil = Data(pending.veil)
    request.capsule = Data(pending.capsule)
    let answer = try await retry.noting { try await client.seal(request, timeout: Self.sealTimeout) }
    return try Receipt(parsing: Array(answer.receipt))
  }

  /// Gives up an open push.
  func abandon(_ push: PushToken) async throws {
    var request = Postern_V1_AbandonRequest()
    request.token = Data(push.bytes)
    _ = try await retry.noting { try await client.abandon(request) }
  }
}
