import Core
import Synchronization

/// How much an application may still store, which all its open pushes share.
///
/// It is what the limit leaves when the application's first push opens. What a push gives up counts until none of the
/// application's pushes is open.
final class ApplicationRoom: Sendable {
  private let limit: UInt64
  private let left: Mutex<UInt64>

  /// Room beside what is stored already.
  init(limit: UInt64, storedByteCount: UInt64) {
    self.limit = limit
    left = Mutex(limit - min(limit, storedByteCount))
  }

  /// Takes room for what is about to be stored.
  ///
  /// - Throws: `push.application-full`; nothing is taken then.
  func take(_ byteCount: UInt64) throws(PosternError) {
    let fits = left.withLock { left in
      guard left >= byteCount else { return false }
      left -= byteCount
      return true
    }
    guard fits else { throw .applicationFull(limit) }
  }

  /// Gives room back.
  func give(_ byteCount: UInt64) {
    left.withLock { $0 = min(limit, $0 + byteCount) }
  }
}

extension PosternError {
  /// An application has, or would have, more bytes stored than it may.
  static func applicationFull(_ limit: UInt64) -> PosternError {
    PosternError(
      .pushApplicationFull, "The application may store \(limit) bytes here, and this would be more.",
      advice: "Ask the archive's operator for more; what is stored stays, and can be recovered.")
  }
}
