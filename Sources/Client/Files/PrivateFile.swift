public import Core
import Glibc
import Packs

/// Writes files that nobody else may read, and that nothing overwrites: keys, and what goes with them.
public enum PrivateFile {
  /// Owner may read and write, nobody else anything.
  static let permissions: UInt32 = 0o600

  /// Makes a folder that nobody else may enter; one that is there already is taken as it is.
  ///
  /// - Parameter path: the folder; its parent has to be there.
  /// - Throws: `storage.exists` where something lies there that is no folder, `storage.missing`, `storage.*`.
  public static func makeFolder(_ path: String) throws(PosternError) {
    try OutputFile.requireFolder(of: path)
    try DurableFile.makeFolder(path, permissions: 0o700)
    guard access("\(path)/.", F_OK) == 0 else {
      throw PosternError(
        .storageExists, "“\(path)” is there already, and is no folder that can be used.",
        advice: "Choose another name for the folder.")
    }
  }

  /// Writes a new file of mode 0600 that is on the disk when this returns, or leaves none.
  ///
  /// - Parameters:
  ///   - bytes: what stands in it.
  ///   - path: where; nothing may be there yet, since the key that lies there could be the only copy.
  /// - Throws: `storage.exists`, or why it cannot be written: `storage.*`.
  public static func write(_ bytes: [UInt8], to path: String) throws(PosternError) {
    try OutputFile.requireFolder(of: path)
    do throws(PosternError) {
      try DurableFile.write(bytes, to: path, permissions: permissions, replacing: false)
    } catch  where error.code == .storageExists {
      throw PosternError(
        error.code, error.message, advice: "Choose another name: what lies there could be the only copy of a key.")
    } catch let error where error.code == .storageFull {
      throw .fullDisk(path)
    }
  }
}
