import CCrypto

/// HKDF with SHA-256 (RFC 5869), by libcrypto.
public enum HKDF {
  /// Derives a key into memory that the caller owns, so that a secret lies in no other.
  ///
  /// - Parameters:
  ///   - inputKey: the input keying material, at least one byte.
  ///   - salt: the salt; empty means none, which RFC 5869 takes as zeros.
  ///   - info: the context that tells this key from others.
  ///   - output: where the key goes; at most 8,160 bytes.
  public static func derive(
    inputKey: UnsafeRawBufferPointer, salt: [UInt8] = [], info: [UInt8],
    into output: UnsafeMutableRawBufferPointer
  ) {
    precondition(!inputKey.isEmpty && output.count <= 255 * 32)
    guard let context = EVP_KDF_CTX_new(Algorithms.hkdf) else {
      preconditionFailure("no memory for a key derivation")
    }
    defer { EVP_KDF_CTX_free(context) }
    salt.withUnsafeBytes { salt in
      info.withUnsafeBytes { info in
        let parameters = [
          Parameters.digest, Parameters.key(inputKey), Parameters.salt(salt), Parameters.info(info), Parameters.end,
        ]
        let pointer = output.bindMemory(to: UInt8.self).baseAddress
        precondition(EVP_KDF_derive(context, pointer, output.count, parameters) == 1)
      }
    }
  }
}
