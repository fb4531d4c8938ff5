import Core
import Packs
import Sodium

/// Where a recovery makes a file or a directory: in which folder, and under which name until it is whole.
struct OutputPlace: Sendable {
  /// The path, as it was given.
  let path: String
  /// The folder that it is to be in; `.` where the path names none.
  let folder: String
  /// Its name there.
  let name: String
  /// A name beside it that no other recovery has.
  let temporaryName: String

  /// A place that a path names.
  ///
  /// - Throws: `recover.output` where the path ends in no name of its own.
  init(_ path: String) throws(PosternError) {
    (folder, name) = DurableFile.split(path)
    guard !name.isEmpty, name != ".", name != ".." else { throw .noOutputName(path) }
    self.path = path
    temporaryName = ".\(name).\(randomBytes(8).hex).part"
  }

  /// Says that the folder's file system has room for a state, as far as it tells: a small dump may be of a state that
  /// fills any disk.
  ///
  /// - Throws: `recover.no-room`.
  func requireRoom(for byteCount: Int) throws(PosternError) {
    guard let free = FileSystemRoom(ofFolder: folder)?.freeByteCount, free < UInt64(byteCount) else { return }
    throw .noRoom(path, free: free, needed: byteCount)
  }
}
