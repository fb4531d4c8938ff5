import Core
import Glibc
import Sodium

/// The file that a snapshot is written into.
///
/// It has a name until SQLite has it open, and is read by its descriptor.
struct SnapshotFile: ~Copyable {
  private let path: String
  private let descriptor: Descriptor

  /// Makes a file that nobody else can have made, under a name that nobody can guess.
  ///
  /// - Throws: `snapshot.place`, `snapshot.no-room`.
  init(in folder: String, of database: String, permissions: mode_t) throws(PosternError) {
    path = "\(folder).postern-\(randomBytes(16).hex).snapshot"
    let number = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, permissions)
    guard number >= 0 else {
      if errno == ENOSPC || errno == EDQUOT { throw .fullDisk(beside: database) }
      throw .noPlace(database, String(cString: strerror(errno)))
    }
    descriptor = Descriptor(number)
  }

  /// Opens the file as an empty database, and takes its name away.
  func connect() throws(SQLiteFailure) -> SQLiteConnection {
    defer { unlink(path) }
    return try SQLiteConnection(path, isWritable: true)
  }

  /// How many bytes it has; nil where it still has a name, so that the name was another file's.
  var byteCount: Int? {
    var status = stat()
    guard fstat(descriptor.number, &status) == 0, status.st_nlink == 0 else { return nil }
    return Int(status.st_size)
  }

  /// The file, to be read from its first byte on.
  consuming func opened() -> Descriptor { descriptor }
}
