public import Core
import Packs

/// Writes files that nobody else may read, and that nothing overwrites: keys, and what goes with them.
public enum PrivateFile {
  /// Owner may read and write, nobody else anything.
  static let permissions: UInt32 = 0o600

  /// Writes a new file of mode 0600 that is on the disk when this returns, or leaves none.
  ///
  /// - Parameters:
  ///   - bytes: what stands in it.
  ///   - path: where; nothing may be there yet, since the key that lies there could be the only copy.
  /// - Throws: `storage.exists`, or why it cannot be written: `storage.*`.
  public static func write(_ bytes: [UInt8], to path: String) throws(PosternError) {
    do throws(PosternError) {
      try DurableFile.write(bytes, to: path, permissions: permissions, replacing: false)
    } catch  where error.code == .storageExists {
      throw PosternError(
        error.code, error.message, advice: "Choose another name: what lies there could be the only copy of a key.")
    }
  }
}
