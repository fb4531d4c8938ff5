public import Core
import Glibc

extension PosternError.Code {
  /// Nothing says where a client's state is to be kept, or what is named for it is no folder.
  public static let stateLocation: Self = "state.location"
  /// Another process uses the state folder.
  public static let stateInUse: Self = "state.in-use"
  /// A file of the state folder cannot be removed.
  public static let stateUnwritable: Self = "state.unwritable"
  /// A file of the state folder was sealed under another key, or is damaged.
  public static let stateSealed: Self = "state.does-not-open"
  /// A file of the state folder is not of the format.
  public static let stateMalformed: Self = "state.malformed"

  /// A log shows two histories to this machine.
  public static let logFork: Self = "log.fork"
  /// A log shows less than it showed this machine before.
  public static let logRollback: Self = "log.rollback"
}

extension PosternError {
  static let stateSealed = PosternError(
    .stateSealed, "The state folder's secrets do not open under this key.",
    advice: "Use the key that pushed before, or name another folder with --state and open a new generation.")

  static func stateMalformed(_ path: String) -> PosternError {
    PosternError(
      .stateMalformed, "The file “\(path)” is damaged, or is not what a client keeps there.",
      advice: "Move it away: the next push opens a new generation, \(unlessRecovered).")
  }

  /// The secrets of a generation that this key does not open.
  static func generationSealed(_ path: String) -> PosternError {
    PosternError(
      .stateSealed, "The secrets in “\(path)” do not open under this key: it is not the one, or the file is damaged.",
      advice: "Use the key that pushed before. A damaged file is moved away: the next push opens a new generation, "
        + "\(unlessRecovered).")
  }

  private static let unlessRecovered =
    "unless a recovery with “--uploader KEY --state FOLDER” writes the file again before"

  static func pendingMalformed(_ path: String) -> PosternError {
    PosternError(
      .stateMalformed, "The file “\(path)” is damaged, or is not the signed epoch that a push keeps there.",
      advice: "Move it away and look with “postern latest” whether that epoch was admitted before you push again.")
  }

  /// What this machine has seen, in a form that cannot be read.
  ///
  /// - Parameter what: what the file remembers.
  static func memoryMalformed(_ path: String, of what: String) -> PosternError {
    PosternError(
      .stateMalformed, "The file “\(path)”, this machine's memory of \(what), is damaged.",
      advice: "Moving it away gives up the protection against an archive that goes back behind what it showed here: "
        + "compare the archive's answer with your receipts first.")
  }

  /// The disk of the state folder is full, whatever is being done meanwhile on others.
  static func stateFull(_ path: String) -> PosternError {
    PosternError(
      .storageFull,
      "The disk of the state folder, where this client remembers what it saw, is full: “\(path)” could not be written.",
      advice: "Free space there, or move the folder to another disk and name it with --state: what it remembers of a "
        + "log is what notices one that went back.")
  }

  static func unremovable(_ path: String, _ number: Int32) -> PosternError {
    PosternError(
      .stateUnwritable, "“\(path)” cannot be removed: \(String(cString: strerror(number))).",
      advice: "Check that the folder is yours, and remove the file.")
  }
}
