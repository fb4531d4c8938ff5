package import Core
import Glibc
import Packs
import Sodium
import Synchronization
import SystemPackage

/// Takes the archive of a directory as it is recovered, in order, and makes the directory of it.
///
/// It is filled under another name, `.NAME.RANDOM.part`, of mode 0700, and gets its own once it is whole and on the disk.
/// Unless that happens nothing stays, but for what a process leaves that is killed: no later recovery touches that, since
/// it cannot tell it from the directory of one that is under way.
package final class DirectoryOutput: Sendable {
  private let path: String
  private let name: [UInt8]
  private let temporaryName: [UInt8]
  private let parent: (folder: Folder, path: String)
  private let writer: Mutex<DirectoryWriter>
  /// Whether the directory has its name, or is removed.
  private let isSettled = Atomic(false)

  /// Begins a directory, which does not exist, or is empty and no place where a file system is mounted.
  ///
  /// - Parameters:
  ///   - path: the directory.
  ///   - requireRoom: looks whether the folder that it is to be in has room.
  /// - Throws: `recover.exists`, `recover.output`, `storage.full`; what `requireRoom` throws.
  package init(_ path: String, requireRoom: (String) throws(PosternError) -> Void) throws(PosternError) {
    let parts = DirectoryOutput.split(path)
    guard !parts.name.isEmpty, parts.name != [.dot], parts.name != [.dot, .dot] else { throw .noOutputName(path) }
    let temporaryName = [.dot] + parts.name + Array(".\(randomBytes(8).hex).part".utf8)
    let folder = try DirectoryOutput.writing(parts.parent) { () throws(Errno) in try Folder(parts.parent) }
    try DirectoryOutput.requireFree(parts.name, in: folder, path)
    try requireRoom(parts.parent)
    let made = try DirectoryOutput.writing(path) { () throws(Errno) in
      try folder.makeFolder(temporaryName, permissions: 0o700)
      return try folder.folder(temporaryName)
    }
    self.path = path
    name = parts.name
    self.temporaryName = temporaryName
    parent = (folder, parts.parent)
    writer = Mutex(DirectoryWriter(into: made, path: path))
  }

  deinit { discard() }

  /// Removes what there is of a directory that has not got its name; nobody may be writing.
  ///
  /// Whoever waits for the end of a recovery calls it: the last one to let go of this value may be a thread that the
  /// end of the process does not wait for.
  func discard() {
    writer.withLock { writer in
      writer.close()
      if !isSettled.exchange(true, ordering: .relaxed) { parent.folder.removeAll(temporaryName) }
    }
  }

  /// A path's last name, and the folder that it is in.
  private static func split(_ path: String) -> (parent: String, name: [UInt8]) {
    let bytes = Array(path.utf8)
    let end = bytes.lastIndex { $0 != .slash }.map { $0 + 1 } ?? 0
    guard let slash = bytes[..<end].lastIndex(of: .slash) else { return (".", Array(bytes[..<end])) }
    return (String(decoding: bytes[...slash], as: UTF8.self), Array(bytes[(slash + 1)..<end]))
  }

  /// Refuses a name that is taken by more than an empty folder.
  private static func requireFree(_ name: [UInt8], in parent: Folder, _ path: String) throws(PosternError) {
    guard let status = try? parent.status(of: name) else { return }
    guard status.st_mode & S_IFMT == S_IFDIR, let folder = try? parent.folder(name) else {
      throw .outputExists(path)
    }
    var isEmpty = true
    try writing(path) { () throws(Errno) in
      try folder.forEachName { _ in
        isEmpty = false
        return false
      }
    }
    guard isEmpty else { throw .outputNotEmpty(path) }
    let isMounted = try writing(path) { () throws(Errno) in try parent.status().st_dev != status.st_dev }
    guard !isMounted else { throw .outputIsMounted(path) }
  }

  /// Takes the archive's next bytes.
  ///
  /// - Throws: `directory.*`, `storage.full`, `recover.output`.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(PosternError) {
    try writer.withLock { (writer) throws(PosternError) in try writer.write(bytes) }
  }

  /// Completes the directory, and gives it its name, durably; nothing but an empty folder is replaced.
  ///
  /// - Throws: `directory.end`, `recover.*`, `storage.*`; nothing is left then.
  package func commit() throws(PosternError) {
    try writer.withLock { (writer) throws(PosternError) in try writer.finish() }
    let result = temporaryName.withCString { from in
      name.withCString { renameat(parent.folder.descriptor, from, parent.folder.descriptor, $0) == 0 ? 0 : errno }
    }
    switch result {
    case 0: isSettled.store(true, ordering: .relaxed)
    case EEXIST, ENOTEMPTY, ENOTDIR: throw .outputExists(path)
    case let number: throw .unnameableOutput(path, number)
    }
    do throws(PosternError) {
      try DurableFile.syncFolder(parent.path)
    } catch {
      parent.folder.removeAll(name)
      throw error
    }
  }

  private static func writing<Result>(
    _ path: String, _ body: () throws(Errno) -> Result
  ) throws(PosternError) -> Result {
    do throws(Errno) {
      return try body()
    } catch {
      throw .unwritableEntry(path, error)
    }
  }
}
