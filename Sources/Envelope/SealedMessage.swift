import Crypto
import FoundationEssentials
import Sodium

/// One message sealed to one X-Wing key by HPKE (RFC 9180, base mode, KEM 0x647a, HKDF-SHA256, AES-256-GCM).
///
/// `enc (1,120) ‖ ciphertext`, no associated data. This file alone speaks swift-crypto, whose types own the
/// expanded keys for the length of a call; everything that it hands back is wiped here.
package enum SealedMessage {
  /// How many bytes an encapsulation has: ML-KEM's 1,088, then X25519's 32.
  static let encapsulationByteCount = 1_120
  /// How much longer a message is than what it seals.
  static let overheadByteCount = encapsulationByteCount + 16

  private static let suite = HPKE.Ciphersuite.XWingMLKEM768X25519_SHA256_AES_GCM_256

  /// The public key of a seed.
  static func publicKey(of seed: borrowing SecretBytes) -> RecipientPublicKey {
    guard let key = try? privateKey(seed) else { preconditionFailure("every 32 bytes are an X-Wing seed") }
    return RecipientPublicKey(trusted: Array(key.publicKey.rawRepresentation))
  }

  /// Seals `plaintext` to a key that was checked when it was read.
  package static func seal(
    _ plaintext: UnsafeRawBufferPointer, to recipient: RecipientPublicKey, info: [UInt8]
  ) -> [UInt8] {
    do {
      let key = try XWingMLKEM768X25519.PublicKey(rawRepresentation: recipient.bytes)
      var sender = try HPKE.Sender(recipientKey: key, ciphersuite: suite, info: Data(info))
      let ciphertext = try sender.seal(plaintext.bindMemory(to: UInt8.self))
      return Array(sender.encapsulatedKey) + Array(ciphertext)
    } catch {
      preconditionFailure("a checked X-Wing key can be sealed to: \(error)")
    }
  }

  /// Opens a message; nil when it does not open.
  ///
  /// The plaintext is the caller's to wipe.
  static func open(
    _ message: ArraySlice<UInt8>, with recipient: borrowing RecipientKey, info: [UInt8]
  ) -> [UInt8]? {
    guard message.count >= overheadByteCount, isAcceptable(message) else { return nil }
    let encapsulation = Data(message.prefix(encapsulationByteCount))
    let ciphertext = message.dropFirst(encapsulationByteCount)
    do {
      var context = try HPKE.Recipient(
        privateKey: privateKey(recipient.seed), ciphersuite: suite, info: Data(info),
        encapsulatedKey: encapsulation)
      var plaintext = try context.open(Data(ciphertext))
      defer { plaintext.withUnsafeMutableBytes { wipe($0) } }
      return Array(plaintext)
    } catch {
      return nil
    }
  }

  /// Whether the X25519 half of a message's encapsulation is not of low order; ML-KEM's half only has a length.
  ///
  /// - Precondition: the message is at least as long as an encapsulation.
  static func isAcceptable(_ message: ArraySlice<UInt8>) -> Bool {
    !X25519.isLowOrder(message.prefix(encapsulationByteCount).suffix(X25519.publicKeyByteCount))
  }

  private static func privateKey(_ seed: borrowing SecretBytes) throws -> XWingMLKEM768X25519.PrivateKey {
    try seed.withUnsafeBytes { (seed) throws in
      try XWingMLKEM768X25519.PrivateKey(seedRepresentation: seed.bindMemory(to: UInt8.self), publicKey: nil)
    }
  }
}
