import Core
import Dispatch
import Dump
import Glibc
import Snapshot
import Synchronization

/// Reads a state front to back, whatever it is kept in, and notices when it changes meanwhile.
///
/// Reads block, so they run on a queue of their own: a pipe without data must not hold up the tasks that send.
public final class StateInput: Sendable {
  /// Where a state is read.
  public enum Origin: Hashable, Sendable {
    /// A file, a block device, a pipe with a name; or a directory, which goes in as its archive.
    case file(path: String)
    /// An SQLite database that others may be writing to, of which a snapshot is taken.
    case database(path: String)
    /// What is piped into the process.
    case standardInput

    /// The origin that a command's argument names: `-` is standard input.
    public init(argument: String) {
      self = argument == InputFile.standardInput ? .standardInput : .file(path: argument)
    }
  }

  private static let threads = DispatchQueue(label: "postern.state-input", attributes: .concurrent)

  /// What the state's bytes are.
  let contentKind: Capsule.ContentKind
  private let name: String
  private let isDatabaseFile: Bool
  private let reader: any StateReader
  private let expectedByteCount: Int?
  private let readByteCount = Atomic(0)
  private let queue = DispatchQueue(label: "postern.state-input", target: StateInput.threads)

  /// Opens a state: looks through a directory, and takes the snapshot of a database.
  ///
  /// - Parameters:
  ///   - origin: where it is read.
  ///   - expectedByteCount: how many bytes it has to have; nil where any number will do.
  /// - Throws: `push.input` for what cannot be read; `push.entry` for a directory with something in it that no archive
  ///   of it can hold; `push.database` for the file of a database of which a part lies in another; `push.length` for a
  ///   state of another length than is expected; `dump.too-large` for one that no dump can hold; `snapshot.*`.
  public static func open(_ origin: Origin, expectedByteCount: Int? = nil) async throws -> StateInput {
    try await StateInput.run(on: threads) { try StateInput(origin, expectedByteCount) }
  }

  private init(_ origin: Origin, _ expectedByteCount: Int?) throws(PosternError) {
    self.expectedByteCount = expectedByteCount
    var contentKind = Capsule.ContentKind.bytes
    var isDatabaseFile = false
    switch origin {
    case .standardInput:
      name = "standard input"
      // Whatever it is, it has no length: who gave it may have read from it before.
      reader = PipeReader(Descriptor(STDIN_FILENO, isOwned: false), name: name)
    case .database(let path):
      name = path
      reader = try FileReader(DatabaseSnapshot.take(of: path), name: name)
    case .file(let path):
      name = path
      (reader, contentKind, isDatabaseFile) = try StateInput.reader(of: path)
    }
    self.contentKind = contentKind
    self.isDatabaseFile = isDatabaseFile
    guard let byteCount = reader.byteCount else { return }
    guard byteCount <= DumpLimits.stateByteCount else { throw .stateTooLarge(name, byteCount) }
    if let expectedByteCount, byteCount != expectedByteCount {
      throw .unexpectedLength(name, "\(byteCount)", expected: expectedByteCount)
    }
  }

  /// What reads the thing that a path leads to.
  private static func reader(
    of path: String
  ) throws(PosternError) -> (any StateReader, Capsule.ContentKind, isDatabaseFile: Bool) {
    let number = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { throw .unreadableState(path, errno) }
    let file = Descriptor(number)
    var status = stat()
    guard fstat(file.number, &status) == 0 else { throw .unreadableState(path, errno) }
    switch status.st_mode & S_IFMT {
    case S_IFREG, S_IFBLK:
      let isDatabase = status.st_mode & S_IFMT == S_IFREG && DatabaseFile.isDatabase(file)
      // Looked at before its neighbours are, so that a transaction that begins between the two is noticed as a change.
      let reader = try FileReader(file, name: path)
      if isDatabase, let part = DatabaseFile.otherPart(of: path) { throw .databaseInTwoFiles(path, part) }
      return (reader, .bytes, isDatabase)
    case S_IFDIR: return (try DirectoryReader(path), .directory, false)
    case S_IFCHR: throw .endlessState(path)
    default: return (PipeReader(file, name: path), .bytes, false)
    }
  }

  /// The state's length in bytes, where it is known beforehand.
  public var byteCount: Int? { reader.byteCount }

  /// Fills a buffer with the state's next bytes.
  ///
  /// - Parameters:
  ///   - buffer: where they go.
  ///   - offset: where in the buffer they begin.
  /// - Returns: how many there are; fewer than the buffer has room for only at the state's end.
  /// - Throws: `push.input`, `push.changed`, `push.length`.
  func read(into buffer: PieceBuffer, after offset: Int = 0) async throws -> Int {
    try await withTaskCancellationHandler {
      try await StateInput.run(on: queue) { try self.fill(.init(rebasing: buffer.memory[offset...])) }
    } onCancel: {
      reader.cancel()
    }
  }

  /// Goes back to the state's first byte, to read it once more; nobody else may be reading.
  ///
  /// - Returns: whether that is possible: not where the state came through a pipe.
  /// - Throws: `push.input`.
  func rewind() throws -> Bool {
    guard try reader.rewind() else { return false }
    readByteCount.store(0, ordering: .relaxed)
    return true
  }

  /// Says that what was read is no state that there ever was.
  var changed: PosternError { isDatabaseFile ? .databaseChanged(name) : .stateChanged(name) }

  /// Says that what was read is the whole state: of the length that is expected, and as it was when it was opened.
  ///
  /// - Throws: `push.length`, `push.changed`.
  func requireWhole() async throws {
    try await StateInput.run(on: queue) {
      // First, since of a directory it tells what changed.
      try self.requireUnchanged()
      let byteCount = self.readByteCount.load(ordering: .relaxed)
      if let known = self.reader.byteCount {
        guard byteCount == known else { throw self.changed }
      } else if let expected = self.expectedByteCount, byteCount != expected {
        throw PosternError.unexpectedLength(self.name, "\(byteCount)", expected: expected)
      }
    }
  }

  private func requireUnchanged() throws {
    do {
      try reader.requireUnchanged()
    } catch let error as PosternError where error.code == .pushChanged && isDatabaseFile {
      throw changed
    }
  }

  private func fill(_ memory: UnsafeMutableRawBufferPointer) throws -> Int {
    var count = 0
    while count < memory.count {
      let readCount = try reader.read(into: UnsafeMutableRawBufferPointer(rebasing: memory[count...]))
      guard readCount > 0 else { break }
      count += readCount
    }
    let total = readByteCount.wrappingAdd(count, ordering: .relaxed).newValue
    // A file that grows as fast as it is read would never end.
    if let byteCount = reader.byteCount, total > byteCount {
      try requireUnchanged()
      throw changed
    }
    // Nor need more of a pipe be sent than anybody wants.
    if let expectedByteCount, total > expectedByteCount {
      throw PosternError.unexpectedLength(name, "more than \(expectedByteCount)", expected: expectedByteCount)
    }
    return count
  }

  /// Runs what blocks on a queue.
  private static func run<Result: Sendable>(
    on queue: DispatchQueue, _ body: @escaping @Sendable () throws -> Result
  ) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: Swift.Result { try body() }) }
    }
  }
}
