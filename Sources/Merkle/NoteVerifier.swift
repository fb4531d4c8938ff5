import Bulk
public import Core
public import Sodium

/// A key that verifies signatures on notes: what a trust file or a charter pins (C2SP signed-note).
public struct NoteVerifier: Hashable, Sendable {
  /// What a key signs, and how; the number is the format's signature type.
  public enum SignatureType: UInt8, Hashable, Sendable {
    /// Ed25519 over the note's text: a log's own signature.
    case ed25519 = 1
    /// Ed25519 over a time and the note's text: a witness's or a mirror's (C2SP tlog-cosignature).
    case cosignature = 4
  }

  /// The most bytes that a key's name can have, as in the formats that sign the name.
  public static let maximumNameByteCount = 255
  /// The most bytes of the text form that are looked at.
  public static let maximumTextByteCount = 512

  /// The key's name: for a log its origin.
  public let name: String
  /// What the key signs.
  public let type: SignatureType
  /// The public key.
  public let key: VerificationKey
  /// The first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ key): what signature lines carry.
  public let keyID: UInt32

  /// A verifier of a known key.
  ///
  /// - Throws: `log.key-name` when the name is empty, longer than 255 bytes, or holds a Unicode space, a plus or
  ///   a control character.
  public init(name: String, type: SignatureType, key: VerificationKey) throws(PosternError) {
    guard isKeyName(name) else {
      throw PosternError(
        .logKeyName, "The name is none that a key can have.",
        advice: "Choose 1 to 255 bytes without spaces and plus signs, such as example.com/log.")
    }
    self.name = name
    self.type = type
    self.key = key
    let prefix = SHA256.hash(Array(name.utf8) + [newline, type.rawValue] + key.bytes).prefix
    keyID = UInt32(truncatingIfNeeded: prefix >> 32)
  }

  /// Reads a verifier key: `name+hex8+base64(type ‖ key)`.
  ///
  /// - Throws: `log.key` when the text is none or its id is not that of its key, `log.key-name` for a name that
  ///   no key can have, `log.key-type` for a signature type that this version does not verify.
  public init(parsing text: String) throws(PosternError) {
    let parts = text.utf8.split(separator: UInt8(ascii: "+"), maxSplits: 2, omittingEmptySubsequences: false)
    guard text.utf8.count <= Self.maximumTextByteCount, parts.count == 3,
      let material = Base64.decode(Array(parts[2])[...]), let number = material.first,
      let name = String(parts[0])
    else { throw malformedKey("The text is no verifier key.") }
    guard let type = SignatureType(rawValue: number) else {
      throw PosternError(
        .logKeyType, "The verifier key is of signature type \(number), which is not verified here.",
        advice: "Use a key of type 1 (Ed25519) or 4 (Ed25519 cosignatures).")
    }
    guard let key = VerificationKey(material.dropFirst()) else {
      throw malformedKey("The verifier key does not hold 32 bytes.")
    }
    try self.init(name: name, type: type, key: key)
    guard parts[1].elementsEqual(hexID.utf8) else {
      throw malformedKey("The verifier key's id is not that of its name and key.")
    }
  }

  /// The verifier key as text, which ``init(parsing:)`` reads.
  public var text: String {
    name + "+" + hexID + "+" + String(decoding: Base64.encode([type.rawValue] + key.bytes), as: UTF8.self)
  }

  /// The id as it stands in the verifier key: eight lower-case digits.
  private var hexID: String {
    withUnsafeBytes(of: keyID.bigEndian) { Array($0) }.hex
  }

  /// Whether a signature line names this key: name and id, both.
  func isNamed(by signature: NoteSignature) -> Bool {
    signature.keyID == keyID && sameBytes(signature.name, name)
  }
}

extension NoteVerifier: CustomStringConvertible {
  /// The verifier key as text.
  public var description: String { text }
}

/// Whether a text can name a key: not empty, no Unicode spaces, no plus, no control characters.
func isKeyName(_ name: String) -> Bool {
  (1...NoteVerifier.maximumNameByteCount).contains(name.utf8.count)
    && name.unicodeScalars.allSatisfy { $0 != "+" && $0.value >= 0x20 && !$0.properties.isWhitespace }
}

private func malformedKey(_ message: String) -> PosternError {
  PosternError(.logKey, message, advice: "Copy it whole: name, eight hexadecimal digits and base 64, joined by +.")
}
