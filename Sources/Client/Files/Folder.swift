import CLinux
import Core
import Glibc
import SystemPackage

/// An open folder, closed when nobody has it any more: what a directory is read and written through.
///
/// Every call names one entry of this very folder and follows no link, so that nobody who moves folders or puts links
/// in their place meanwhile leads a push or a recovery elsewhere.
final class Folder: Sendable {
  private let opened: Descriptor
  /// Good for as long as somebody has the folder.
  var descriptor: CInt { opened.number }

  private init(_ opened: consuming Descriptor) {
    self.opened = opened
  }

  /// Opens a folder by its path, which may lead through links.
  convenience init(_ path: String) throws(Errno) {
    let number = try Folder.call { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    self.init(Descriptor(number))
  }

  /// What the folder itself is like.
  func status() throws(Errno) -> stat {
    var status = stat()
    _ = try Folder.call { fstat(descriptor, &status) }
    return status
  }

  /// What an entry is like.
  func status(of name: [UInt8]) throws(Errno) -> stat {
    var status = stat()
    _ = try name.withCString { (name) throws(Errno) in
      try Folder.call { fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) }
    }
    return status
  }

  /// Opens a folder in this one.
  func folder(_ name: [UInt8]) throws(Errno) -> Folder {
    Folder(try open(name, O_RDONLY | O_DIRECTORY))
  }

  /// Opens an entry, and never through a link; what is no file does not make the call wait.
  func open(_ name: [UInt8], _ flags: CInt, permissions: mode_t = 0) throws(Errno) -> Descriptor {
    let number = try name.withCString { (name) throws(Errno) in
      try Folder.call {
        openat(descriptor, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, permissions)
      }
    }
    return Descriptor(number)
  }

  /// Makes a folder in this one.
  func makeFolder(_ name: [UInt8], permissions: mode_t) throws(Errno) {
    _ = try name.withCString { (name) throws(Errno) in
      try Folder.call { mkdirat(descriptor, name, permissions) }
    }
  }

  /// Makes a symbolic link in this folder.
  func makeLink(_ name: [UInt8], to target: [UInt8]) throws(Errno) {
    _ = try name.withCString { (name) throws(Errno) in
      try target.withCString { (target) throws(Errno) in
        try Folder.call { symlinkat(target, descriptor, name) }
      }
    }
  }

  /// What a symbolic link says; nil where it is longer than any path.
  func target(of name: [UInt8], byteCountLimit: Int) throws(Errno) -> [UInt8]? {
    var target = [CChar](repeating: 0, count: byteCountLimit + 1)
    let count = try name.withCString { (name) throws(Errno) in
      try Folder.call { readlinkat(descriptor, name, &target, target.count) }
    }
    return count <= byteCountLimit ? target[..<count].map { UInt8(bitPattern: $0) } : nil
  }

  /// Sets the folder's own permissions.
  func setPermissions(_ permissions: mode_t) throws(Errno) {
    _ = try Folder.call { fchmod(descriptor, permissions) }
  }

  /// Makes everything durable that the folder's file system was given.
  func syncFileSystem() throws(Errno) {
    let number = clinux_sync_file_system(descriptor)
    guard number == 0 else { throw Errno(rawValue: number) }
  }

  /// Tells the names in the folder one after the other, without `.` and `..`, until `body` returns false.
  func forEachName(_ body: (UnsafeRawBufferPointer) -> Bool) throws(Errno) {
    // Another open file description would need the right to search the folder.
    let copy = try Folder.call { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }
    guard let stream = fdopendir(copy) else {
      let failure = Errno(rawValue: errno)
      close(copy)
      throw failure
    }
    defer { closedir(stream) }
    rewinddir(stream)
    errno = 0
    while let entry = readdir(stream) {
      let goesOn = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        let name = UnsafeRawBufferPointer(rebasing: bytes.prefix { $0 != 0 })
        let isOwn = name.elementsEqual([.dot]) || name.elementsEqual([.dot, .dot])
        return isOwn || body(name)
      }
      guard goesOn else { return }
      errno = 0
    }
    guard errno == 0 else { throw Errno(rawValue: errno) }
  }

  /// Removes an entry with everything in it, whatever its permissions are.
  ///
  /// - Returns: whether it is gone.
  @discardableResult
  func removeAll(_ name: [UInt8]) -> Bool {
    if name.withCString({ unlinkat(descriptor, $0, 0) }) == 0 { return true }
    guard let folder = folderToRemove(name) else { return false }
    var goesOn = true
    while goesOn {
      // Some at a time: a folder may hold more names than memory.
      var names: [[UInt8]] = []
      try? folder.forEachName { name in
        names.append(Array(name))
        return names.count < Folder.removalCount
      }
      goesOn = names.reduce(false) { folder.removeAll($1) || $0 }
    }
    return name.withCString { unlinkat(descriptor, $0, AT_REMOVEDIR) } == 0
  }

  private static let removalCount = 1_000

  /// Opens a folder and gives its owner access, which it may not have.
  private func folderToRemove(_ name: [UInt8]) -> Folder? {
    if let folder = try? folder(name) {
      try? folder.setPermissions(0o700)
      return folder
    }
    _ = name.withCString { fchmodat(descriptor, $0, 0o700, 0) }
    return try? folder(name)
  }

  /// Repeats a call that a signal broke off, and turns -1 into the error.
  private static func call<Value: SignedInteger>(_ body: () -> Value) throws(Errno) -> Value {
    while true {
      let value = body()
      if value >= 0 { return value }
      guard errno == EINTR else { throw Errno(rawValue: errno) }
    }
  }
}

extension [UInt8] {
  /// Calls `body` with the bytes as C has them; they hold no zero.
  func withCString<Result, Failure: Error>(
    _ body: (UnsafePointer<CChar>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try (self + [0]).withUnsafeBufferPointer { (bytes) throws(Failure) in
      guard let base = bytes.baseAddress else { preconditionFailure("the zero is there") }
      return try body(UnsafeRawPointer(base).assumingMemoryBound(to: CChar.self))
    }
  }
}

extension UInt8 {
  static let dot = UInt8(ascii: ".")
  static let slash = UInt8(ascii: "/")
}
