import Bulk
package import Core
import Sodium
import Synchronization

/// The nonces that a signed begin has to carry, made and checked without keeping one for each who asks.
///
/// A nonce is `u64 seconds ‖ 8 random bytes ‖ 16 bytes of HMAC-SHA-256 over both and the app id`, under a key
/// that lives as long as the process. Only nonces of verified begins are remembered, until they expire, so a
/// stranger who asks for nonces takes no memory, and an uploader as much as it begins pushes in that time.
package final class Nonces: Sendable {
  private static let signedByteCount = 16
  private let key = SecretBytes.random(count: 32)
  private let lifetimeSeconds: UInt64
  /// Nonces that were used, with the second at which each expires.
  private let used = Mutex<[Digest: UInt64]>([:])

  /// Nonces that are good for `lifetimeSeconds`.
  package init(lifetimeSeconds: UInt64) {
    self.lifetimeSeconds = lifetimeSeconds
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
  /// - Returns: the second at which it expires.
  /// - Throws: `push.nonce`.
  @discardableResult
  package func requireIssued(_ nonce: Digest, app: Digest, nowSeconds: UInt64) throws(PosternError) -> UInt64 {
    let bytes = nonce.bytes
    let signed = Array(bytes.prefix(Nonces.signedByteCount))
    let issuedSeconds = signed.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let isOurs = constantTimeEquals(bytes.dropFirst(Nonces.signedByteCount), tag(signed, app))
    let (expirySeconds, overflow) = issuedSeconds.addingReportingOverflow(lifetimeSeconds)
    guard isOurs, !overflow, issuedSeconds <= nowSeconds, nowSeconds <= expirySeconds else { throw .refusedNonce }
    return expirySeconds
  }

  /// Takes a nonce: good once, in time, for its application.
  ///
  /// Call it for a begin that was judged: a stranger's begins are not remembered.
  ///
  /// - Throws: `push.nonce`.
  package func spend(_ nonce: Digest, app: Digest, nowSeconds: UInt64) throws(PosternError) {
    let expirySeconds = try requireIssued(nonce, app: app, nowSeconds: nowSeconds)
    let isFresh = used.withLock { used in
      used = used.filter { $0.value >= nowSeconds }
      return used.updateValue(expirySeconds, forKey: nonce) == nil
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
