import Bulk
import Glibc

/// What tells a file or folder that was written to, or that another took the place of, from one that was not.
///
/// The time of modification can be set back, as tools do that copy or restore files; the time of change cannot. That
/// one tells of new permissions and links, too: better once too often.
struct FileCondition: Equatable {
  private let numbers: [Int]

  /// The condition that a status tells.
  init(_ status: stat) {
    numbers = [
      Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino), Int(status.st_size),
      status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
    ]
  }

  /// Adds it to a digest.
  func update(_ hash: inout SHA256) {
    numbers.withUnsafeBytes { hash.update($0) }
  }
}
