import Core
import Glibc
import Packs

/// Reads and writes the files of a client's state, which nobody else may read.
enum StateFiles {
  /// What both `generation` and `pending` begin with: the rest of either is refused in the other's place.
  static let magic = Array("postern/state/v1".utf8)
  private static let permissions: UInt32 = 0o600
  private static let folderPermissions: UInt32 = 0o700

  /// A whole file; nil where there is none.
  ///
  /// - Throws: `storage.*`; `storage.too-long` for a file longer than the limit.
  static func read(_ path: String, byteCountLimit: Int) throws(PosternError) -> [UInt8]? {
    do throws(PosternError) {
      return try DurableFile.read(path, byteLimit: byteCountLimit)
    } catch  where error.code == .storageMissing {
      return nil
    }
  }

  /// Puts a file in place of what was there; it is on the disk when this returns, or the old one still is.
  ///
  /// - Throws: `storage.*`.
  static func replace(_ path: String, with bytes: [UInt8]) throws(PosternError) {
    do throws(PosternError) {
      try DurableFile.write(bytes, to: path, permissions: permissions, replacing: true)
    } catch let error where error.code == .storageFull {
      throw .stateFull(path)
    }
  }

  /// Takes a file away, if it is there.
  ///
  /// - Throws: `state.unwritable`.
  static func remove(_ path: String) throws(PosternError) {
    guard unlink(path) == 0 || errno == ENOENT else { throw .unremovable(path, errno) }
  }

  /// Puts a file in the place of another where that is possible, which a power failure may undo.
  static func rename(_ path: String, to place: String) {
    _ = Glibc.rename(path, place)
  }

  /// Makes a folder and those above it that are missing, for the owner alone, and writes their names to disk.
  ///
  /// - Throws: `storage.*`.
  static func makeFolder(_ path: String) throws(PosternError) {
    do throws(PosternError) {
      try DurableFile.makeFolder(path, permissions: folderPermissions)
    } catch {
      guard error.code != .storageFull else { throw PosternError.stateFull(path) }
      let parent = DurableFile.split(path).folder
      guard error.code == .storageMissing, parent != ".", parent != "/" else { throw error }
      try makeFolder(parent)
      try DurableFile.makeFolder(path, permissions: folderPermissions)
    }
  }
}
