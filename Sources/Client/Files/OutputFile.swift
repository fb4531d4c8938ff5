public import Core
import Glibc
import Packs

/// Writes files that anyone may read: charters, requests, receipts.
public enum OutputFile {
  /// Writes a file that is on the disk when this returns, or leaves what was there.
  ///
  /// - Parameters:
  ///   - bytes: what stands in it.
  ///   - path: where.
  ///   - replacing: whether a file of that name may be replaced.
  /// - Throws: `storage.exists`, or why it cannot be written: `storage.*`.
  public static func write(_ bytes: [UInt8], to path: String, replacing: Bool = false) throws(PosternError) {
    try requireFolder(of: path)
    do throws(PosternError) {
      try DurableFile.write(bytes, to: path, replacing: replacing)
    } catch let error where error.code == .storageFull {
      throw .fullDisk(path, isKept: replacing)
    }
  }

  /// Refuses a name in a folder that is not there, before anything is done that would be lost.
  ///
  /// - Throws: `storage.missing`, naming the folder.
  public static func requireFolder(of path: String) throws(PosternError) {
    let folder = DurableFile.split(path).folder
    // “NAME/.” leads to a folder and to nothing else.
    guard access("\(folder)/.", F_OK) == 0 || ![ENOENT, ENOTDIR].contains(errno) else {
      throw PosternError(
        .storageMissing, "There is no folder “\(folder)” to put “\(path)” into.",
        advice: "Make the folder first, or choose another place.")
    }
  }
}
