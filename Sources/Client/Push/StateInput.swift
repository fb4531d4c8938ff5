public import Core
import Dispatch
import Dump
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

    init(_ status: stat, byteCount: Int) {
      device = UInt64(status.st_dev)
      inode = UInt64(status.st_ino)
      self.byteCount = byteCount
      modifiedSeconds = status.st_mtim.tv_sec
      modifiedNanoseconds = status.st_mtim.tv_nsec
    }
  }

  private static let pollMilliseconds: Int32 = 200

  private let name: String
  private let file: StateDescriptor
  /// Nil for a pipe and its like, which have no length.
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
  /// - Throws: `push.input` for what is neither a file, a block device nor a pipe, or cannot be read; `push.length`
  ///   for a file of another length than is expected; `dump.too-large` for one that no dump can hold.
  public init(_ origin: Origin, expectedByteCount: Int? = nil) throws(PosternError) {
    self.expectedByteCount = expectedByteCount
    switch origin {
    case .standardInput:
      name = "standard input"
      file = StateDescriptor(STDIN_FILENO, isOwned: false)
    case .file(let path):
      let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw .unreadableState(path, errno) }
      name = path
      file = StateDescriptor(descriptor, isOwned: true)
    }
    condition = try StateInput.condition(of: file, name)
    guard let condition else { return }
    guard condition.byteCount <= DumpLimits.stateByteCount else { throw .stateTooLarge(name, condition.byteCount) }
    if let expectedByteCount, condition.byteCount != expectedByteCount {
      throw .unexpectedLength(name, "\(condition.byteCount)", expected: expectedByteCount)
    }
  }

  /// What the state is like now, where it has a length: a file, or a block device such as a snapshot of a volume.
  ///
  /// Standard input has none, whatever it is: who gave it may have read from it before.
  private static func condition(
    of file: borrowing StateDescriptor, _ name: String
  ) throws(PosternError) -> Condition? {
    var status = stat()
    guard fstat(file.number, &status) == 0 else { throw .unreadableState(name, errno) }
    switch status.st_mode & S_IFMT {
    case S_IFREG where file.isOwned: return Condition(status, byteCount: Int(status.st_size))
    case S_IFBLK where file.isOwned: return Condition(status, byteCount: try deviceByteCount(file, name))
    case S_IFREG, S_IFBLK, S_IFIFO, S_IFSOCK, S_IFCHR: return nil
    default: throw .unreadableState(name, EISDIR)
    }
  }

  /// How many bytes a block device has, which its status does not say; it is read from its first byte on afterwards.
  private static func deviceByteCount(
    _ file: borrowing StateDescriptor, _ name: String
  ) throws(PosternError) -> Int {
    let byteCount = lseek(file.number, 0, SEEK_END)
    guard byteCount >= 0, lseek(file.number, 0, SEEK_SET) == 0 else { throw .unreadableState(name, errno) }
    return byteCount
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
    guard lseek(file.number, 0, SEEK_SET) == 0 else { throw .unreadableState(name, errno) }
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
    // A device keeps its length for as long as it is open.
    guard fstat(file.number, &status) == 0, byteCount == condition.byteCount,
      status.st_mode & S_IFMT == S_IFBLK || Condition(status, byteCount: Int(status.st_size)) == condition
    else { throw changed }
  }

  private func fill(_ memory: UnsafeMutableRawBufferPointer) throws -> Int {
    var count = 0
    while count < memory.count {
      try waitUntilReadable()
      let rest = UnsafeMutableRawBufferPointer(rebasing: memory[count...])
      let readCount = Glibc.read(file.number, rest.baseAddress, rest.count)
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
    var waiting = pollfd(fd: file.number, events: Int16(POLLIN), revents: 0)
    repeat {
      guard !isCancelled.load(ordering: .relaxed) else { throw CancellationError() }
    } while poll(&waiting, 1, StateInput.pollMilliseconds) == 0
  }
}

/// A descriptor that is closed with its owner where it was opened for it.
private struct StateDescriptor: ~Copyable {
  let number: Int32
  let isOwned: Bool

  init(_ number: Int32, isOwned: Bool) {
    self.number = number
    self.isOwned = isOwned
  }

  deinit {
    if isOwned { close(number) }
  }
}
