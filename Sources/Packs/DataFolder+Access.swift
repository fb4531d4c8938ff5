public import Core
import Glibc

extension DataFolder {
  /// Says that this process may read and write the root and the folders that every archive has and a copy too, before
  /// anybody relies on it.
  ///
  /// `runs`, which is made later, is not among them.
  ///
  /// - Throws: `storage.denied`, naming the first that it may not.
  public func requireAccess() throws(PosternError) {
    for path in [layout.root] + FolderLayout.Part.copyFolders.map(layout.path)
    where access(path, R_OK | W_OK | X_OK) != 0 {
      let number = errno
      // What is not there yet is made, or missed by who needs it.
      guard number != ENOENT else { continue }
      throw FileFailure(.open, number: number).error(path)
    }
  }
}
