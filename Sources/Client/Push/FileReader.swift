import Core
import Glibc

/// Reads a state from an open file, or from a block device such as a snapshot of a volume.
final class FileReader: StateReader {
  /// What tells a file that was written to from one that was not.
  private struct Condition: Equatable {
    let device: UInt64
    let inode: UInt64
    let byteCount: Int
    let modifiedSeconds: Int
    let modifiedNanoseconds: Int

    init(_ status: stat, byteCount: Int) {
      device = UInt64(status.st_dev)
      inode = UInt64(status.st_ino)
      self.byteCount = byteCount
      modifiedSeconds = status.st_mtim.tv_sec
      modifiedNanoseconds = status.st_mtim.tv_nsec
    }
  }

  private let name: String
  private let file: Descriptor
  private let condition: Condition

  /// Reads an open file from its first byte on.
  ///
  /// - Parameters:
  ///   - file: the file.
  ///   - name: what messages call it.
  /// - Throws: `push.input` for what has no length, or whose length cannot be known.
  init(_ file: consuming Descriptor, name: String) throws(PosternError) {
    var status = stat()
    guard fstat(file.number, &status) == 0 else { throw .unreadableState(name, errno) }
    switch status.st_mode & S_IFMT {
    case S_IFREG: condition = Condition(status, byteCount: Int(status.st_size))
    case S_IFBLK: condition = Condition(status, byteCount: try FileReader.deviceByteCount(file, name))
    default: throw .unreadableState(name, EINVAL)
    }
    self.name = name
    self.file = file
  }

  /// How many bytes a block device has, which its status does not say; it is read from its first byte on afterwards.
  private static func deviceByteCount(
    _ file: borrowing Descriptor, _ name: String
  ) throws(PosternError) -> Int {
    let byteCount = lseek(file.number, 0, SEEK_END)
    guard byteCount >= 0, lseek(file.number, 0, SEEK_SET) == 0 else { throw .unreadableState(name, errno) }
    return byteCount
  }

  var byteCount: Int? { condition.byteCount }

  func read(into memory: UnsafeMutableRawBufferPointer) throws(PosternError) -> Int {
    while true {
      let count = Glibc.read(file.number, memory.baseAddress, memory.count)
      if count >= 0 { return count }
      guard errno == EINTR else { throw .unreadableState(name, errno) }
    }
  }

  func rewind() throws(PosternError) -> Bool {
    guard lseek(file.number, 0, SEEK_SET) == 0 else { throw .unreadableState(name, errno) }
    return true
  }

  func requireUnchanged() throws(PosternError) {
    var status = stat()
    // A device keeps its length for as long as it is open.
    guard fstat(file.number, &status) == 0,
      status.st_mode & S_IFMT == S_IFBLK || Condition(status, byteCount: Int(status.st_size)) == condition
    else { throw .stateChanged(name) }
  }

  func cancel() {}
}
