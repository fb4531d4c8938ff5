import CCrypto

/// GMAC (NIST SP 800-38D): AES-256-GCM over associated data alone, under one key and a nonce of zeros, by libcrypto.
///
/// One nonce for many messages makes this a keyed hash and no code to be published: two tags give its hash key away to
/// whoever knows their messages. So a tag stays with those who hold the key.
///
/// `@unchecked Sendable`: the value cannot be copied and every use mutates it, so the compiler's rule of
/// exclusive access lets one thread at a time reach the context.
public struct GMAC: ~Copyable, @unchecked Sendable {
  /// How many bytes a tag has.
  public static let byteCount = 16

  private let context: OpaquePointer

  /// A hash under a key, which libcrypto keeps for as long as the value lives and wipes then.
  ///
  /// - Parameter key: ``AES256GCM/keyByteCount`` bytes.
  public init(key: UnsafeRawBufferPointer) {
    precondition(key.count == AES256GCM.keyByteCount)
    guard let context = EVP_CIPHER_CTX_new() else { preconditionFailure("no memory for a cipher") }
    precondition(EVP_CipherInit_ex2(context, Algorithms.aes256GCM, key.octets, AES256GCM.zeroNonce, 1, nil) == 1)
    self.context = context
  }

  deinit { EVP_CIPHER_CTX_free(context) }

  /// Writes a message's tag.
  ///
  /// - Parameters:
  ///   - message: any bytes.
  ///   - output: exactly ``byteCount`` bytes.
  public mutating func tag(of message: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) {
    precondition(output.count == GMAC.byteCount)
    // The nonce alone starts the context anew; the key and its tables stay.
    precondition(EVP_CipherInit_ex2(context, nil, nil, AES256GCM.zeroNonce, 1, nil) == 1)
    var count: Int32 = 0
    if !message.isEmpty {
      precondition(EVP_CipherUpdate(context, nil, &count, message.octets, Int32(message.count)) == 1)
    }
    precondition(EVP_CipherFinal_ex(context, output.octets, &count) == 1)
    precondition(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(output.count), output.baseAddress) == 1)
  }
}
