public import Core
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
    try DurableFile.write(bytes, to: path, replacing: replacing)
  }
}
