import CLinux
import Core
import Dispatch
import Dump
import Glibc
import Packs
import Sodium

/// Takes a state as it is recovered: pieces in any order into a file, or in order to standard output or into a directory.
///
/// A file has no name until it is whole and on the disk; whatever happens before, nothing stays, not even of a process
/// that is killed. On a file system without such files it has another name, `.NAME.RANDOM.part`, which a killed process
/// leaves behind: a later recovery does not touch it, since it cannot tell it from the file of one that is under way.
struct StateOutput: ~Copyable, Sendable {
  private static let permissions: UInt32 = 0o600

  /// Writing to a pipe blocks as long as nobody reads it, which must not hold up the tasks that fetch.
  private static let queue = DispatchQueue(label: "postern.state-output")

  private let path: String
  /// Nil for a file without a name, and for standard output.
  private let temporaryPath: String?
  /// Takes pieces in any order, side by side; nil for standard output and for a directory.
  let file: DirectFile?
  /// Nil where the state's bytes are written as they are.
  private let directory: DirectoryOutput?

  /// Opens an output, of mode 0600 where it is a file.
  ///
  /// - Parameters:
  ///   - output: where the state goes.
  ///   - contentKind: what it is; a directory is unpacked unless it goes to standard output.
  ///   - byteCount: how long the state is, as its dump says: a small dump may be of a state that fills any disk.
  /// - Throws: `recover.exists`, `recover.no-room`, `storage.*`.
  static func open(
    _ output: RecoverOptions.Output, _ contentKind: Capsule.ContentKind, byteCount: Int
  ) throws(PosternError) -> StateOutput {
    switch (output, contentKind) {
    case (.standardOutput, _):
      return StateOutput(path: "", temporaryPath: nil, file: nil)
    case (.file(let path), .directory):
      let directory = try DirectoryOutput(path) { (folder) throws(PosternError) in
        try requireRoom(in: folder, for: byteCount, path)
      }
      return StateOutput(path: path, temporaryPath: nil, file: nil, directory: directory)
    case (.file(let path), .bytes):
      guard access(path, F_OK) != 0 else { throw .outputExists(path) }
      let slash = path.lastIndex(of: "/")
      let folder = slash.map { path[...$0] } ?? ""
      let name = slash.map { path[path.index(after: $0)...] } ?? path[...]
      guard !name.isEmpty else { throw .noOutputName(path) }
      try requireRoom(in: folder.isEmpty ? "." : String(folder), for: byteCount, path)
      if let file = OpenFile(unnamedIn: folder.isEmpty ? "." : String(folder), permissions: permissions) {
        return StateOutput(path: path, temporaryPath: nil, file: try DirectFile(file, byteCount: byteCount))
      }
      let temporary = "\(folder).\(name).\(randomBytes(8).hex).part"
      let file = try OpenFile(temporary, .create, permissions: permissions)
      do throws(PosternError) {
        return StateOutput(
          path: path, temporaryPath: temporary, file: try DirectFile(file, byteCount: byteCount))
      } catch {
        unlink(temporary)
        throw error
      }
    }
  }

  /// Says that a folder's file system has room for a state, as far as it tells.
  ///
  /// - Throws: `recover.no-room`.
  private static func requireRoom(in folder: String, for byteCount: Int, _ path: String) throws(PosternError) {
    var status = statvfs()
    // One that cannot be asked, or counts no blocks, is left to say so when it is full.
    guard statvfs(folder, &status) == 0, status.f_blocks > 0 else { return }
    let (free, isTooLarge) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    guard isTooLarge || free >= UInt64(byteCount) else { throw .noRoom(path, free: free, needed: byteCount) }
  }

  private init(
    path: String, temporaryPath: String?, file: DirectFile?, directory: DirectoryOutput? = nil
  ) {
    self.path = path
    self.temporaryPath = temporaryPath
    self.file = file
    self.directory = directory
  }

  deinit {
    // After a commit the temporary name is gone already.
    if let temporaryPath { unlink(temporaryPath) }
    directory?.discard()
  }

  /// Writes the state's next piece, where there is no ``file``.
  ///
  /// - Parameters:
  ///   - buffer: holds the piece, and is not written to meanwhile.
  ///   - range: where in the buffer.
  /// - Throws: `recover.output`, `storage.*`, `directory.*`.
  borrowing func writeNext(_ buffer: PieceBuffer, _ range: Range<Int>) async throws {
    let directory = directory
    try await withCheckedThrowingContinuation { continuation in
      StateOutput.queue.async {
        let bytes = UnsafeRawBufferPointer(rebasing: buffer.memory[range])
        let result = Result {
          if let directory { try directory.write(bytes) } else { try StateOutput.writeToStandardOutput(bytes) }
        }
        continuation.resume(with: result)
      }
    }
  }

  /// Gives the file or directory its name, durably; nothing is overwritten.
  ///
  /// - Throws: `recover.*`, `storage.*`, `directory.end`; nothing is left then.
  consuming func commit() throws(PosternError) {
    if let directory { return try directory.commit() }
    guard let file else { return }
    try file.syncData()
    switch temporaryPath.map({ clinux_rename_new($0, path) }) ?? file.name(path) {
    case 0: break
    case EEXIST: throw .outputExists(path)
    case let number: throw .unnameableOutput(path, number)
    }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
    do throws(PosternError) {
      try DurableFile.syncFolder(folder)
    } catch {
      unlink(path)
      throw error
    }
  }

  private static func writeToStandardOutput(_ bytes: UnsafeRawBufferPointer) throws(PosternError) {
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
}
