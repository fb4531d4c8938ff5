public import Core
import Glibc

extension PosternError.Code {
  /// What was written could not be made durable: the process has to end.
  public static let storageSyncFailed: Self = "storage.sync-failed"
  /// A file or folder is not there.
  public static let storageMissing: Self = "storage.missing"
  /// A file or folder is there already.
  public static let storageExists: Self = "storage.exists"
  /// Another process has the data folder open.
  public static let storageInUse: Self = "storage.in-use"
  /// A file is longer than its reader takes.
  public static let storageTooLong: Self = "storage.too-long"
  /// Where a file or folder should be lies something else: a symbolic link, a pipe, a device.
  public static let storageKind: Self = "storage.kind"
  /// The process or the machine lacks descriptors or memory for a file.
  public static let storageExhausted: Self = "storage.exhausted"
  /// A run of the index cannot be read as the one that it should be.
  public static let storageRunDamaged: Self = "storage.run-damaged"

  /// A pack takes no more: its file or its count of objects is at the limit.
  public static let packFull: Self = "pack.full"
  /// An object has no bytes or more than a pack takes.
  public static let packObjectLength: Self = "pack.object-length"
  /// A pack's file is cut short, or its parts do not fit each other.
  public static let packDamaged: Self = "pack.damaged"
  /// A pack's footer is not the one that its name names.
  public static let packWrongName: Self = "pack.wrong-name"
  /// A pack belongs to another application or generation.
  public static let packWrongSpace: Self = "pack.wrong-space"
  /// An object's bytes are not those that its id names.
  public static let packObjectDamaged: Self = "pack.object-damaged"
}

extension PosternError {
  /// Whether one pack cannot be read, or is not the one that its name and place say: others can, and may hold what is
  /// looked for.
  package var isOfUnreadablePack: Bool {
    [.packDamaged, .packWrongName, .packWrongSpace, .storageMissing].contains(code)
  }

  /// Whether a run is gone or damaged, which is made again from the packs; of a step that lets no missing pack be told.
  package var isOfUnreadableRun: Bool { code == .storageRunDamaged || code == .storageMissing }

  /// As ``isOfUnreadablePack``, of a step that does nothing but read one file, which the disk may not give.
  package var isOfUnreadableFile: Bool {
    isOfUnreadablePack || [.storageFailed, .storageDenied, .storageKind].contains(code)
  }
}

/// What a system call answered.
public struct FileFailure: Error, Hashable, Sendable {
  /// The call.
  public let call: FileCall
  /// `errno`.
  public let number: CInt

  /// Makes a failure.
  public init(_ call: FileCall, number: CInt) {
    self.call = call
    self.number = number
  }

  /// The error that names the file and says what to do.
  func error(_ path: String) -> PosternError {
    switch (number, call) {
    case (ENOSPC, _), (EDQUOT, _):
      PosternError(
        .storageFull, "The disk is full: \(path) could not be written.",
        advice: "Free space on its file system, or inodes where “df -i” shows none free, and try again.")
    case (_, .syncData), (_, .sync):
      PosternError(
        .storageSyncFailed, "\(path) could not be made durable: \(text).",
        advice: "Check the disk before you run it again: what was written last may be lost.")
    case (ENOENT, _), (ENOTDIR, _):
      PosternError(.storageMissing, "\(path) does not exist.", advice: "Check the path.")
    case (ELOOP, .open), (EISDIR, .open), (ENXIO, .open):
      PosternError(
        .storageKind, "\(path) is \(kind), which is not taken there.",
        advice: "Put the file or folder itself there, or name another folder.")
    case (EEXIST, _), (ENOTEMPTY, _):
      PosternError(.storageExists, "\(path) exists already.", advice: "Choose another path, or remove it first.")
    case (EACCES, _), (EPERM, _), (EROFS, _):
      PosternError(
        .storageDenied, "There is no access to \(path): \(text).", advice: "Check its owner and permissions.")
    case (EMFILE, _), (ENFILE, _), (ENOMEM, _):
      PosternError(
        .storageExhausted, "\(path) failed to \(call.rawValue): \(text).",
        advice: "The process or the machine has too many files open, or no memory: raise the limit (“ulimit -n”), or "
          + "try again when less is going on.")
    default:
      PosternError(
        .storageFailed, "\(path) failed to \(call.rawValue): \(text).",
        advice: "Check the disk and the file system.")
    }
  }

  /// What lies where something else should be.
  private var kind: String {
    switch number {
    case ELOOP: "a symbolic link or of another kind than it should be"
    case EISDIR: "a folder and no file"
    default: "neither a file nor a folder"
    }
  }

  private var text: String {
    String(cString: strerror(number))
  }
}
