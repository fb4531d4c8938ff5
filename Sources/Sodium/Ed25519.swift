import Core
import CSodium

/// An Ed25519 signature (RFC 8032): 64 bytes.
public struct Signature: Hashable, Sendable {
  /// How many bytes a signature has.
  public static let byteCount = 64
  /// The 64 bytes as they travel.
  public let bytes: [UInt8]

  /// A signature from exactly ``byteCount`` bytes, unverified; nil for any other length.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == Signature.byteCount else { return nil }
    self.bytes = Array(bytes)
  }
}

/// An Ed25519 public key: 32 bytes, as they stand in charters and records.
public struct VerificationKey: Hashable, Sendable {
  /// How many bytes a key has.
  public static let byteCount = 32
  /// The key's bytes, held as a ``Digest`` because both are 32 bytes that compare and sort.
  private let storage: Digest

  /// A key from exactly ``byteCount`` bytes; nil for any other length.
  ///
  /// Whether it is a point is found out when it verifies.
  public init?(_ bytes: some Collection<UInt8>) {
    guard let storage = Digest(bytes) else { return nil }
    self.storage = storage
  }

  /// The 32 bytes.
  public var bytes: [UInt8] { storage.bytes }

  /// Whether a signature could verify under the key: a canonical point of the prime-order group.
  public var isUsable: Bool {
    Library.ready
    return crypto_core_ed25519_is_valid_point(bytes) == 1
  }

  /// Whether `signature` is this key's over `message`.
  ///
  /// RFC 8032 as libsodium does it: canonical S only, no small-order or non-canonical keys.
  public func verifies(_ signature: Signature, over message: [UInt8]) -> Bool {
    Library.ready
    return crypto_sign_ed25519_verify_detached(
      signature.bytes, message, UInt64(message.count), bytes) == 0
  }
}

/// An Ed25519 private key, in memory that wipes itself.
public struct SigningKey: ~Copyable, Sendable {
  /// How many bytes the seed has.
  public static let seedByteCount = 32
  /// libsodium's form: seed, then public key.
  private let expanded: SecretBytes
  /// The public half.
  public let verificationKey: VerificationKey

  /// The key of a 32-byte seed.
  ///
  /// - Precondition: the seed has ``seedByteCount`` bytes.
  public init(seed: borrowing SecretBytes) {
    Library.ready
    precondition(seed.count == SigningKey.seedByteCount)
    var publicKey = [UInt8](repeating: 0, count: VerificationKey.byteCount)
    expanded = SecretBytes(count: 64) { memory in
      seed.withUnsafeBytes { seed in
        _ = crypto_sign_ed25519_seed_keypair(
          &publicKey, memory.octets, seed.octets)
      }
    }
    guard let key = VerificationKey(publicKey) else { preconditionFailure("a key has 32 bytes") }
    verificationKey = key
  }

  /// Signs a message; the same message gives the same signature.
  public borrowing func sign(_ message: [UInt8]) -> Signature {
    var bytes = [UInt8](repeating: 0, count: Signature.byteCount)
    expanded.withUnsafeBytes { secret in
      _ = crypto_sign_ed25519_detached(
        &bytes, nil, message, UInt64(message.count), secret.octets)
    }
    guard let signature = Signature(bytes) else { preconditionFailure("a signature has 64 bytes") }
    return signature
  }
}
