public import Core
public import Sodium

/// The public key of X-Wing (ML-KEM-768 with X25519, draft-connolly-cfrg-xwing-kem): 1,216 bytes, checked.
public struct RecipientPublicKey: Hashable, Sendable {
  /// How many bytes a key has.
  public static let byteCount = 1_216
  /// How many of them are ML-KEM's; X25519's follow.
  private static let latticeByteCount = 1_184
  /// How many of those are coefficients, twelve bits each; a seed of 32 bytes follows.
  private static let coefficientByteCount = 1_152
  /// ML-KEM's modulus.
  private static let modulus = 3_329

  /// The bytes as they travel.
  public let bytes: [UInt8]

  init(trusted bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// A key that passes FIPS 203's modulus check and whose X25519 half is not of low order.
  ///
  /// X-Wing libraries differ in what they refuse, so both are checked here, before any of them sees the key.
  ///
  /// - Throws: `key.veil` for a wrong length or a failed check.
  public init(_ bytes: some Collection<UInt8>) throws(PosternError) {
    let bytes = Array(bytes)
    guard bytes.count == RecipientPublicKey.byteCount,
      RecipientPublicKey.isReduced(bytes[..<RecipientPublicKey.coefficientByteCount]),
      !X25519.isLowOrder(bytes[RecipientPublicKey.latticeByteCount...])
    else {
      throw PosternError(
        .keyVeil, "The bytes are not an X-Wing public key that can be sealed to.",
        advice: "Ask its holder for the key again.")
    }
    self.bytes = bytes
  }

  /// FIPS 203, section 7.2: every coefficient is below the modulus.
  private static func isReduced(_ coefficients: ArraySlice<UInt8>) -> Bool {
    stride(from: coefficients.startIndex, to: coefficients.endIndex, by: 3).allSatisfy { start in
      let triple = (Int(coefficients[start]), Int(coefficients[start + 1]), Int(coefficients[start + 2]))
      return triple.0 | (triple.1 & 15) << 8 < modulus && triple.1 >> 4 | triple.2 << 4 < modulus
    }
  }
}

/// An X-Wing decapsulation key, kept as the 32-byte seed that it expands from.
public struct RecipientKey: ~Copyable, Sendable {
  /// How many bytes the seed has.
  public static let seedByteCount = 32
  /// The public half.
  public let publicKey: RecipientPublicKey
  let seed: SecretBytes

  /// The key of a seed, taken as it stands (not through HPKE's DeriveKeyPair).
  ///
  /// - Precondition: the seed has ``seedByteCount`` bytes.
  public init(seed: consuming SecretBytes) {
    precondition(seed.count == RecipientKey.seedByteCount)
    publicKey = SealedMessage.publicKey(of: seed)
    self.seed = seed
  }
}

/// The public half of a holder's veil key.
public typealias VeilPublicKey = RecipientPublicKey
/// The secret half of a holder's veil key.
public typealias VeilKey = RecipientKey
