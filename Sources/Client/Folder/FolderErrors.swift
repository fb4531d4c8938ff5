public import Core
import Dump
import Merkle
import Packs
import Trust

extension PosternError.Code {
  /// A folder is no copy of an archive: it holds no published log.
  public static let folderNone: Self = "folder.none"
  /// A folder is older than what this machine has seen of its log, or of the application.
  public static let folderOlder: Self = "folder.older"
  /// A folder cannot show that its log continues what this machine has seen.
  public static let folderUnproven: Self = "folder.unproven"
  /// A folder lacks a part of what is asked of it.
  public static let folderIncomplete: Self = "folder.incomplete"
  /// What a folder holds of an epoch is not what it was when it was copied.
  public static let folderDamaged: Self = "folder.damaged"
  /// A folder holds a copy of another log.
  public static let folderOtherLog: Self = "folder.other-log"
}

extension PosternError {
  static func noCopy(_ path: String) -> PosternError {
    PosternError(
      .folderNone, "“\(path)” holds no copy of an archive: there is no log/checkpoint in it.",
      advice: "Name a folder that “postern pull” wrote, or a copy of an archive's data folder.")
  }

  /// A folder that a pull began to fill.
  static func unfinishedCopy(_ path: String) -> PosternError {
    PosternError(
      .folderNone, "“\(path)” holds no whole copy yet: a pull into it was not finished.",
      advice: "Run “postern pull” into it again: what it has is not fetched again.")
  }

  /// What a folder lacks, in words that say how to go on.
  ///
  /// - Parameters:
  ///   - isDataFolder: whether it is an archive's own, into which nothing is pulled.
  ///   - unusable: what should be packs and cannot be used.
  static func incomplete(
    _ path: String, _ reason: String, isDataFolder: Bool, unusable: UnusablePacks
  ) -> PosternError {
    let more = unusable.count > 1 ? ", and \(unusable.count - 1) more" : ""
    let broken = unusable.paths.first.map { " “\($0)”\(more) cannot be used as a pack." } ?? ""
    guard isDataFolder else {
      return PosternError(
        .folderIncomplete, "The copy in “\(path)” does not hold all that is asked of it. \(reason)\(broken)",
        advice: "“postern list --from \(path)” says which epochs it holds: name one of them with --epoch. Or run "
          + "“postern pull” into it while an archive has this one, or use another copy.")
    }
    return PosternError(
      .folderIncomplete, "The archive's data folder “\(path)” does not hold all of it. \(reason)\(broken)",
      advice: "The archive may have collected the epoch, or be collecting it: try again, use a copy that was pulled, "
        + "or name an epoch that it holds with --epoch.")
  }

  /// A folder with a part that is not what was copied.
  static func damagedCopy(_ path: String, _ damage: FolderDamage, isDataFolder: Bool) -> PosternError {
    let message = "The copy in “\(path)” is damaged: \(damage.words)"
    switch (damage, isDataFolder) {
    case (.checkpoint, false):
      return PosternError(
        .folderDamaged, message,
        advice: "Move the file away and run “postern pull” into the folder: that fetches the checkpoint, and nothing "
          + "that the folder has. Or use another copy.")
    case (.checkpoint, true):
      return PosternError(
        .folderDamaged, message,
        advice: "It is an archive's data folder: move the file away, and the archive publishes it anew from its index "
          + "when it starts. Leave it where that index was restored from an older copy. Or use a copy that was pulled.")
    case (_, true):
      return PosternError(
        .folderDamaged, message,
        advice: "It is an archive's data folder, into which nothing is pulled: use a copy that was pulled, or another "
          + "archive.")
    case (_, false):
      return PosternError(
        .folderDamaged, message,
        advice: "Run “postern pull --check” into it while an archive has the epoch, with --epoch where it is not the "
          + "newest: that fetches anew what is damaged. Or use another copy.")
    }
  }
}

/// What is wrong with a part of a folder.
enum FolderDamage {
  /// An object, with the fault that was found.
  case object(fault: String)
  /// The log's tiles or bundles, with the fault that was found.
  case log(fault: String)
  /// The note of the log's newest checkpoint.
  case checkpoint

  /// What an error speaks of; nil where it is of another kind than damage.
  init?(_ error: PosternError) {
    switch error.code {
    case .sourceMismatch, .dumpWrongID, .dumpObjectLength: self = .object(fault: error.message)
    case .logInclusion, .logConsistency, .logRoot, .logTile, .logBundle: self = .log(fault: error.message)
    case .logNote, .logNoteLimit, .logCheckpoint, .logSignature, .logUnsigned: self = .checkpoint
    default: return nil
    }
  }

  fileprivate var words: String {
    switch self {
    case .object(let fault): "an object in it is not the one that was copied. \(fault)"
    case .log(let fault): "its log/tile does not prove what is asked of it. \(fault)"
    case .checkpoint: "its log/checkpoint is no checkpoint that the log signed."
    }
  }
}
