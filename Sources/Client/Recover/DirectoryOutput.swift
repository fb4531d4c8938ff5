package import Core
import Glibc
import Packs
import Synchronization
import SystemPackage

/// Takes the archive of a directory as it is recovered, in order, and makes the directory of it.
///
/// It is filled under another name, `.NAME.RANDOM.part`, of mode 0700, and gets its own once it is whole and on the
/// disk. Unless that happens nothing stays, but for what a process leaves that dies without a chance to tidy (SIGKILL):
/// no later recovery touches that, since it cannot tell it from the directory of one that is under way.
package final class DirectoryOutput: OrderedOutput {
  private let place: OutputPlace
  private let parent: Folder
  private let writer: Mutex<DirectoryWriter>
  /// Whether the directory has its name, or is removed.
  private let isSettled = Atomic(false)

  /// Begins a directory, which does not exist, or is empty and no place where a file system is mounted.
  ///
  /// - Parameters:
  ///   - path: the directory.
  ///   - byteCount: how long its archive is.
  /// - Throws: `recover.exists`, `recover.output`, `recover.no-room`, `storage.full`.
  package init(_ path: String, byteCount: Int) throws(PosternError) {
    let place = try OutputPlace(path)
    let parent = try DirectoryOutput.writing(place.folder) { () throws(Errno) in try Folder(place.folder) }
    try DirectoryOutput.requireFree(Array(place.name.utf8), in: parent, path)
    try place.requireRoom(for: byteCount)
    let made = try DirectoryOutput.writing(path) { () throws(Errno) in
      let temporaryName = Array(place.temporaryName.utf8)
      try parent.makeFolder(temporaryName, permissions: 0o700)
      return try parent.folder(temporaryName)
    }
    self.place = place
    self.parent = parent
    writer = Mutex(DirectoryWriter(into: made, path: path))
  }

  deinit { discard() }

  /// Removes what there is of a directory that has not got its name; what is written later is refused.
  package func discard() {
    writer.withLock { writer in
      writer.close()
      if !isSettled.exchange(true, ordering: .relaxed) { parent.removeAll(Array(place.temporaryName.utf8)) }
    }
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
  /// - Throws: `directory.*`, `storage.full`, `recover.output`; the latter for what comes after the directory has its
  ///   name, or is removed.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(PosternError) {
    try writer.withLock { (writer) throws(PosternError) in
      guard !isSettled.load(ordering: .relaxed) else { throw .unwritableEntry(place.path, .canceled) }
      try writer.write(bytes)
    }
  }

  /// Completes the directory, and gives it its name, durably; nothing but an empty folder is replaced.
  ///
  /// - Throws: `directory.end`, `recover.*`, `storage.*`; nothing is left then.
  package func commit() throws(PosternError) {
    // Named in the same turn: what is being removed gets no name.
    try writer.withLock { (writer) throws(PosternError) in
      guard !isSettled.load(ordering: .relaxed) else { throw .unwritableEntry(place.path, .canceled) }
      try writer.finish()
      let isNamed = renameat(parent.descriptor, place.temporaryName, parent.descriptor, place.name) == 0
      switch isNamed ? 0 : errno {
      case 0: isSettled.store(true, ordering: .relaxed)
      case EEXIST, ENOTEMPTY, ENOTDIR: throw .outputExists(place.path)
      case let number: throw .unnameableOutput(place.path, number)
      }
    }
    do throws(PosternError) {
      try DurableFile.syncFolder(place.folder)
    } catch {
      parent.removeAll(Array(place.name.utf8))
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
