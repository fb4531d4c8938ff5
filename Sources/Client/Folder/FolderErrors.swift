public import Core
import Packs

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

  /// What is wrong with an object of a folder.
  enum ObjectDamage: String {
    case bytes = "the bytes of an object in it are not those that its id names"
    case length = "an object in it has another length than the dump's tree says"
  }

  /// A folder with an object that is not the one that was copied.
  static func damagedCopy(_ path: String, _ damage: ObjectDamage, isDataFolder: Bool) -> PosternError {
    PosternError(
      .folderDamaged, "The copy in “\(path)” is damaged: \(damage.rawValue).",
      advice: isDataFolder
        ? "It is an archive's data folder, into which nothing is pulled: use a copy that was pulled, or another archive."
        : "Run “postern pull --check” into it while an archive has the epoch, with --epoch where it is not the newest: "
          + "that fetches anew what is damaged. Or use another copy.")
  }
}
