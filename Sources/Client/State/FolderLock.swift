import Core
import Packs

/// A lock on a file that ends with the value, or with the process.
struct FolderLock: ~Copyable, Sendable {
  private static let pause = Duration.milliseconds(10)

  private let file: OpenFile

  /// Takes the lock, or finds it taken.
  ///
  /// - Parameter path: the file, made if it is missing; it stays.
  /// - Returns: nil when somebody else has it.
  /// - Throws: `storage.*`.
  static func take(_ path: String) throws(PosternError) -> FolderLock? {
    let file: OpenFile
    do throws(PosternError) {
      file = try OpenFile(path, .lock, permissions: 0o600)
    } catch let error where error.code == .storageFull {
      throw .stateFull(path)
    }
    guard try file.lock() else { return nil }
    return FolderLock(file: file)
  }

  /// Takes the lock when it is free; for locks that are held for a moment.
  ///
  /// - Throws: `storage.*`; `CancellationError`.
  static func wait(_ path: String) async throws -> FolderLock {
    while true {
      if let lock = try take(path) { return lock }
      try await Task.sleep(for: pause)
    }
  }

  private init(file: consuming OpenFile) {
    self.file = file
  }
}
