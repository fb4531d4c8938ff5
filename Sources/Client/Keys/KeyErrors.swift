public import Core

extension PosternError.Code {
  /// A key file's bytes are not of the format.
  public static let keyMalformed: Self = "key.malformed"
  /// A key is of another role than the one that is needed.
  public static let keyRole: Self = "key.role"
  /// The passphrase does not open the key, or the file was changed.
  public static let keyPassphrase: Self = "key.passphrase"
  /// A holder's name is empty, too long, or holds control characters.
  public static let keyName: Self = "key.name"
  /// Bytes to import are not a secret of 32 bytes.
  public static let keyImport: Self = "key.import"
  /// A line is no public half of a key, or was changed.
  public static let keyLine: Self = "key.line"
}

extension PosternError {
  /// A key file whose bytes are not of the format.
  static let malformedKey = PosternError(
    .keyMalformed, "The key file's bytes are not of the format, or were changed.",
    advice: "Take another copy of the key.")
}
