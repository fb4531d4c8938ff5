import Core
import Glibc
import Pax
import SystemPackage

/// Makes what an archive of a directory describes, in an empty folder, as the archive comes.
///
/// Each entry is made in the open folder that it belongs into, and never over something or through a link. While it is
/// filled, everything is its owner's alone; files get their permissions when they are whole, and folders when all that
/// is in them is.
struct DirectoryWriter: ~Copyable {
  /// A folder that is being filled.
  private struct Level {
    let folder: Folder
    let permissions: UInt16
  }

  /// A file that is being filled.
  private struct OpenContent: ~Copyable {
    let file: Descriptor
    let entry: PaxEntry
  }

  private let root: Folder
  private let path: String
  private var decoder = PaxDecoder()
  /// The directory, and the folders down to the one that was named last.
  private var levels: [Level] = []
  private var content: OpenContent?

  /// Fills a folder.
  ///
  /// - Parameters:
  ///   - root: the folder, which is empty.
  ///   - path: what messages call it.
  init(into root: Folder, path: String) {
    self.root = root
    self.path = path
  }

  /// Takes the archive's next bytes.
  ///
  /// - Throws: `directory.*`, `storage.full`, `recover.output`.
  mutating func write(_ bytes: UnsafeRawBufferPointer) throws(PosternError) {
    var position = 0
    while let event = try decoder.next(in: bytes, at: &position) {
      switch event {
      case .entry(let entry): try begin(entry)
      case .content(let range): try writeContent(UnsafeRawBufferPointer(rebasing: bytes[range]))
      }
    }
  }

  /// Completes the directory and makes it durable.
  ///
  /// - Throws: `directory.end`, `storage.full`, `recover.output`.
  mutating func finish() throws(PosternError) {
    try decoder.finish()
    try endFile()
    try leave(downTo: 0)
    try writing([]) { () throws(Errno) in try root.syncFileSystem() }
  }

  /// Closes what is open.
  mutating func close() {
    content = nil
    levels = []
  }

  private mutating func begin(_ entry: PaxEntry) throws(PosternError) {
    try endFile()
    try leave(downTo: entry.names.count)
    guard let name = entry.names.last, let folder = levels.last?.folder else {
      levels = [Level(folder: root, permissions: entry.permissions)]
      return
    }
    switch entry.kind {
    case .folder:
      let made = try writing(entry.names) { () throws(Errno) in
        try folder.makeFolder(name, permissions: 0o700)
        return try folder.folder(name)
      }
      levels.append(Level(folder: made, permissions: entry.permissions))
    case .file:
      let file = try writing(entry.names) { () throws(Errno) in
        try folder.open(name, O_WRONLY | O_CREAT | O_EXCL, permissions: 0o600)
      }
      content = OpenContent(file: file, entry: entry)
    case .link(let target):
      try writing(entry.names) { () throws(Errno) in try folder.makeLink(name, to: target) }
    }
  }

  /// Gives a file that is whole its permissions.
  private mutating func endFile() throws(PosternError) {
    guard let content = content.take() else { return }
    try writing(content.entry.names) { () throws(Errno) in
      guard fchmod(content.file.number, mode_t(content.entry.permissions)) == 0 else { throw Errno(rawValue: errno) }
    }
  }

  /// Gives the folders that nothing more comes into their permissions, the innermost first.
  private mutating func leave(downTo count: Int) throws(PosternError) {
    while levels.count > count, let level = levels.popLast() {
      try writing([]) { () throws(Errno) in try level.folder.setPermissions(mode_t(level.permissions)) }
    }
  }

  private borrowing func writeContent(_ bytes: UnsafeRawBufferPointer) throws(PosternError) {
    switch content {
    // Closed meanwhile.
    case .none: throw .unwritableEntry(path, .canceled)
    case .some(let content):
      let number = content.file.number
      var done = 0
      while done < bytes.count {
        done += try writing(content.entry.names) { () throws(Errno) in
          let count = Glibc.write(number, bytes.baseAddress.map { $0 + done }, bytes.count - done)
          if count < 0 && errno != EINTR { throw Errno(rawValue: errno) }
          return max(0, count)
        }
      }
    }
  }

  /// Says of a failed call which entry could not be written.
  private borrowing func writing<Result: ~Copyable>(
    _ names: [[UInt8]], _ body: () throws(Errno) -> Result
  ) throws(PosternError) -> Result {
    do throws(Errno) {
      return try body()
    } catch {
      let entry = PaxEntry(names: names, kind: .folder, permissions: 0)
      throw .unwritableEntry(names.isEmpty ? path : "\(path)/\(entry.shownPath)", error)
    }
  }
}
