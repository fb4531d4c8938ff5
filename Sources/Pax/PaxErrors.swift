public import Core

extension PosternError.Code {
  /// A directory's archive has a header that this format does not write.
  public static let directoryHeader: Self = "directory.header"
  /// A directory's archive names a path that leads out of it, or that no file can have.
  public static let directoryPath: Self = "directory.path"
  /// A directory's archive names an entry twice, out of order, or in a folder that it has not named.
  public static let directoryOrder: Self = "directory.order"
  /// A directory's archive ends too early, or goes on behind its end.
  public static let directoryEnd: Self = "directory.end"
}

extension PosternError {
  /// A header that is none, or another than the one that this format writes for the same entry.
  static func header(at offset: Int) -> PosternError {
    malformed(.directoryHeader, "has a header that is not of the format, at byte \(offset)")
  }

  static func path(_ entry: PaxEntry, _ fault: String) -> PosternError {
    malformed(.directoryPath, "names “\(entry.shownPath)”, which \(fault)")
  }

  static func order(_ entry: PaxEntry, _ fault: String) -> PosternError {
    malformed(.directoryOrder, "names “\(entry.shownPath)” \(fault)")
  }

  static func end(_ fault: String) -> PosternError { malformed(.directoryEnd, fault) }

  private static func malformed(_ code: Code, _ fault: String) -> PosternError {
    PosternError(
      code, "The state is a directory whose archive \(fault).",
      advice: "Who pushed it did not follow the format. Take the archive as it is with “--out -”, or another epoch.")
  }
}
