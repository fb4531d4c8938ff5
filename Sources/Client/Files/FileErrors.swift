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

extension PosternError {
  /// A disk without room for a file, by the name that the file was to have.
  ///
  /// - Parameter isKept: whether a file of that name may have been there, which stays.
  static func fullDisk(_ path: String, isKept: Bool = false) -> PosternError {
    PosternError(
      .storageFull, "The disk is full: “\(path)” could not be written.",
      advice: "Free space on its file system and try again; "
        + (isKept ? "what had that name before stays." : "nothing stands under that name."))
  }
}
