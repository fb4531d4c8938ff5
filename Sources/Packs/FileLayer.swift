public import Core

/// The system calls that storage makes, and nothing above them.
///
/// Production has one implementation, ``SystemFiles``. The tests have another, which fails the n-th call, so
/// that every path of recovery is taken for real.
public protocol FileLayer: Sendable {
  /// Opens a file or folder; the caller closes the descriptor.
  ///
  /// What is no regular file is no file: a pipe or a device fails with ENXIO, a folder with EISDIR.
  func open(_ path: String, _ mode: OpenMode, permissions: UInt32) throws(FileFailure) -> CInt
  /// Closes a descriptor; what close answers says nothing about durability, which sync has told before.
  func close(_ descriptor: CInt)
  /// The file's length in bytes.
  func length(_ descriptor: CInt) throws(FileFailure) -> UInt64
  /// The file's permissions: the last nine bits of its mode.
  func permissions(_ descriptor: CInt) throws(FileFailure) -> UInt32
  /// Reads up to the buffer's length; fewer bytes at the file's end.
  func read(
    _ descriptor: CInt, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) throws(FileFailure) -> Int
  /// Writes some of the bytes, and says how many.
  func write(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileFailure) -> Int
  /// The same file once more, to be written past the page cache; nil where its file system does not let it.
  ///
  /// The caller closes the descriptor.
  func reopenDirect(_ descriptor: CInt) -> CInt?
  /// Starts reading a range into the page cache without waiting; it promises nothing.
  func prefetch(_ descriptor: CInt, at offset: UInt64, count: Int)
  /// Cuts a file.
  func truncate(_ descriptor: CInt, to length: UInt64) throws(FileFailure)
  /// Starts writing a range to the disk without waiting, so that ``syncData(_:)`` finds little left to do; which tells
  /// of whatever fails.
  func startWriteback(_ descriptor: CInt, at offset: UInt64, count: Int)
  /// The room of a folder's file system; nil where it does not say.
  func room(of folder: String) -> FileSystemRoom?
  /// Makes content and length durable (fdatasync).
  func syncData(_ descriptor: CInt) throws(FileFailure)
  /// Makes a folder's names durable (fsync).
  func sync(_ descriptor: CInt) throws(FileFailure)
  /// Locks a file for this open file alone; false when somebody else holds the lock.
  func lock(_ descriptor: CInt) throws(FileFailure) -> Bool
  /// Gives a file another name, in place of what is there or only where nothing is.
  func rename(_ path: String, to other: String, replacing: Bool) throws(FileFailure)
  /// Removes a file or an empty folder.
  func remove(_ path: String) throws(FileFailure)
  /// Makes a folder; false when it is there already.
  func makeFolder(_ path: String, permissions: UInt32) throws(FileFailure) -> Bool
  /// The names in a folder, without `.` and `..`, in no order.
  func names(_ path: String) throws(FileFailure) -> [String]
}

/// What a file is opened for.
public enum OpenMode: Sendable {
  /// To read an existing file, also one that a symbolic link leads to.
  case read
  /// To read and write an existing file, and not through a link.
  case update
  /// To read and write a file that this call makes; a name that is taken is refused.
  case create
  /// To lock a file, which is made where there is none, and not through a link.
  case lock
  /// To sync an existing folder.
  case folder
  /// To see that a folder is there itself, and no link to one.
  case ownFolder

  var isOfFolder: Bool { self == .folder || self == .ownFolder }
}

/// The calls of ``FileLayer``, by the word that an error message uses.
public enum FileCall: String, Sendable, CaseIterable {
  /// open
  case open
  /// fstat
  case length = "tell its length"
  /// fstat
  case permissions = "tell its permissions"
  /// pread
  case read
  /// pwrite
  case write
  /// ftruncate
  case truncate
  /// fdatasync
  case syncData = "sync"
  /// fsync
  case sync = "sync as a folder"
  /// F_OFD_SETLK
  case lock
  /// rename, renameat2
  case rename
  /// remove
  case remove
  /// mkdir
  case makeFolder = "be made"
  /// readdir
  case names = "be listed"
}

extension FileLayer {
  /// The names in a folder; none where there is no such folder.
  ///
  /// - Throws: `storage.*`.
  func namesIfThere(_ folder: String) throws(PosternError) -> [String] {
    do throws(FileFailure) {
      return try names(folder)
    } catch {
      let error = error.error(folder)
      guard error.code == .storageMissing else { throw error }
      return []
    }
  }
}
