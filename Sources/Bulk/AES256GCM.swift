import CCrypto

/// AES-256-GCM (NIST SP 800-38D) in a context that is used again and again, by libcrypto.
///
/// Each call brings its own key and nonce, and works from caller memory into caller memory. A context costs
/// an allocation; to set it up with another key costs a fraction of a microsecond.
///
/// `@unchecked Sendable`: the value cannot be copied and every use mutates it, so the compiler's rule of
/// exclusive access lets one thread at a time reach the context.
public struct AES256GCM: ~Copyable, @unchecked Sendable {
  /// How many bytes a key has.
  public static let keyByteCount = 32
  /// How many bytes a nonce has; GCM's other lengths are not used.
  public static let nonceByteCount = 12
  /// How many bytes the tag adds behind the ciphertext.
  public static let tagByteCount = 16
  /// The nonce of keys that seal one message only.
  public static let zeroNonce = [UInt8](repeating: 0, count: nonceByteCount)

  private let context: OpaquePointer

  /// A context without a key yet.
  public init() {
    guard let context = EVP_CIPHER_CTX_new() else { preconditionFailure("no memory for a cipher") }
    precondition(EVP_CipherInit_ex2(context, Algorithms.aes256GCM, nil, nil, 1, nil) == 1)
    self.context = context
  }

  deinit { EVP_CIPHER_CTX_free(context) }

  /// Seals a message: its ciphertext, then the tag.
  ///
  /// - Parameters:
  ///   - message: what is sealed; it may start where `output` starts, and is then sealed in place.
  ///   - key: ``keyByteCount`` bytes, which must never seal another message under this nonce.
  ///   - nonce: ``nonceByteCount`` bytes.
  ///   - associatedData: what the tag binds without hiding it.
  ///   - output: exactly ``tagByteCount`` bytes more than the message.
  public mutating func seal(
    _ message: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, nonce: [UInt8] = zeroNonce,
    associatedData: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) {
    precondition(output.count == message.count + AES256GCM.tagByteCount)
    start(key: key, nonce: nonce, associatedData: associatedData, encrypting: true)
    process(message, into: output)
    var rest: Int32 = 0
    let tag = UnsafeMutableRawBufferPointer(rebasing: output[message.count...])
    precondition(EVP_CipherFinal_ex(context, tag.octets, &rest) == 1 && rest == 0)
    let size = Int32(AES256GCM.tagByteCount)
    precondition(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, size, tag.baseAddress) == 1)
  }

  /// Opens what ``seal(_:key:nonce:associatedData:into:)`` made; where the tag does not match, the output is
  /// zeros.
  ///
  /// - Parameters:
  ///   - sealed: ciphertext, then the tag.
  ///   - key: ``keyByteCount`` bytes.
  ///   - nonce: ``nonceByteCount`` bytes.
  ///   - associatedData: what the tag binds beside the message.
  ///   - output: exactly ``tagByteCount`` bytes less than `sealed`; it may start where `sealed` starts.
  /// - Returns: whether the tag matches.
  public mutating func open(
    _ sealed: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer, nonce: [UInt8] = zeroNonce,
    associatedData: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) -> Bool {
    precondition(output.count + AES256GCM.tagByteCount == sealed.count)
    var tag = (UInt64(0), UInt64(0))
    withUnsafeMutableBytes(of: &tag) { $0.copyMemory(from: .init(rebasing: sealed.suffix($0.count))) }
    start(key: key, nonce: nonce, associatedData: associatedData, encrypting: false)
    process(UnsafeRawBufferPointer(rebasing: sealed[..<output.count]), into: output)
    let matches = withUnsafeMutableBytes(of: &tag) { tag in
      precondition(
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), tag.baseAddress) == 1)
      var rest: Int32 = 0
      return EVP_CipherFinal_ex(context, tag.octets, &rest) == 1
    }
    if !matches, let base = output.baseAddress { OPENSSL_cleanse(base, output.count) }
    return matches
  }

  /// Takes key and nonce, keeping the cipher and its direction's set-up, then the associated data.
  private mutating func start(
    key: UnsafeRawBufferPointer, nonce: [UInt8], associatedData: UnsafeRawBufferPointer, encrypting: Bool
  ) {
    precondition(key.count == AES256GCM.keyByteCount && nonce.count == AES256GCM.nonceByteCount)
    precondition(EVP_CipherInit_ex2(context, nil, key.octets, nonce, encrypting ? 1 : 0, nil) == 1)
    guard !associatedData.isEmpty else { return }
    var count: Int32 = 0
    precondition(
      EVP_CipherUpdate(context, nil, &count, associatedData.octets, Int32(associatedData.count)) == 1)
  }

  private mutating func process(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) {
    guard !input.isEmpty else { return }
    var count: Int32 = 0
    precondition(EVP_CipherUpdate(context, output.octets, &count, input.octets, Int32(input.count)) == 1)
    precondition(Int(count) == input.count)
  }
}
