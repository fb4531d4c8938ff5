import CCrypto

/// HMAC with SHA-256 (RFC 2104, FIPS 198-1) under one key, in a context that is used again and again, by
/// libcrypto.
///
/// `@unchecked Sendable`: the value cannot be copied and every use mutates it, so the compiler's rule of
/// exclusive access lets one thread at a time reach the context.
public struct HMACSHA256: ~Copyable, @unchecked Sendable {
  /// How many bytes a code has.
  public static let byteCount = 32

  private let context: OpaquePointer

  /// A code of nothing yet.
  ///
  /// libcrypto keeps the key for as long as the context lives and wipes it then.
  ///
  /// - Parameter key: at least one byte.
  public init(key: UnsafeRawBufferPointer) {
    precondition(!key.isEmpty)
    guard let context = EVP_MAC_CTX_new(Algorithms.hmac) else { preconditionFailure("no memory for a code") }
    precondition(EVP_MAC_init(context, key.octets, key.count, [Parameters.digest, Parameters.end]) == 1)
    self.context = context
  }

  deinit { EVP_MAC_CTX_free(context) }

  /// Appends bytes to what is authenticated.
  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty else { return }
    precondition(EVP_MAC_update(context, bytes.octets, bytes.count) == 1)
  }

  /// Writes the code of everything since the last one; the context then starts anew under the same key.
  ///
  /// - Parameter output: exactly ``byteCount`` bytes.
  public mutating func finish(into output: UnsafeMutableRawBufferPointer) {
    precondition(output.count == HMACSHA256.byteCount)
    var count = 0
    precondition(EVP_MAC_final(context, output.octets, &count, output.count) == 1)
    precondition(EVP_MAC_init(context, nil, 0, nil) == 1)
  }
}
