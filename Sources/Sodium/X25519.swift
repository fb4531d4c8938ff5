import CSodium

/// What X-Wing's classical half needs checked (RFC 7748).
public enum X25519 {
  /// How many bytes a public key has.
  public static let publicKeyByteCount = 32

  /// Whether a public key is of low order, so that every shared secret with it is zero.
  ///
  /// Libraries differ in whether they refuse such a key; libsodium answers -1 for it, and for nothing else.
  ///
  /// - Precondition: the key has ``publicKeyByteCount`` bytes.
  public static func isLowOrder(_ publicKey: some Collection<UInt8>) -> Bool {
    Library.ready
    guard let key = Octets(publicKey) else { preconditionFailure("an X25519 key has 32 bytes") }
    var product = Octets()
    return product.withUnsafeMutableBytes { product in
      key.withUnsafeBytes { key in
        // Any scalar shows it: RFC 7748 clears the cofactor out of every one.
        Scalar.one.octets.withUnsafeBytes { crypto_scalarmult(product.octets, $0.octets, key.octets) }
      }
    } != 0
  }
}
