import Core
import Glibc

/// Reads a state from an open file, or from a block device such as a snapshot of a volume.
final class FileReader: StateReader {
  private let name: String
  private let file: Descriptor
  let byteCount: Int?
  private let condition: FileCondition

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
    case S_IFREG: byteCount = Int(status.st_size)
    case S_IFBLK: byteCount = try FileReader.deviceByteCount(file, name)
    default: throw .unreadableState(name, EINVAL)
    }
    condition = FileCondition(status)
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
      status.st_mode & S_IFMT == S_IFBLK || FileCondition(status).hasSameContent(as: condition)
    else { throw .stateChanged(name) }
  }

  func cancel() {}
}
