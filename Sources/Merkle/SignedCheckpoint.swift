public import Core

/// A checkpoint whose signatures were verified; there is no other way to make one.
public struct SignedCheckpoint: Hashable, Sendable {
  /// What the log committed to.
  public let checkpoint: Checkpoint
  /// The note as it came, to be kept and passed on: with a contradicting one it is evidence.
  public let note: SignedNote
  /// The cosignatures by known cosigners, one for each, in the order in which they were given.
  public let cosignatures: [VerifiedSignature]

  /// Verifies a note as a log's checkpoint.
  ///
  /// - Parameters:
  ///   - note: the note.
  ///   - log: the log's key; its name is the origin that the checkpoint must have.
  ///   - cosigners: the witnesses and mirrors that are known. How many have to have signed is the caller's affair.
  /// - Throws: `log.signature`, `log.unsigned` or `log.key-ambiguous` as ``SignedNote/verified(by:)`` does, also
  ///   when only cosigners signed; `log.checkpoint` when the text is none, or claims a root for an empty tree;
  ///   `log.origin` when the checkpoint is another log's.
  public init(
    verifying note: SignedNote, log: NoteVerifier, cosigners: [NoteVerifier] = []
  ) throws(PosternError) {
    let signatures = try note.verified(by: [log] + cosigners)
    guard signatures.first?.key == log else {
      throw PosternError(
        .logUnsigned, "The log's key did not sign the checkpoint.", advice: "Ask the log, or another source.")
    }
    let checkpoint = try Checkpoint(parsing: note.text)
    guard checkpoint.isOf(origin: log.name) else {
      throw PosternError(
        .logOrigin, "The checkpoint is of the log \(checkpoint.origin), not of \(log.name).",
        advice: "Use the verifier key of the log that you ask.")
    }
    guard checkpoint.size > 0 || checkpoint.root == TreeHash.empty else {
      throw PosternError(
        .logCheckpoint, "The checkpoint claims a root for a tree without leaves.",
        advice: "The log signs nonsense; do not rely on it.")
    }
    self.checkpoint = checkpoint
    self.note = note
    cosignatures = Array(signatures.dropFirst())
  }

  /// Reads and verifies a note as a log's checkpoint.
  ///
  /// - Throws: `log.note` or `log.note-limit` when the bytes are no note, else as
  ///   ``init(verifying:log:cosigners:)`` does.
  public init(
    parsing bytes: [UInt8], log: NoteVerifier, cosigners: [NoteVerifier] = []
  ) throws(PosternError) {
    try self.init(verifying: SignedNote(parsing: bytes), log: log, cosigners: cosigners)
  }
}
