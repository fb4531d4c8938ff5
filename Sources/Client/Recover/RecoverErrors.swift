public import Core
import Glibc
import Records
import SystemPackage

extension PosternError.Code {
  /// The epoch's state version is lower than the one that is expected.
  public static let recoverStale: Self = "recover.stale"
  /// What would be written exists.
  public static let recoverExists: Self = "recover.exists"
  /// The recovered state cannot be written.
  public static let recoverOutput: Self = "recover.output"
  /// The state is longer than its file system has room for.
  public static let recoverNoRoom: Self = "recover.no-room"
  /// The capsule at hand is not the epoch's.
  public static let recoverCapsule: Self = "recover.capsule"
}

extension PosternError {
  static func stale(_ epoch: EpochFields, expected: UInt64, isNamed: Bool) -> PosternError {
    guard isNamed else {
      return PosternError(
        .recoverStale, "Epoch \(epoch.number) holds state version \(epoch.stateVersion), older than \(expected).",
        advice: "Ask another archive for a newer epoch; this one may be hiding it.")
    }
    return PosternError(
      .recoverStale,
      "The epoch that was asked for, \(epoch.number), holds state version \(epoch.stateVersion), and at least "
        + "\(expected) is expected.",
      advice: "Ask for a newer epoch, or expect this version.")
  }

  /// An object of a dump that is not what it was when it was pushed: without it nothing comes out.
  static func rottenDump(_ error: PosternError, of epoch: EpochFields) -> PosternError {
    PosternError(
      error.code, "Epoch \(epoch.number) cannot be recovered from here. \(error.message)",
      advice: "Tell the archive's operator, and read another copy with --from FOLDER. \(anewWhereTheStateIs)",
      index: error.index)
  }

  /// What heals an archive's damaged dump: its newest generation goes on to share what has rotted.
  public static let anewWhereTheStateIs =
    "Where the state is still there, push it with --next-generation: that sends all of it anew, and shares nothing with "
    + "what is damaged."

  static func brokenOutput(_ number: Int32) -> PosternError {
    PosternError(
      .recoverOutput, "Standard output cannot be written: \(String(cString: strerror(number))).",
      advice: "Check what reads it; what it got so far is not the whole state.")
  }

  static func noRoom(_ path: String, free: UInt64, needed: Int) -> PosternError {
    PosternError(
      .recoverNoRoom, "The state has \(needed) bytes, and the file system of “\(path)” has \(free) left.",
      advice: "Free space, or write to another disk or to a pipe (--out -); nothing was written.")
  }

  static func unnameableOutput(_ path: String, _ number: Int32) -> PosternError {
    PosternError(
      .recoverOutput, "The recovered file cannot be named “\(path)”: \(String(cString: strerror(number))).",
      advice: "Check its folder; nothing is left there.")
  }

  static func deniedOutput(_ path: String) -> PosternError {
    PosternError(
      .storageDenied, "“\(path)” cannot be made: there is no access to its folder.",
      advice: "Check the folder's owner and permissions, and whether its file system may be written to.")
  }

  static func noOutputName(_ path: String) -> PosternError {
    PosternError(
      .recoverOutput, "“\(path)” names nothing that could be made.",
      advice: "Name the file, or the directory, that is to hold the state.")
  }

  static func unwritableEntry(_ path: String, _ failure: Errno) -> PosternError {
    guard failure != .noSpace, failure != .diskQuotaExceeded else {
      return PosternError(
        .storageFull, "The disk is full: “\(path)” could not be written.",
        advice: "Free space on its file system and try again; nothing is left there.")
    }
    return PosternError(
      .recoverOutput, "“\(path)” cannot be written: \(String(cString: strerror(failure.rawValue))).",
      advice: "Check its folder and file system, or take the directory's archive with “--out -”; nothing is left there."
    )
  }

  static func outputNotEmpty(_ path: String) -> PosternError {
    PosternError(
      .recoverExists, "The directory “\(path)” is not empty, and a recovery overwrites nothing.",
      advice: "Move it away, or name another directory.")
  }

  static func outputIsMounted(_ path: String) -> PosternError {
    PosternError(
      .recoverOutput, "A file system is mounted at “\(path)”, so the recovered directory cannot take its place.",
      advice: "Name a directory inside of it that does not exist.")
  }

  static func outputExists(_ path: String) -> PosternError {
    guard !isNoFile(path) else {
      return PosternError(
        .recoverExists, "“\(path)” is a device or a pipe, and no file that a recovery could make.",
        advice: "Write to standard output with “--out -”, or name a file that does not exist.")
    }
    return PosternError(
      .recoverExists, "“\(path)” exists, and a recovery overwrites nothing.",
      advice: "Move it away, or name another file.")
  }

  /// Whether what lies at a path is neither a file nor a directory, or is this process's output by another name.
  private static func isNoFile(_ path: String) -> Bool {
    var status = stat()
    guard stat(path, &status) == 0 else { return false }
    return path == "/dev/stdout" || ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
  }
}
