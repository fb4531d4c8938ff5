import Bulk
import Glibc

/// What tells a file or folder that was written to, or that another took the place of, from one that was not.
///
/// The time of modification can be set back, as tools do that copy or restore files; the time of change cannot. That
/// one tells of links and permissions, too, which say nothing of a content.
struct FileCondition {
  private let content: [Int]
  private let changeTime: [Int]
  /// What sets the time of change without a byte being written: links to it, permissions, owner, and group.
  private let attributes: [Int]

  /// The condition that a status tells.
  init(_ status: stat) {
    content = [
      Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino), Int(status.st_size),
      status.st_mtim.tv_sec, status.st_mtim.tv_nsec,
    ]
    changeTime = [status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
    attributes = [
      Int(truncatingIfNeeded: status.st_nlink), Int(status.st_mode), Int(status.st_uid), Int(status.st_gid),
    ]
  }

  /// Whether the content is what it was earlier.
  ///
  /// A later time of change counts only where nothing else accounts for it: whoever replaces a file in one step takes a
  /// link from the one that is being read, and writes nothing to it.
  func hasSameContent(as earlier: FileCondition) -> Bool {
    content == earlier.content && (changeTime == earlier.changeTime || attributes != earlier.attributes)
  }

  /// Whether it was changed later than another file or folder was.
  func isChangedLater(than other: FileCondition) -> Bool {
    other.changeTime.lexicographicallyPrecedes(changeTime)
  }

  /// Adds it to a digest, by which any change counts: better once too often.
  func update(_ hash: inout SHA256) {
    for numbers in [content, changeTime] { numbers.withUnsafeBytes { hash.update($0) } }
  }
}
