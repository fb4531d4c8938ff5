public import Core

extension PosternError.Code {
  /// There is no database at this path.
  public static let snapshotMissing: Self = "snapshot.missing"
  /// A database cannot be read.
  public static let snapshotUnreadable: Self = "snapshot.unreadable"
  /// A file is no SQLite database, or an encrypted one.
  public static let snapshotNotADatabase: Self = "snapshot.not-a-database"
  /// A database is damaged.
  public static let snapshotDamaged: Self = "snapshot.damaged"
  /// Somebody else keeps a database locked.
  public static let snapshotBusy: Self = "snapshot.busy"
  /// The disk has no room for a snapshot of the database.
  public static let snapshotNoRoom: Self = "snapshot.no-room"
  /// The snapshot cannot be written beside the database.
  public static let snapshotPlace: Self = "snapshot.place"
}

extension PosternError {
  static func missingDatabase(_ path: String) -> PosternError {
    PosternError(.snapshotMissing, "There is no database “\(path)”.", advice: "Check the path; none was made.")
  }

  static func unreadableDatabase(_ path: String, _ reason: String) -> PosternError {
    PosternError(
      .snapshotUnreadable, "The database “\(path)” cannot be read: \(reason).",
      advice: "Check its permissions and those of its folder, where SQLite keeps the files that go with it; after a "
        + "crash of its application, let that open it first.")
  }

  static func noDatabase(_ path: String) -> PosternError {
    PosternError(
      .snapshotNotADatabase, "“\(path)” is no SQLite database, or an encrypted one.",
      advice: "Push it as a file: leave --sqlite out, while nobody writes to it.")
  }

  static func folderOfDatabase(_ path: String) -> PosternError {
    PosternError(
      .snapshotNotADatabase, "“\(path)” is a directory.",
      advice: "Name the database's file; or leave --sqlite out to push the directory.")
  }

  static func damagedDatabase(_ path: String) -> PosternError {
    PosternError(
      .snapshotDamaged, "The database “\(path)” is damaged.",
      advice:
        "“PRAGMA integrity_check” says where. Recover the newest epoch, or push the file as it is without --sqlite.")
  }

  static func busyDatabase(_ path: String) -> PosternError {
    PosternError(
      .snapshotBusy, "Somebody keeps the database “\(path)” locked, for \(DatabaseSnapshot.patienceSeconds) s already.",
      advice: "Run the push again, or let the application use shorter transactions or “PRAGMA journal_mode = WAL”.")
  }

  static func noRoom(beside path: String, free: UInt64, needed: Int) -> PosternError {
    PosternError(
      .snapshotNoRoom,
      "A snapshot of “\(path)” takes \(needed) bytes beside it, some room for its writers included, and \(free) are left.",
      advice: "Free space on its file system; nothing was written.")
  }

  static func fullDisk(beside path: String) -> PosternError {
    PosternError(
      .snapshotNoRoom, "The disk became full while a snapshot of “\(path)” was written beside it.",
      advice: "Free space on its file system; the snapshot is gone.")
  }

  static func noPlace(_ path: String, _ reason: String) -> PosternError {
    PosternError(
      .snapshotPlace, "A snapshot of “\(path)” cannot be written beside it: \(reason).",
      advice: "Let the folder be written to by who pushes, or push a copy that the application makes.")
  }
}
