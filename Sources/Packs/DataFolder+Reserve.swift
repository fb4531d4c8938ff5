public import Core
import Synchronization

/// What is left of a file system's reserve by something that is written.
///
/// On a disk that is full to its last byte the index has no room for the row that a push is given up with, and so no
/// room would ever be made. With the reserve, pushes begin and end, and what is here is admitted and shown.
public enum Reserve: Sendable {
  /// All of it, by what anybody may send: objects of a push, charters.
  case whole
  /// Half of it, by what ends something: the bodies of a seal, and packs that are written anew.
  case half

  /// In bytes, of a file system of some size: a sixteenth of it, and 64 MiB at most, or half as much.
  func byteCount(of fileSystemByteCount: UInt64) -> UInt64 {
    let whole = min(64 << 20, fileSystemByteCount / 16)
    return self == .whole ? whole : whole / 2
  }
}

/// How many bytes wait in memory to be written into packs: the file system does not count them yet.
package final class WaitingBytes: Sendable {
  private let count = Atomic(0)

  /// None yet.
  package init() {}

  /// All of them.
  var byteCount: Int { count.load(ordering: .relaxed) }

  /// Counts so many more, or fewer.
  func add(_ byteCount: Int) { count.wrappingAdd(byteCount, ordering: .relaxed) }
}

extension DataFolder {
  /// Says that bytes find room, beside those that wait in memory, and leave a reserve.
  ///
  /// - Throws: `storage.full`.
  public func requireReserve(_ reserve: Reserve, besides byteCount: Int) throws(PosternError) {
    guard byteCount > 0, let room = files.room(of: layout.root) else { return }
    let kept = reserve.byteCount(of: room.byteCount)
    let needed = UInt64(byteCount + max(waiting.byteCount, 0))
    guard room.freeByteCount < kept + needed else { return }
    throw PosternError(
      .storageFull,
      "The file system of \(layout.root) has \(room.freeByteCount) bytes left, of which \(kept) are kept for the index: "
        + "\(byteCount) bytes find no room.",
      advice: "Free space on it and try again; pushes that nobody uses are given up after a while.")
  }
}
