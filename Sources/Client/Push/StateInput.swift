public import Core
import Dispatch
import Glibc
import Synchronization

/// Reads a state front to back, and notices when a file changes meanwhile.
///
/// Reads block, so they run on a queue of their own: a pipe without data must not hold up the tasks that send.
public final class StateInput: Sendable {
  /// Where a state is read.
  public enum Origin: Hashable, Sendable {
    /// A file.
    case file(path: String)
    /// What is piped into the process.
    case standardInput

    /// The origin that a command's argument names: `-` is standard input.
    public init(argument: String) {
      self = argument == InputFile.standardInput ? .standardInput : .file(path: argument)
    }
  }

  /// What tells a file that was written to from one that was not.
  private struct Condition: Equatable {
    let device: UInt64
    let inode: UInt64
    let byteCount: Int
    let modifiedSeconds: Int
    let modifiedNanoseconds: Int

    init(_ status: stat) {
      device = UInt64(status.st_dev)
      inode = UInt64(status.st_ino)
      byteCount = Int(status.st_size)
      modifiedSeconds = status.st_mtim.tv_sec
      modifiedNanoseconds = status.st_mtim.tv_nsec
    }
  }

  private static let pollMilliseconds: Int32 = 200

  private let name: String
  private let file: Int32
  private let ownsFile: Bool
  /// Nil for what is no regular file: a pipe has no length.
  private let condition: Condition?
  private let expectedByteCount: Int?
  private let readByteCount = Atomic(0)
  private let isCancelled = Atomic(false)
  private let queue = DispatchQueue(label: "postern.state-input")

  /// Opens a state.
  ///
  /// - Parameters:
  ///   - origin: where it is read.
  ///   - expectedByteCount: how many bytes it has to have; nil where any number will do.
  /// - Throws: `push.input` for what is neither a file nor a pipe, or cannot be read; `push.length` for a file of
  ///   another length than is expected.
  public init(_ origin: Origin, expectedByteCount: Int? = nil) throws(PosternError) {
    self.expectedByteCount = expectedByteCount
    switch origin {
    case .standardInput:
      (name, file, ownsFile) = ("standard input", STDIN_FILENO, false)
    case .file(let path):
      let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw .unreadableState(path, errno) }
      (name, file, ownsFile) = (path, descriptor, true)
    }
    var status = stat()
    guard fstat(file, &status) == 0 else { throw .unreadableState(name, errno) }
    switch status.st_mode & S_IFMT {
    case S_IFREG where ownsFile: condition = Condition(status)
    case S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR: condition = nil
    default: throw .unreadableState(name, EISDIR)
    }
    if let condition, let expectedByteCount, condition.byteCount != expectedByteCount {
      throw .unexpectedLength(name, "\(condition.byteCount)", expected: expectedByteCount)
    }
  }

  deinit {
    if ownsFile { close(file) }
  }

  /// The state's length in bytes, where it is known beforehand.
  public var byteCount: Int? { condition?.byteCount }

  /// Fills a buffer with the state's next bytes.
  ///
  /// - Parameters:
  ///   - buffer: where they go.
  ///   - offset: where in the buffer they begin.
  /// - Returns: how many there are; fewer than the buffer has room for only at the state's end.
  /// - Throws: `push.input`, `push.changed`, `push.length`.
  func read(into buffer: PieceBuffer, after offset: Int = 0) async throws -> Int {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        queue.async { continuation.resume(with: Result { try self.fill(.init(rebasing: buffer.memory[offset...])) }) }
      }
    } onCancel: {
      isCancelled.store(true, ordering: .relaxed)
    }
  }

  /// Goes back to the state's first byte, to read it once more; nobody else may be reading.
  ///
  /// - Returns: whether that is possible: not where the state came through a pipe.
  /// - Throws: `push.input`.
  func rewind() throws(PosternError) -> Bool {
    guard condition != nil else { return false }
    guard lseek(file, 0, SEEK_SET) == 0 else { throw .unreadableState(name, errno) }
    readByteCount.store(0, ordering: .relaxed)
    return true
  }

  /// Says that what was read is no state that the file ever had.
  var changed: PosternError { .stateChanged(name) }

  /// Says that what was read is the whole state: of the length that is expected, and a file as it was when it was
  /// opened.
  ///
  /// - Throws: `push.length`, `push.changed`.
  func requireWhole() throws(PosternError) {
    let byteCount = readByteCount.load(ordering: .relaxed)
    guard let condition else {
      if let expectedByteCount, byteCount != expectedByteCount {
        throw .unexpectedLength(name, "\(byteCount)", expected: expectedByteCount)
      }
      return
    }
    var status = stat()
    guard fstat(file, &status) == 0, Condition(status) == condition, byteCount == condition.byteCount else {
      throw changed
    }
  }

  private func fill(_ memory: UnsafeMutableRawBufferPointer) throws -> Int {
    var count = 0
    while count < memory.count {
      try waitUntilReadable()
      let rest = UnsafeMutableRawBufferPointer(rebasing: memory[count...])
      let readCount = Glibc.read(file, rest.baseAddress, rest.count)
      if readCount < 0 && errno == EINTR { continue }
      guard readCount >= 0 else { throw PosternError.unreadableState(name, errno) }
      guard readCount > 0 else { break }
      count += readCount
    }
    let total = readByteCount.wrappingAdd(count, ordering: .relaxed).newValue
    // A file that grows as fast as it is read would never end.
    if let condition, total > condition.byteCount { throw changed }
    // Nor need more of a pipe be sent than anybody wants.
    if let expectedByteCount, total > expectedByteCount {
      throw PosternError.unexpectedLength(name, "more than \(expectedByteCount)", expected: expectedByteCount)
    }
    return count
  }

  /// Waits for a pipe's next bytes, as long as somebody waits for them.
  private func waitUntilReadable() throws {
    guard condition == nil else { return }
    var waiting = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
    repeat {
      guard !isCancelled.load(ordering: .relaxed) else { throw CancellationError() }
    } while poll(&waiting, 1, StateInput.pollMilliseconds) == 0
  }
}
