import Core
import Glibc
import Synchronization

/// Reads a state that comes as it is made, through a pipe and its like: it has no length, and is read once.
final class PipeReader: StateReader {
  private static let pollMilliseconds: Int32 = 200

  private let name: String
  private let file: Descriptor
  private let isCancelled = Atomic(false)

  /// Reads what an open pipe, socket or terminal gives.
  init(_ file: consuming Descriptor, name: String) {
    self.name = name
    self.file = file
  }

  var byteCount: Int? { nil }

  func read(into memory: UnsafeMutableRawBufferPointer) throws -> Int {
    while true {
      try waitUntilReadable()
      let count = Glibc.read(file.number, memory.baseAddress, memory.count)
      if count >= 0 { return count }
      guard errno == EINTR else { throw PosternError.unreadableState(name, errno) }
    }
  }

  /// Waits for the next bytes, as long as somebody waits for them.
  private func waitUntilReadable() throws {
    var waiting = pollfd(fd: file.number, events: Int16(POLLIN), revents: 0)
    repeat {
      guard !isCancelled.load(ordering: .relaxed) else { throw CancellationError() }
    } while poll(&waiting, 1, PipeReader.pollMilliseconds) == 0
  }

  func rewind() -> Bool { false }

  func requireUnchanged() {}

  func cancel() { isCancelled.store(true, ordering: .relaxed) }
}
