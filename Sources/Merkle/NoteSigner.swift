public import Core
public import Sodium

/// A log's own key: signs notes with Ed25519 (C2SP signed-note, signature type 1).
public struct NoteSigner: ~Copyable, Sendable {
  private let key: SigningKey
  /// The public half, for those who check.
  public let verifier: NoteVerifier

  /// A signer of a name with a key.
  ///
  /// - Throws: `log.key-name` when the name is none that a key can have.
  public init(name: String, key: consuming SigningKey) throws(PosternError) {
    verifier = try NoteVerifier(name: name, type: .ed25519, key: key.verificationKey)
    self.key = key
  }

  /// The signature over a note's text.
  public borrowing func signature(over note: SignedNote) -> NoteSignature {
    NoteSignature(by: verifier, bytes: key.sign(note.text).bytes)
  }
}

/// A witness's or a mirror's key: signs that it saw a checkpoint, and when (C2SP tlog-cosignature, type 4).
///
/// The signed bytes do not hold the cosigner's name: a key serves one cosigner, never two.
public struct Cosigner: ~Copyable, Sendable {
  private let key: SigningKey
  /// The public half, for those who check.
  public let verifier: NoteVerifier

  /// A cosigner of a name with a key.
  ///
  /// - Throws: `log.key-name` when the name is none that a key can have.
  public init(name: String, key: consuming SigningKey) throws(PosternError) {
    verifier = try NoteVerifier(name: name, type: .cosignature, key: key.verificationKey)
    self.key = key
  }

  /// The cosignature over a checkpoint's note, extension lines included where the log wrote some.
  ///
  /// - Parameter timeSeconds: now, in seconds since 1970.
  /// - Throws: `log.checkpoint` when the note is no checkpoint, `log.time` beyond 2^63 − 1 seconds.
  public borrowing func signature(
    over note: SignedNote, timeSeconds: UInt64
  ) throws(PosternError) -> NoteSignature {
    _ = try Checkpoint(parsing: note.text)
    guard timeSeconds <= maximumTimeSeconds else {
      throw PosternError(
        .logTime, "A cosignature cannot carry the time \(timeSeconds).", advice: "Set the machine's clock.")
    }
    var bytes: [UInt8] = []
    bytes.append(bigEndian: timeSeconds)
    bytes += key.sign(cosignedMessage(note.text, timeSeconds: timeSeconds)).bytes
    return NoteSignature(by: verifier, bytes: bytes)
  }
}
