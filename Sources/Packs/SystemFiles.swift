internal import CLinux
public import Core
import Glibc

/// The kernel's file system.
public struct SystemFiles: FileLayer {
  /// Makes a value; it has no state.
  public init() {}

  /// open(2), closed on exec; never waits, whatever lies there.
  public func open(_ path: String, _ mode: OpenMode, permissions: UInt32) throws(FileFailure) -> CInt {
    let flags =
      switch mode {
      case .read: O_RDONLY
      case .update: O_RDWR | O_NOFOLLOW
      case .create: O_RDWR | O_CREAT | O_EXCL
      case .lock: O_RDWR | O_CREAT | O_NOFOLLOW
      case .folder: O_RDONLY | O_DIRECTORY
      case .ownFolder: O_RDONLY | O_DIRECTORY | O_NOFOLLOW
      }
    let descriptor: CInt
    do throws(FileFailure) {
      descriptor = try retry(.open) { Glibc.open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, permissions) }
    } catch {
      // Of a link that is not followed the kernel says that it is no folder.
      throw mode == .ownFolder && error.number == ENOTDIR ? FileFailure(.open, number: ELOOP) : error
    }
    if !mode.isOfFolder { try requireFile(descriptor) }
    return descriptor
  }

  /// Closes what is no regular file: reading a pipe could wait for ever, and a device never end.
  private func requireFile(_ descriptor: CInt) throws(FileFailure) {
    var status = stat()
    let isKnown = fstat(descriptor, &status) == 0
    guard isKnown, status.st_mode & S_IFMT == S_IFREG else {
      let number = isKnown ? (status.st_mode & S_IFMT == S_IFDIR ? EISDIR : ENXIO) : errno
      close(descriptor)
      throw FileFailure(.open, number: number)
    }
  }

  /// close(2).
  public func close(_ descriptor: CInt) {
    _ = Glibc.close(descriptor)
  }

  /// fstat(2).
  public func length(_ descriptor: CInt) throws(FileFailure) -> UInt64 {
    var status = stat()
    _ = try retry(.length) { fstat(descriptor, &status) }
    return UInt64(status.st_size)
  }

  /// fstat(2).
  public func permissions(_ descriptor: CInt) throws(FileFailure) -> UInt32 {
    var status = stat()
    _ = try retry(.permissions) { fstat(descriptor, &status) }
    return UInt32(status.st_mode) & 0o777
  }

  /// pread(2).
  public func read(
    _ descriptor: CInt, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) throws(FileFailure) -> Int {
    try retry(.read) { pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset)) }
  }

  /// pwrite(2).
  public func write(
    _ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, at offset: UInt64
  ) throws(FileFailure) -> Int {
    try retry(.write) { pwrite(descriptor, bytes.baseAddress, bytes.count, off_t(offset)) }
  }

  /// open(2) with O_DIRECT.
  public func reopenDirect(_ descriptor: CInt) -> CInt? {
    let direct = clinux_reopen_direct(descriptor)
    return direct >= 0 ? direct : nil
  }

  /// posix_fadvise(2).
  public func prefetch(_ descriptor: CInt, at offset: UInt64, count: Int) {
    _ = posix_fadvise(descriptor, off_t(offset), off_t(count), POSIX_FADV_WILLNEED)
  }

  /// ftruncate(2).
  public func truncate(_ descriptor: CInt, to length: UInt64) throws(FileFailure) {
    _ = try retry(.truncate) { ftruncate(descriptor, off_t(length)) }
  }

  /// sync_file_range(2).
  public func startWriteback(_ descriptor: CInt, at offset: UInt64, count: Int) {
    clinux_start_writeback(descriptor, Int64(offset), Int64(count))
  }

  /// statvfs(3).
  public func room(of folder: String) -> FileSystemRoom? { FileSystemRoom(ofFolder: folder) }

  /// fdatasync(2).
  public func syncData(_ descriptor: CInt) throws(FileFailure) {
    _ = try retry(.syncData) { fdatasync(descriptor) }
  }

  /// fsync(2).
  public func sync(_ descriptor: CInt) throws(FileFailure) {
    _ = try retry(.sync) { fsync(descriptor) }
  }

  /// An exclusive lock of the open file description (F_OFD_SETLK).
  public func lock(_ descriptor: CInt) throws(FileFailure) -> Bool {
    let number = clinux_lock(descriptor)
    if number == EAGAIN || number == EACCES { return false }
    guard number == 0 else { throw FileFailure(.lock, number: number) }
    return true
  }

  /// rename(2), or renameat2(2) where nothing may be replaced.
  public func rename(_ path: String, to other: String, replacing: Bool) throws(FileFailure) {
    let number = replacing ? (Glibc.rename(path, other) == 0 ? 0 : errno) : clinux_rename_new(path, other)
    guard number == 0 else { throw FileFailure(.rename, number: number) }
  }

  /// remove(3): unlink(2), or rmdir(2) for a folder.
  public func remove(_ path: String) throws(FileFailure) {
    _ = try retry(.remove) { Glibc.remove(path) }
  }

  /// mkdir(2).
  public func makeFolder(_ path: String, permissions: UInt32) throws(FileFailure) -> Bool {
    guard mkdir(path, permissions) != 0 else { return true }
    guard errno == EEXIST else { throw FileFailure(.makeFolder, number: errno) }
    return false
  }

  /// readdir(3).
  public func names(_ path: String) throws(FileFailure) -> [String] {
    guard let folder = opendir(path) else { throw FileFailure(.names, number: errno) }
    defer { closedir(folder) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    guard errno == 0 else { throw FileFailure(.names, number: errno) }
    return names
  }

  /// Repeats a call that a signal broke off, and turns -1 into a failure.
  private func retry<Value: SignedInteger>(
    _ call: FileCall, _ body: () -> Value
  ) throws(FileFailure) -> Value {
    while true {
      let value = body()
      if value >= 0 { return value }
      guard errno == EINTR else { throw FileFailure(call, number: errno) }
    }
  }
}
