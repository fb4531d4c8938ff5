public import Core

extension PosternError.Code {
  /// A path under the log's prefix names no tile, bundle or checkpoint.
  public static let logTilePath: Self = "log.tile-path"
  /// A tile does not have the length or the place that it claims.
  public static let logTile: Self = "log.tile"
  /// Tiles do not hash to the root that they should have.
  public static let logRoot: Self = "log.root"
  /// An entry bundle is not a sequence of as many entries as it should hold.
  public static let logBundle: Self = "log.bundle"
  /// An entry is longer than a leaf may be.
  public static let logEntryLength: Self = "log.entry-length"
  /// An index or a size lies outside the tree.
  public static let logRange: Self = "log.range"
  /// An inclusion proof does not lead from the leaf to the root.
  public static let logInclusion: Self = "log.inclusion"
  /// A consistency proof does not lead from the one root to the other.
  public static let logConsistency: Self = "log.consistency"
  /// Bytes are no signed note.
  public static let logNote: Self = "log.note"
  /// A note is too long or has too many signatures.
  public static let logNoteLimit: Self = "log.note-limit"
  /// A key's name is empty, too long, or holds a space, a plus or a control character.
  public static let logKeyName: Self = "log.key-name"
  /// Text is no verifier key, or one whose id is not its own.
  public static let logKey: Self = "log.key"
  /// A verifier key is of a signature type that this version does not verify.
  public static let logKeyType: Self = "log.key-type"
  /// Two known keys have the same name and id.
  public static let logKeyAmbiguous: Self = "log.key-ambiguous"
  /// A signature that names a known key is not that key's.
  public static let logSignature: Self = "log.signature"
  /// No known key signed a note.
  public static let logUnsigned: Self = "log.unsigned"
  /// A note's text is no checkpoint.
  public static let logCheckpoint: Self = "log.checkpoint"
  /// A checkpoint belongs to another log.
  public static let logOrigin: Self = "log.origin"
  /// A cosignature's time is beyond what the format allows.
  public static let logTime: Self = "log.time"
  /// Bytes are no transparency log proof.
  public static let logProof: Self = "log.proof"
}
