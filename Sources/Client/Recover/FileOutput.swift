import CLinux
import Core
import Glibc
import Packs

/// Takes a state as it is recovered, in pieces of any order, into a new file of mode 0600.
///
/// The file has no name until it is whole and on the disk; whatever happens before, nothing stays, not even of a
/// process that is killed. On a file system without such files it has another name, `.NAME.RANDOM.part`, which a
/// process that dies without a chance to tidy (SIGKILL) leaves behind: a later recovery does not touch it, since it
/// cannot tell it from the file of one that is under way.
final class FileOutput: Sendable {
  private static let permissions: UInt32 = 0o600

  private let place: OutputPlace
  /// Nil for a file without a name.
  private let temporaryPath: String?
  /// Nil for a file without a name.
  private let leftover: Leftover?
  /// What takes the pieces, side by side.
  let file: DirectFile

  /// Begins a file, which does not exist.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - byteCount: how long the state is.
  /// - Throws: `recover.exists`, `recover.output`, `recover.no-room`, `storage.*`.
  init(_ path: String, byteCount: Int) throws(PosternError) {
    guard access(path, F_OK) != 0 else { throw .outputExists(path) }
    // A name with a slash behind it is a directory's.
    guard path.utf8.last != .slash else { throw .noOutputName(path) }
    place = try OutputPlace(path)
    try place.requireRoom(for: byteCount)
    if let unnamed = OpenFile(unnamedIn: place.folder, permissions: FileOutput.permissions, for: path) {
      (temporaryPath, leftover) = (nil, nil)
      file = try DirectFile(unnamed, byteCount: byteCount)
      return
    }
    let temporaryPath = "\(place.folder)/\(place.temporaryName)"
    let make = { () throws(PosternError) -> DirectFile in
      do throws(PosternError) {
        let named = try OpenFile(temporaryPath, .create, permissions: FileOutput.permissions)
        return try DirectFile(named, byteCount: byteCount)
      } catch let error where error.code == .storageDenied {
        throw .deniedOutput(path)
      } catch {
        unlink(temporaryPath)
        throw error
      }
    }
    (file, leftover) = try Leftovers.ofProcess.making(make) { _ in unlink(temporaryPath) }
    self.temporaryPath = temporaryPath
  }

  deinit { discard() }

  /// Removes what there is of a file that has not got its name.
  func discard() {
    // Once it has, the temporary name is gone.
    if let temporaryPath { unlink(temporaryPath) }
  }

  /// Gives the file its name, durably; nothing is overwritten.
  ///
  /// - Throws: `recover.exists`, `recover.output`, `storage.*`; nothing is left then.
  func commit() throws(PosternError) {
    try file.syncData()
    switch temporaryPath.map({ clinux_rename_new($0, place.path) }) ?? file.name(place.path) {
    case 0: break
    case EEXIST: throw .outputExists(place.path)
    case let number: throw .unnameableOutput(place.path, number)
    }
    do throws(PosternError) {
      try DurableFile.syncFolder(place.folder)
    } catch {
      unlink(place.path)
      throw error
    }
  }
}
