import Core
import Glibc

/// Takes a state as it is recovered, in order, and hands it to whoever reads the process's output.
struct StandardOutput: OrderedOutput {
  /// Writes the state's next bytes.
  ///
  /// - Throws: `recover.output`.
  func write(_ bytes: UnsafeRawBufferPointer) throws(PosternError) {
    var done = 0
    while done < bytes.count {
      let count = Glibc.write(STDOUT_FILENO, bytes.baseAddress.map { $0 + done }, bytes.count - done)
      if count >= 0 {
        done += count
      } else if errno != EINTR {
        throw .brokenOutput(errno)
      }
    }
  }

  /// Does nothing: what was written is the reader's.
  func commit() {}

  /// Does nothing: what was written cannot be taken back.
  func discard() {}
}
