public import Core

/// A signature line of a note: whose, and the bytes (C2SP signed-note).
public struct NoteSignature: Hashable, Sendable {
  /// The key's name.
  public let name: String
  /// The key's id.
  public let keyID: UInt32
  /// The signature behind the id, at least one byte; its form depends on the key's type.
  public let bytes: [UInt8]

  init(name: String, keyID: UInt32, bytes: [UInt8]) {
    self.name = name
    self.keyID = keyID
    self.bytes = bytes
  }

  /// A signature by a key, as a signer makes it or as it was stored.
  ///
  /// - Parameter bytes: 64 bytes for an Ed25519 key, 72 for a cosignature's.
  public init(by verifier: NoteVerifier, bytes: [UInt8]) {
    self.init(name: verifier.name, keyID: verifier.keyID, bytes: bytes)
  }

  /// Reads a line without its newline: `— name base64(id ‖ signature)`; nil where it is none.
  init?(line: ArraySlice<UInt8>) {
    let mark = Array("— ".utf8)
    guard line.starts(with: mark) else { return nil }
    let parts = line.dropFirst(mark.count).split(
      separator: UInt8(ascii: " "), maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let name = String(validating: parts[0], as: UTF8.self), isKeyName(name),
      let blob = Base64.decode(parts[1]), blob.count > 4
    else { return nil }
    self.init(name: name, keyID: blob.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }, bytes: Array(blob.dropFirst(4)))
  }

  /// The line with its newline.
  var line: [UInt8] {
    var blob: [UInt8] = []
    blob.append(bigEndian: keyID)
    blob += bytes
    return Array("— \(name) ".utf8) + Base64.encode(blob) + [newline]
  }
}

/// A text with the signatures of one or more keys (C2SP signed-note).
///
/// Parsing says nothing about trust: a note's text means something only after ``verified(by:)``.
public struct SignedNote: Hashable, Sendable {
  /// The most bytes that a note may have: room for a hundred post-quantum signatures.
  public static let maximumByteCount = 1 << 20
  /// The most signatures that a note may have; the format asks for at least 16.
  public static let maximumSignatureCount = 100

  /// The text that is signed, with its final newline.
  public let text: [UInt8]
  /// The signatures in the order of their lines, verified or not.
  public private(set) var signatures: [NoteSignature]

  /// A note to be signed.
  ///
  /// - Throws: `log.note` when the text does not end in a newline, is no UTF-8 or holds a control character.
  public init(text: [UInt8]) throws(PosternError) {
    guard text.last == newline, text.count <= Self.maximumByteCount, isNoteText(text) else {
      throw malformedNote("The text cannot be signed as a note.")
    }
    self.text = text
    signatures = []
  }

  /// Reads a note.
  ///
  /// - Throws: `log.note` when the bytes are none, `log.note-limit` when they have more than a mebibyte or more
  ///   than 100 signatures.
  public init(parsing bytes: [UInt8]) throws(PosternError) {
    guard bytes.count <= Self.maximumByteCount else { throw tooLarge() }
    guard bytes.last == newline, isNoteText(bytes), let end = Self.textEnd(bytes) else {
      throw malformedNote("The bytes are no signed note.")
    }
    text = Array(bytes[..<end])
    signatures = []
    var lines = LineReader(bytes[(end + 1)...])
    while let line = lines.next() {
      guard signatures.count < Self.maximumSignatureCount else { throw tooLarge() }
      guard let signature = NoteSignature(line: line) else {
        throw malformedNote("A line of the note is no signature.", index: signatures.count)
      }
      signatures.append(signature)
    }
    guard !signatures.isEmpty else { throw malformedNote("The note has no signature.") }
  }

  /// Where the text ends: at the last empty line, which belongs to neither part.
  private static func textEnd(_ bytes: [UInt8]) -> Int? {
    bytes.indices.dropLast().last { bytes[$0] == newline && bytes[$0 + 1] == newline }.map { $0 + 1 }
  }

  /// The note as it is stored and served; without a signature it is none yet, and nobody reads it.
  public var bytes: [UInt8] {
    signatures.reduce(into: text + [newline]) { $0 += $1.line }
  }

  /// Adds a signature, in place of an older one by the same key.
  ///
  /// - Throws: `log.note-limit` when the note has 100 already.
  public mutating func add(_ signature: NoteSignature) throws(PosternError) {
    var others = signatures
    others.removeAll { $0.keyID == signature.keyID && sameBytes($0.name, signature.name) }
    guard others.count < Self.maximumSignatureCount else { throw tooLarge() }
    signatures = others + [signature]
  }
}

private func isNoteText(_ bytes: [UInt8]) -> Bool {
  bytes.allSatisfy { $0 >= 0x20 || $0 == newline } && String(validating: bytes, as: UTF8.self) != nil
}

private func malformedNote(_ message: String, index: Int? = nil) -> PosternError {
  PosternError(
    .logNote, message, advice: "A note is UTF-8 text, an empty line and signature lines (C2SP signed-note).",
    index: index)
}

private func tooLarge() -> PosternError {
  PosternError(
    .logNoteLimit, "The note is larger than notes may be.",
    advice: "Keep it under a mebibyte and 100 signatures.")
}
