import Glibc

/// How large a file system is, and how much of it is left for this process.
public struct FileSystemRoom: Sendable {
  /// All of it, in bytes.
  public let byteCount: UInt64
  /// What is left, in bytes.
  public let freeByteCount: UInt64

  /// Some room.
  public init(byteCount: UInt64, freeByteCount: UInt64) {
    self.byteCount = byteCount
    self.freeByteCount = freeByteCount
  }

  /// The room of a folder's file system; nil where it cannot be asked, or counts no blocks: such a one is left to say
  /// so when it is full.
  public init?(ofFolder folder: String) {
    var status = statvfs()
    guard statvfs(folder, &status) == 0, status.f_blocks > 0 else { return nil }
    byteCount = UInt64(status.f_blocks).multipliedClamped(by: UInt64(status.f_frsize))
    freeByteCount = UInt64(status.f_bavail).multipliedClamped(by: UInt64(status.f_frsize))
  }
}

extension UInt64 {
  fileprivate func multipliedClamped(by other: UInt64) -> UInt64 {
    let (product, isTooLarge) = multipliedReportingOverflow(by: other)
    return isTooLarge ? .max : product
  }
}
