import CCrypto

/// AES-128 (FIPS 197) on blocks, each by itself, under one key, by libcrypto.
///
/// That makes a pseudo-random function of sixteen bytes and nothing that could seal a message: equal blocks
/// stay equal. Many blocks in one call keep the processor's pipeline full, and cost a small part of as many
/// calls.
///
/// `@unchecked Sendable`: the value cannot be copied and every use mutates it, so the compiler's rule of
/// exclusive access lets one thread at a time reach the context.
public struct AES128: ~Copyable, @unchecked Sendable {
  /// How many bytes a key has.
  public static let keyByteCount = 16
  /// How many bytes a block has.
  public static let blockByteCount = 16

  private let context: OpaquePointer

  /// The permutation of a key.
  ///
  /// libcrypto keeps the key's schedule for as long as the context lives and wipes it then.
  ///
  /// - Parameter key: ``keyByteCount`` bytes.
  public init(key: UnsafeRawBufferPointer) {
    precondition(key.count == AES128.keyByteCount)
    guard let context = EVP_CIPHER_CTX_new() else { preconditionFailure("no memory for a cipher") }
    precondition(EVP_CipherInit_ex2(context, Algorithms.aes128, key.octets, nil, 1, nil) == 1)
    precondition(EVP_CIPHER_CTX_set_padding(context, 0) == 1)
    self.context = context
  }

  deinit { EVP_CIPHER_CTX_free(context) }

  /// Encrypts blocks in place.
  ///
  /// - Parameter blocks: a multiple of ``blockByteCount`` bytes, at most 2^30.
  public mutating func encrypt(_ blocks: UnsafeMutableRawBufferPointer) {
    precondition(blocks.count.isMultiple(of: AES128.blockByteCount) && blocks.count <= 1 << 30)
    guard !blocks.isEmpty else { return }
    var count: Int32 = 0
    precondition(
      EVP_CipherUpdate(context, blocks.octets, &count, blocks.octets, Int32(blocks.count)) == 1)
    precondition(Int(count) == blocks.count)
  }
}
