import Bulk
package import Core
import Glibc
import Pax
import Synchronization
import SystemPackage

/// Reads a state from a directory: the archive of it, made as it is read.
///
/// The directory is looked through before, so that the archive's length is known, and once more afterwards: where
/// anything in it was written to, came, went or was renamed meanwhile, what was read is no state that it ever had.
package final class DirectoryReader: StateReader {
  /// What a look through the directory found.
  private struct Condition {
    /// The length of its archive.
    var byteCount = PaxHeader.end.count
    /// The digest of everything that changes when something in the directory does.
    var digest = Digest.zero
    /// What was changed last of all, and its path.
    var newest: (condition: FileCondition, path: String)?

    func isSame(as earlier: Condition) -> Bool { byteCount == earlier.byteCount && digest == earlier.digest }

    /// What was changed since an earlier look, if the clock was not set back; nil where nothing shows it.
    func changed(since earlier: Condition) -> String? {
      guard let newest, let old = earlier.newest, newest.condition.isChangedLater(than: old.condition) else {
        return nil
      }
      return newest.path
    }
  }

  /// Where in the archive the next byte is.
  private struct Position: ~Copyable {
    var walk: DirectoryWalk
    /// A header, or what fills up a block, and how much of it was taken.
    var bytes: [UInt8] = []
    var takenCount = 0
    var file: OpenContent?
    var isDone = false
  }

  /// A file whose content is being read.
  private struct OpenContent: ~Copyable {
    let entry: PaxEntry
    let file: Descriptor
    var leftCount: Int

    /// Takes the content's next bytes; 0 where all of it was taken.
    mutating func read(
      into memory: UnsafeMutableRawBufferPointer, of walk: DirectoryWalk
    ) throws(PosternError) -> Int {
      let room = min(memory.count, leftCount)
      guard room > 0 else { return 0 }
      let number = file.number
      var count = -1
      // A call that a signal broke off is made again.
      while count < 0 {
        count = try walk.reading(entry.names) { () throws(Errno) in
          let count = Glibc.read(number, memory.baseAddress, room)
          if count < 0 && errno != EINTR { throw Errno(rawValue: errno) }
          return count
        }
      }
      // One that is shorter than it was has changed.
      guard count > 0 else { throw .stateChanged(walk.shown(entry.names)) }
      leftCount -= count
      return count
    }
  }

  private let path: String
  private let root: Folder
  private let condition: Condition
  private let position: Mutex<Position>

  /// Looks through a directory.
  ///
  /// - Throws: `push.entry`, `push.input`, `push.changed`, `dump.too-large`.
  package init(_ path: String) throws(PosternError) {
    do throws(Errno) {
      root = try Folder(path)
    } catch {
      throw .unreadableState(path, error.rawValue)
    }
    self.path = path
    condition = try DirectoryReader.condition(of: root, path)
    position = Mutex(Position(walk: try DirectoryWalk(root, path: path)))
  }

  private static func condition(of root: Folder, _ path: String) throws(PosternError) -> Condition {
    var walk = try DirectoryWalk(root, path: path)
    var condition = Condition()
    var hash = SHA256()
    var newest: (condition: FileCondition, names: [[UInt8]])?
    while let found = try walk.next() {
      let header = PaxHeader.bytes(of: found.entry)
      condition.byteCount += header.count + found.entry.contentByteCount + found.entry.paddingByteCount
      guard condition.byteCount <= PaxEntry.fileByteCountLimit else { throw .stateTooLarge(path, condition.byteCount) }
      hash.update(header)
      let now = FileCondition(found.status)
      now.update(&hash)
      if newest.map({ now.isChangedLater(than: $0.condition) }) ?? true { newest = (now, found.entry.names) }
    }
    condition.digest = hash.finish()
    condition.newest = newest.map { ($0.condition, walk.shown($0.names)) }
    return condition
  }

  package var byteCount: Int? { condition.byteCount }

  package func read(into memory: UnsafeMutableRawBufferPointer) throws(PosternError) -> Int {
    try position.withLock { (position) throws(PosternError) in
      var count = 0
      while count < memory.count {
        let rest = UnsafeMutableRawBufferPointer(rebasing: memory[count...])
        let taken = try takeBytes(&position, into: rest)
        count += taken
        if taken == 0 { guard try advance(&position) else { break } }
      }
      return count
    }
  }

  /// What is at hand of a header or a file; 0 where that is used up.
  private func takeBytes(
    _ position: inout Position, into memory: UnsafeMutableRawBufferPointer
  ) throws(PosternError) -> Int {
    if position.takenCount < position.bytes.count {
      let bytes = position.bytes[position.takenCount...].prefix(memory.count)
      memory.copyBytes(from: bytes)
      position.takenCount += bytes.count
      return bytes.count
    }
    return try position.file?.read(into: memory, of: position.walk) ?? 0
  }

  /// Puts what comes next into place: what fills up a file's last block, the next header, or the end.
  ///
  /// - Returns: false at the archive's end.
  private func advance(_ position: inout Position) throws(PosternError) -> Bool {
    position.takenCount = 0
    position.bytes = []
    if let file = position.file.take() {
      position.bytes = [UInt8](repeating: 0, count: file.entry.paddingByteCount)
      return true
    }
    guard let found = try position.walk.next() else {
      defer { position.isDone = true }
      if !position.isDone { position.bytes = PaxHeader.end }
      return !position.isDone
    }
    position.bytes = PaxHeader.bytes(of: found.entry)
    if case .file(let byteCount) = found.entry.kind { position.file = try open(found, byteCount, position.walk) }
    return true
  }

  /// Opens a file that was found, if it is still the one that is there.
  private func open(
    _ found: DirectoryWalk.Found, _ byteCount: Int, _ walk: DirectoryWalk
  ) throws(PosternError) -> OpenContent {
    let file = try walk.reading(found.entry.names) { () throws(Errno) in
      try found.folder.open(found.entry.names.last ?? [], O_RDONLY)
    }
    var status = stat()
    guard fstat(file.number, &status) == 0, status.st_mode & S_IFMT == S_IFREG, Int(status.st_size) == byteCount,
      (status.st_dev, status.st_ino) == (found.status.st_dev, found.status.st_ino)
    else { throw .stateChanged(walk.shown(found.entry.names)) }
    return OpenContent(entry: found.entry, file: file, leftCount: byteCount)
  }

  package func rewind() throws(PosternError) -> Bool {
    let walk = try DirectoryWalk(root, path: path)
    position.withLock { $0 = Position(walk: walk) }
    return true
  }

  package func requireUnchanged() throws(PosternError) {
    let now = try DirectoryReader.condition(of: root, path)
    guard now.isSame(as: condition) else { throw .stateChanged(now.changed(since: condition) ?? path) }
  }

  package func cancel() {}
}
