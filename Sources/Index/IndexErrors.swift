public import Core
import GRDB
import GRDBSQLite

extension PosternError.Code {
  /// The index was written by a newer program.
  public static let indexNewer: Self = "index.newer"
  /// A migration that the index has taken reads otherwise in this program.
  public static let indexChanged: Self = "index.changed"
  /// The file is an SQLite database, and not one of this program.
  public static let indexForeign: Self = "index.foreign"
  /// The file cannot be read as the index that it should be.
  public static let indexDamaged: Self = "index.damaged"
  /// The connection could not be brought into the durable mode that commits need.
  public static let indexUnsafe: Self = "index.unsafe"
  /// Another connection holds the index.
  public static let indexBusy: Self = "index.busy"
  /// A row contradicts one that is there: a number taken, a commitment used before.
  public static let indexConflict: Self = "index.conflict"
  /// A commit group contradicts itself: a gap in the entries, a checkpoint of another size.
  public static let indexGroup: Self = "index.group"
  /// More was asked than one call answers.
  public static let indexLimit: Self = "index.limit"
  /// The newest checkpoint is not the one that the commit group starts from.
  public static let indexCheckpointMoved: Self = "index.checkpoint-moved"
  /// Nobody knows whether the transaction is on disk: the process has to end.
  public static let indexUnknownOutcome: Self = "index.unknown-outcome"
}

/// The error for what SQLite answered to a statement other than COMMIT.
func indexError(_ code: CInt, _ text: String, systemError: CInt) -> PosternError {
  // What the file of shared memory does not find room for has no number of the system's.
  let ranOut = systemError == diskFull || systemError == quotaExceeded || code == noRoomForSharedMemory
  let primary = code & 0xff == SQLITE_IOERR && ranOut ? SQLITE_FULL : code & 0xff
  return switch primary {
  case SQLITE_FULL:
    PosternError(
      .storageFull, "The disk of the archive's index is full; nothing was changed.",
      advice: "Free space on the data folder's file system and try again.")
  case SQLITE_CONSTRAINT:
    PosternError(
      .indexConflict, "The index holds a row that contradicts this one (\(text)); nothing was changed.",
      advice: "Read the current state and decide again.")
  case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_MISMATCH, SQLITE_SCHEMA:
    .damagedIndex("SQLite says: \(text)")
  case SQLITE_BUSY, SQLITE_LOCKED:
    PosternError(
      .indexBusy, "Another process holds the archive's index.",
      advice: "End whatever else has index.sqlite open and try again.")
  case SQLITE_CANTOPEN, SQLITE_READONLY, SQLITE_PERM:
    PosternError(
      .storageDenied, "There is no access to the archive's index (\(text), SQLite \(code)).",
      advice: "Check the owner and permissions of index.sqlite, of what lies beside it and of the data folder.")
  default:
    PosternError(
      .storageFailed, "The archive's index could not be read or written (\(text), SQLite \(code)).",
      advice: "Check the disk, the file system and the permissions of the data folder.")
  }
}

/// The error for what GRDB threw.
func indexError(_ error: any Error) -> PosternError {
  if let error = error as? PosternError { return error }
  guard let error = error as? DatabaseError else {
    return PosternError(
      .storageFailed, "The archive's index could not be opened.", advice: "Check the data folder.")
  }
  return indexError(error.extendedResultCode.rawValue, error.message ?? "no message", systemError: 0)
}

extension PosternError {
  /// The error for an index whose content is not what this program writes, `index.damaged`: also for rows that
  /// each are sound and contradict each other, such as an application whose newest epoch is not there.
  ///
  /// - Parameter what: half a sentence that ends the message "The archive's index is damaged: ".
  public static func damagedIndex(_ what: String) -> PosternError {
    PosternError(
      .indexDamaged, "The archive's index is damaged: \(what).",
      advice: "Stop the archive and keep the whole data folder: no command rebuilds an index. Put a copy of the whole "
        + "folder in its place only if no receipt was given after the copy was made. Epochs can still be read without the "
        + "index: “postern recover --from FOLDER”, with the data folder.")
  }
}

// ENOSPC and EDQUOT of Linux, which SQLite hands through and its headers do not name.
private let diskFull: CInt = 28
private let quotaExceeded: CInt = 122
/// SQLITE_IOERR_SHMSIZE.
private let noRoomForSharedMemory = SQLITE_IOERR | 19 << 8
