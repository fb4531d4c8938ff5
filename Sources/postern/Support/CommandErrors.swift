import Core

extension PosternError.Code {
  /// A question has to be asked, and there is no terminal.
  static let consoleNoTerminal: Self = "console.no-terminal"
  /// The person at the terminal said no.
  static let consoleDeclined: Self = "console.declined"
  /// A result could not be written to standard output.
  static let consoleOutput: Self = "console.output"
  /// A key is under a passphrase and none was given.
  static let keyPassphraseNeeded: Self = "key.passphrase-needed"
  /// A new passphrase was typed twice, and not the same.
  static let keyPassphraseMismatch: Self = "key.passphrase-mismatch"
  /// A TOML file cannot be read as one.
  static let settingsSyntax: Self = "settings.syntax"
  /// An entry of a TOML file is missing, unknown, or not what it should be.
  static let settingsEntry: Self = "settings.entry"
  /// A server could not listen, or ended.
  static let serveFailed: Self = "serve.failed"
  /// Test vectors and this program disagree.
  static let conformanceFailed: Self = "conformance.failed"
  /// A folder holds no test vectors of a kind that this program knows.
  static let conformanceNothing: Self = "conformance.nothing"
}

extension PosternError {
  /// The person at the terminal said no.
  static let declined = PosternError(
    .consoleDeclined, "Nothing was done.", advice: "Answer y to go on.")
}
