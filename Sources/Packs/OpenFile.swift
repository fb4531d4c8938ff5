internal import CLinux
public import Core
import Glibc

/// An open file or folder, closed when the value goes away.
public struct OpenFile: ~Copyable, Sendable {
  /// Where it was opened; error messages name it.
  public let path: String
  private let files: any FileLayer
  private let descriptor: CInt

  /// Opens a file or folder.
  ///
  /// - Parameters:
  ///   - path: the path.
  ///   - mode: what it is opened for.
  ///   - permissions: those of a file that the call makes.
  ///   - files: the file system.
  /// - Throws: `storage.missing`, `storage.exists`, `storage.kind` for what is no regular file or folder,
  ///   `storage.denied`, `storage.full`, `storage.failed`.
  public init(
    _ path: String, _ mode: OpenMode, permissions: UInt32 = 0o644, files: any FileLayer = SystemFiles()
  ) throws(PosternError) {
    do throws(FileFailure) {
      descriptor = try files.open(path, mode, permissions: permissions)
    } catch {
      throw error.error(path)
    }
    self.path = path
    self.files = files
  }

  /// Opens a file without a name, which is gone with the value or the process unless ``name(_:)`` names it.
  ///
  /// - Parameters:
  ///   - folder: where it can get a name later.
  ///   - permissions: the file's.
  ///   - intended: the name that it is to get, for error messages.
  /// - Returns: nil where the file system has no such files.
  public init?(unnamedIn folder: String, permissions: UInt32, for intended: String) {
    let descriptor = clinux_open_unnamed(folder, permissions)
    guard descriptor >= 0 else { return nil }
    // A name is given through /proc, which a container may lack.
    guard access("/proc/self/fd/\(descriptor)", F_OK) == 0 else {
      Glibc.close(descriptor)
      return nil
    }
    self.descriptor = descriptor
    path = intended
    files = SystemFiles()
  }

  /// The same file once more, to be written past the page cache; nil where its file system does not let it.
  borrowing func reopenedDirect() -> OpenFile? {
    files.reopenDirect(descriptor).map { OpenFile(path: path, files: files, descriptor: $0) }
  }

  private init(path: String, files: any FileLayer, descriptor: CInt) {
    self.path = path
    self.files = files
    self.descriptor = descriptor
  }

  deinit { files.close(descriptor) }

  /// Gives a file that was opened without a name its name; the folder has to be synced afterwards.
  ///
  /// - Returns: 0, or the error number: EEXIST when the name is taken.
  public borrowing func name(_ path: String) -> CInt {
    clinux_name(descriptor, path)
  }

  /// Whether the file's owner alone may read and write it.
  ///
  /// - Throws: `storage.failed`.
  public borrowing func isPrivate() throws(PosternError) -> Bool {
    do throws(FileFailure) {
      return try files.permissions(descriptor) & 0o077 == 0
    } catch {
      throw error.error(path)
    }
  }

  /// How many bytes the file has.
  ///
  /// - Throws: `storage.failed`.
  public borrowing func length() throws(PosternError) -> UInt64 {
    try naming { () throws(FileFailure) in try files.length(descriptor) }
  }

  /// How many bytes at its beginning the file has on the disk: what lies in a hole is zeros that cost nobody anything.
  ///
  /// Where the file system cannot tell, all of the file.
  borrowing func storedByteCount() throws(PosternError) -> UInt64 {
    let hole = clinux_first_hole(descriptor)
    return hole >= 0 ? UInt64(hole) : try length()
  }

  /// Whether the file has one name: under a second one it is somebody else's, too, and not to be changed in place.
  var hasOneName: Bool {
    var status = stat()
    return fstat(descriptor, &status) == 0 && status.st_nlink == 1
  }

  /// Fills the buffer with the bytes at `offset`.
  ///
  /// - Returns: false when the file ends before the buffer is full.
  /// - Throws: `storage.failed`.
  public borrowing func read(
    into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) throws(PosternError) -> Bool {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let count = try naming { () throws(FileFailure) in
        try files.read(descriptor, into: rest, at: offset + UInt64(done))
      }
      if count == 0 { return false }
      done += count
    }
    return true
  }

  /// The bytes of a range; nil when the file ends before it does.
  ///
  /// - Parameters:
  ///   - offset: the first byte.
  ///   - count: how many, which the caller has bounded.
  /// - Throws: `storage.failed`.
  public borrowing func read(at offset: UInt64, count: Int) throws(PosternError) -> [UInt8]? {
    var whole = true
    var failure: PosternError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      do throws(PosternError) {
        whole = try read(into: UnsafeMutableRawBufferPointer(buffer), at: offset)
        initialized = whole ? count : 0
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return whole ? bytes : nil
  }

  /// Writes all bytes at `offset`: into the page cache, not yet durable.
  ///
  /// - Throws: `storage.full`, `storage.failed`.
  public borrowing func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(PosternError) {
    try naming { () throws(FileFailure) in try writeAll(bytes, at: offset) }
  }

  /// Writes all bytes at `offset` to a file that ``reopenedDirect()`` gave.
  ///
  /// - Returns: false where the file system refuses such a write; some of the bytes may be written then.
  /// - Throws: `storage.full`, `storage.failed`.
  borrowing func writeDirect(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(PosternError) -> Bool {
    do throws(FileFailure) {
      try writeAll(bytes, at: offset)
      return true
    } catch {
      guard error.number == EINVAL else { throw error.error(path) }
      return false
    }
  }

  private borrowing func writeAll(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileFailure) {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      done += try files.write(descriptor, rest, at: offset + UInt64(done))
    }
  }

  /// Starts reading a range without waiting, so that the read to come finds it in memory.
  borrowing func prefetch(at offset: UInt64, count: Int) { files.prefetch(descriptor, at: offset, count: count) }

  /// Cuts the file; durable with the next sync.
  ///
  /// - Throws: `storage.failed`.
  public borrowing func truncate(to length: UInt64) throws(PosternError) {
    try naming { () throws(FileFailure) in try files.truncate(descriptor, to: length) }
  }

  /// Starts writing a range to the disk without waiting: nothing is durable by that, but the sync to come is short.
  borrowing func startWriteback(at offset: UInt64, count: Int) {
    files.startWriteback(descriptor, at: offset, count: count)
  }

  /// Makes the file's content and length durable; its name is durable once its folder is synced.
  ///
  /// - Throws: `storage.sync-failed`: what was written is lost or not, nobody can tell, and the process has
  ///   to end; `storage.full` on file systems that find space only now.
  public borrowing func syncData() throws(PosternError) {
    try naming { () throws(FileFailure) in try files.syncData(descriptor) }
  }

  /// Makes the names in a folder durable.
  ///
  /// - Throws: `storage.sync-failed`.
  public borrowing func syncFolder() throws(PosternError) {
    try naming { () throws(FileFailure) in try files.sync(descriptor) }
  }

  /// Takes the file's lock without waiting; it ends with the value, or with the process.
  ///
  /// - Returns: false when another open file, of this process or another, holds it.
  /// - Throws: `storage.failed` where the file system has no locks.
  public borrowing func lock() throws(PosternError) -> Bool {
    try naming { () throws(FileFailure) in try files.lock(descriptor) }
  }

  private borrowing func naming<Value>(
    _ body: () throws(FileFailure) -> Value
  ) throws(PosternError) -> Value {
    do throws(FileFailure) {
      return try body()
    } catch {
      throw error.error(path)
    }
  }
}
