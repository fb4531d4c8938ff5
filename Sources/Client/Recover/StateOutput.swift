import Core
import Dispatch
import Dump

/// What takes a state as it is recovered; unless it is committed, nothing of it stays.
enum StateOutput: Sendable {
  /// Pieces in any order.
  case file(FileOutput)
  /// One piece after the other; with what has it removed where the process is ended before its time, if there is
  /// anything to remove.
  case ordered(any OrderedOutput, Leftover?)

  /// Opens an output, of mode 0600 where it is a file, and of 0700 until it is whole where it is a directory.
  ///
  /// - Parameters:
  ///   - output: where the state goes.
  ///   - contentKind: what it is; a directory is unpacked unless it goes to standard output.
  ///   - byteCount: how long the state is, as its dump says.
  /// - Throws: `recover.exists`, `recover.output`, `recover.no-room`, `storage.*`.
  static func open(
    _ output: RecoverOptions.Output, _ contentKind: Capsule.ContentKind, byteCount: Int
  ) throws(PosternError) -> StateOutput {
    switch (output, contentKind) {
    case (.standardOutput, _): return .ordered(StandardOutput(), nil)
    case (.file(let path), .directory):
      let make = { () throws(PosternError) in try DirectoryOutput(path, byteCount: byteCount) }
      let (directory, leftover) = try Leftovers.ofProcess.making(make) { $0.discard() }
      return .ordered(directory, leftover)
    case (.file(let path), .bytes): return .file(try FileOutput(path, byteCount: byteCount))
    }
  }

  /// Gives what was written its name, durably; nothing is overwritten.
  ///
  /// - Throws: `recover.*`, `storage.*`, `directory.end`; nothing is left then.
  func commit() throws(PosternError) {
    switch self {
    case .file(let output): try output.commit()
    case .ordered(let output, _): try output.commit()
    }
  }

  /// Removes what was not committed; nobody may be writing.
  ///
  /// Whoever waits for the end of a recovery calls it: the last one to let go of an output may be a thread that the end
  /// of the process does not wait for.
  func discard() {
    switch self {
    case .file(let output): output.discard()
    case .ordered(let output, _): output.discard()
    }
  }
}

/// An output that takes the state's bytes in their order.
protocol OrderedOutput: Sendable {
  /// Writes the state's next bytes; it blocks as long as nobody takes them.
  func write(_ bytes: UnsafeRawBufferPointer) throws(PosternError)

  /// Completes what was written, and gives it its name.
  func commit() throws(PosternError)

  /// Removes what was not committed; nobody may be writing.
  func discard()
}

/// Writing to a pipe blocks as long as nobody reads it, which must not hold up the tasks that fetch.
private let orderedOutputQueue = DispatchQueue(label: "postern.state-output")

extension OrderedOutput {
  /// Writes the state's next piece.
  ///
  /// - Parameters:
  ///   - buffer: holds the piece, and is not written to meanwhile.
  ///   - range: where in the buffer.
  /// - Throws: `recover.output`, `storage.*`, `directory.*`.
  func writeNext(_ buffer: PieceBuffer, _ range: Range<Int>) async throws {
    try await withCheckedThrowingContinuation { continuation in
      orderedOutputQueue.async {
        continuation.resume(with: Result { try write(UnsafeRawBufferPointer(rebasing: buffer.memory[range])) })
      }
    }
  }
}
