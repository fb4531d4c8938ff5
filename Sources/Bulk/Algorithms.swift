import CCrypto

/// libcrypto's algorithms, fetched once: a fetch takes a lock and a search, and the objects are shared.
///
/// `nonisolated(unsafe)`: fetched algorithms are immutable and reference-counted; OpenSSL documents them as
/// safe to share between threads.
enum Algorithms {
  /// The hash of every id.
  nonisolated(unsafe) static let sha256 = fetched("SHA-256", EVP_MD_fetch(nil, "SHA2-256", nil))
  /// The derivation of RFC 5869.
  nonisolated(unsafe) static let hkdf = fetched("HKDF", EVP_KDF_fetch(nil, "HKDF", nil))
  /// The code that keys derive from.
  nonisolated(unsafe) static let hmac = fetched("HMAC", EVP_MAC_fetch(nil, "HMAC", nil))
  /// The cipher of chunks, nodes and capsules.
  nonisolated(unsafe) static let aes256GCM = fetched("AES-256-GCM", EVP_CIPHER_fetch(nil, "AES-256-GCM", nil))
  /// The permutation that decides where a state is cut.
  nonisolated(unsafe) static let aes128 = fetched("AES-128-ECB", EVP_CIPHER_fetch(nil, "AES-128-ECB", nil))

  private static func fetched(_ name: StaticString, _ algorithm: OpaquePointer?) -> OpaquePointer {
    guard let algorithm else { preconditionFailure("libcrypto has no \(name)") }
    return algorithm
  }
}
