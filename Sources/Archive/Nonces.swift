import Bulk
package import Core
import Sodium
import Synchronization

/// The nonces that a signed begin has to carry, made and checked without keeping one for each who asks.
///
/// A nonce is `u64 seconds ‖ 8 random bytes ‖ 16 bytes of HMAC-SHA-256 over both and the app id`, under a key
/// that lives as long as the process. Only nonces of verified begins are remembered, as long as they are good, so a
/// stranger who asks for nonces takes no memory, and an uploader as much as it begins pushes in that time.
package final class Nonces: Sendable {
  private static let signedByteCount = 16
  private let key = SecretBytes.random(count: 32)
  private let lifetimeSeconds: UInt64
  private let periodSeconds: UInt64
  /// Nonces that were used, by the period in which they were issued, which is as long as a nonce is good for.
  ///
  /// Each period is let go as a whole, so that what a begin costs does not grow with how many came before it.
  private let used = Mutex<[UInt64: Set<Digest>]>([:])

  /// Nonces that are good for `lifetimeSeconds`.
  package init(lifetimeSeconds: UInt64) {
    self.lifetimeSeconds = lifetimeSeconds
    periodSeconds = max(1, lifetimeSeconds)
  }

  /// A fresh nonce for one begin of an application.
  package func issue(app: Digest, nowSeconds: UInt64) -> Digest {
    var signed: [UInt8] = []
    signed.append(bigEndian: nowSeconds)
    signed += randomBytes(8)
    guard let nonce = Digest(signed + tag(signed, app)) else { preconditionFailure("a nonce has 32 bytes") }
    return nonce
  }

  /// Says that a nonce was issued here for an application, and is still good.
  ///
  /// - Returns: the second in which it was issued.
  /// - Throws: `push.nonce`.
  @discardableResult
  package func requireIssued(_ nonce: Digest, app: Digest, nowSeconds: UInt64) throws(PosternError) -> UInt64 {
    let bytes = nonce.bytes
    let signed = Array(bytes.prefix(Nonces.signedByteCount))
    let issuedSeconds = signed.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let isOurs = constantTimeEquals(bytes.dropFirst(Nonces.signedByteCount), tag(signed, app))
    let (expirySeconds, overflow) = issuedSeconds.addingReportingOverflow(lifetimeSeconds)
    guard isOurs, !overflow, issuedSeconds <= nowSeconds, nowSeconds <= expirySeconds else { throw .refusedNonce }
    return issuedSeconds
  }

  /// Takes a nonce: good once, in time, for its application.
  ///
  /// Call it for a begin that was judged: a stranger's begins are not remembered.
  ///
  /// - Throws: `push.nonce`.
  package func spend(_ nonce: Digest, app: Digest, nowSeconds: UInt64) throws(PosternError) {
    let period = try requireIssued(nonce, app: app, nowSeconds: nowSeconds) / periodSeconds
    let isFresh = used.withLock { used in
      // What was issued in the period before the last one may be good still.
      for past in used.keys where nowSeconds / periodSeconds > past + 1 { used[past] = nil }
      return used[period, default: []].insert(nonce).inserted
    }
    guard isFresh else { throw .refusedNonce }
  }

  private func tag(_ signed: [UInt8], _ app: Digest) -> [UInt8] {
    var message = signed
    message.append(app)
    var code = [UInt8](repeating: 0, count: HMACSHA256.byteCount)
    key.withUnsafeBytes { key in
      var authenticator = HMACSHA256(key: key)
      message.withUnsafeBytes { authenticator.update($0) }
      code.withUnsafeMutableBytes { authenticator.finish(into: $0) }
    }
    return Array(code.prefix(Digest.byteCount - Nonces.signedByteCount))
  }
}

extension PosternError {
  fileprivate static let refusedNonce = PosternError(
    .pushNonce, "The begin's nonce is not this archive's, is too old, or was used before.",
    advice: "Ask for a new nonce and sign the begin again.")
}
