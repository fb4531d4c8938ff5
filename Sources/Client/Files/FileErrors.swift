public import Core

extension PosternError.Code {
  /// A file cannot be read.
  public static let fileUnreadable: Self = "file.unreadable"
  /// A file is larger than its kind may be.
  public static let fileTooLarge: Self = "file.too-large"
  /// Text is not armoured the way this program writes it.
  public static let armourMalformed: Self = "armour.malformed"
  /// An armoured file is of another kind than the one that is asked for.
  public static let armourKind: Self = "armour.kind"
}
