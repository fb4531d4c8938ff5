public import Core
import Dump
import Glibc
import Pax
import Snapshot

extension PosternError.Code {
  /// The state changed while it was read.
  public static let pushChanged: Self = "push.changed"
  /// A file that is to be pushed is a database, and a part of it lies beside it.
  public static let pushDatabase: Self = "push.database"
  /// A directory that is to be pushed holds something that its archive cannot.
  public static let pushEntry: Self = "push.entry"
  /// What is to be pushed cannot be read.
  public static let pushInput: Self = "push.input"
  /// The state has another length than was expected.
  public static let pushLength: Self = "push.length"
  /// The receipt that came back is of another record.
  public static let pushReceipt: Self = "push.receipt"
  /// The archive takes no push of this size.
  public static let pushTooLarge: Self = "push.too-large"
}

extension PosternError {
  static func stateChanged(_ path: String) -> PosternError {
    PosternError(
      .pushChanged, "“\(path)” changed while it was read, so what was read is no state that it ever had.",
      advice: "Push a copy or a snapshot of it that nobody writes to; nothing was published.")
  }

  /// An SQLite database that changed while it was read as a mere file.
  static func databaseChanged(_ path: String) -> PosternError {
    PosternError(
      .pushChanged, PosternError.stateChanged(path).message,
      advice: "It is an SQLite database: push a snapshot of it with --sqlite; nothing was published.")
  }

  static func databaseInTwoFiles(_ path: String, _ part: DatabaseFile.OtherPart) -> PosternError {
    switch part {
    case .writeAheadLog(let log):
      PosternError(
        .pushDatabase,
        "“\(path)” is an SQLite database with a write-ahead log beside it, “\(log)”, and transactions that stand in the "
          + "log alone would be missing.",
        advice: "Push it with --sqlite, which takes both; nothing was sent.")
    case .rollbackJournal(let journal):
      PosternError(
        .pushDatabase,
        "“\(path)” is an SQLite database with a rollback journal beside it, “\(journal)”, and half of a transaction, "
          + "which the journal alone can undo, may be in it.",
        advice: "Push it with --sqlite, which waits for the transaction's end; where its application died in it, let "
          + "that open the database first. Nothing was sent.")
    }
  }

  static func stateTooLarge(_ path: String, _ byteCount: Int) -> PosternError {
    PosternError(
      .dumpTooLarge, "“\(path)” has \(byteCount) bytes, and a dump holds at most \(DumpLimits.stateByteCount), 1 PiB.",
      advice: "Check that it is the state: a file with holes may be far longer than what was written to it.")
  }

  static func unexpectedLength(_ path: String, _ byteCount: String, expected: Int) -> PosternError {
    PosternError(
      .pushLength, "“\(path)” has \(byteCount) bytes, and \(expected) were expected.",
      advice: "Check that what wrote it was done; nothing was published.")
  }

  static func directoryEntry(_ path: String, _ fault: String) -> PosternError {
    PosternError(
      .pushEntry, "“\(path)” \(fault), and a directory's archive holds folders, files and links of one file system.",
      advice: "Move it out of the directory, or push what is in it apart; nothing was published.")
  }

  static func directoryDepth(_ path: String) -> PosternError {
    PosternError(
      .pushEntry,
      "“\(path)” lies too deep: a path in a directory's archive has at most \(PaxEntry.depthLimit) names and "
        + "\(PaxEntry.pathByteCountLimit) bytes.",
      advice: "Push a folder below it apart, or choose shorter names; nothing was published.")
  }

  static func endlessState(_ path: String) -> PosternError {
    PosternError(
      .pushInput, "“\(path)” is a character device, and nothing says where its state ends.",
      advice: "Give a file, a directory or a block device, or - for a pipe.")
  }

  static func unreadableState(_ path: String, _ number: Int32) -> PosternError {
    PosternError(
      .pushInput, "“\(path)” cannot be read: \(String(cString: strerror(number))).",
      advice: "Give a file, a directory or a block device that you may read, or - for a pipe.")
  }
}
