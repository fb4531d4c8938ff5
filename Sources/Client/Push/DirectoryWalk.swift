import Core
import Glibc
import Pax
import SystemPackage

/// Goes through a directory depth first, the names of each folder sorted by their bytes, as its archive has them.
///
/// It holds one open folder and one list of names for each level between the directory and the entry that is next,
/// whatever the directory holds elsewhere.
struct DirectoryWalk {
  /// An entry, and where it is read.
  struct Found {
    let entry: PaxEntry
    /// The folder that it is in.
    let folder: Folder
    let status: stat
  }

  /// A folder that the walk is in.
  private struct Level {
    let folder: Folder
    var names: SortedNames
  }

  private let root: Folder
  private let path: String
  private let device: dev_t
  private var levels: [Level] = []
  /// The names of the folders that the walk is in.
  private var names: [[UInt8]] = []
  /// The folder that was told last, which the walk has not entered yet.
  private var entering: Folder?
  private var isStarted = false

  /// A walk that begins with the directory itself.
  ///
  /// - Parameters:
  ///   - root: the directory.
  ///   - path: what messages call it.
  init(_ root: Folder, path: String) throws(PosternError) {
    self.root = root
    self.path = path
    do throws(Errno) {
      device = try root.status().st_dev
    } catch {
      throw .unreadableState(path, error.rawValue)
    }
  }

  /// The next entry; nil behind the last one.
  ///
  /// - Throws: `push.entry`, `push.input`, `push.changed`.
  mutating func next() throws(PosternError) -> Found? {
    guard isStarted else {
      isStarted = true
      entering = root
      let status = try reading([]) { () throws(Errno) in try root.status() }
      return Found(
        entry: PaxEntry(names: [], kind: .folder, permissions: status.permissions), folder: root, status: status)
    }
    if let folder = entering.take() { try enter(folder) }
    while let level = levels.indices.last {
      guard let name = levels[level].names.next() else {
        levels.removeLast()
        names = Array(names.dropLast())
        continue
      }
      let found = try look(at: name, in: levels[level].folder)
      if case .folder = found.entry.kind {
        entering = try open(found)
        names.append(name)
      }
      return found
    }
    return nil
  }

  /// Lists a folder's names; those of all folders that the walk is in count together.
  private mutating func enter(_ folder: Folder) throws(PosternError) {
    let room = levels.reduce(SortedNames.byteCountLimit) { $0 - $1.names.byteCount }
    let listed = try reading(names) { () throws(Errno) in try SortedNames(of: folder, byteCountLimit: room) }
    guard let listed else { throw .directoryEntry(shown(names), "has too many names in it and in its folders") }
    levels.append(Level(folder: folder, names: listed))
  }

  private func look(at name: [UInt8], in folder: Folder) throws(PosternError) -> Found {
    let names = names + [name]
    let status = try reading(names) { () throws(Errno) in try folder.status(of: name) }
    let kind: PaxEntry.Kind
    switch status.st_mode & S_IFMT {
    case S_IFDIR:
      guard status.st_dev == device else { throw .directoryEntry(shown(names), "lies on another file system") }
      kind = .folder
    case S_IFREG: kind = .file(byteCount: Int(status.st_size))
    case S_IFLNK:
      let target = try reading(names) { () throws(Errno) in
        try folder.target(of: name, byteCountLimit: PaxEntry.pathByteCountLimit)
      }
      guard let target, !target.isEmpty else { throw .directoryEntry(shown(names), "is a link to what no path can be") }
      kind = .link(target: target)
    case S_IFSOCK: throw .directoryEntry(shown(names), "is a socket")
    case S_IFIFO: throw .directoryEntry(shown(names), "is a pipe")
    default: throw .directoryEntry(shown(names), "is a device")
    }
    let isLink = if case .link = kind { true } else { false }
    let entry = PaxEntry(
      names: names, kind: kind, permissions: isLink ? PaxEntry.linkPermissions : status.permissions)
    guard names.count <= PaxEntry.depthLimit, entry.path.count <= PaxEntry.pathByteCountLimit else {
      throw .directoryDepth(shown(names))
    }
    guard entry.contentByteCount <= PaxEntry.fileByteCountLimit else {
      throw .directoryEntry(shown(names), "is longer than any state")
    }
    return Found(entry: entry, folder: folder, status: status)
  }

  /// Opens a folder that was found, if it is still the one that is there.
  private func open(_ found: Found) throws(PosternError) -> Folder {
    let names = found.entry.names
    return try reading(names) { () throws(Errno) in
      let folder = try found.folder.folder(names.last ?? [])
      let status = try folder.status()
      guard (status.st_dev, status.st_ino) == (found.status.st_dev, found.status.st_ino) else {
        throw Errno.noSuchFileOrDirectory
      }
      return folder
    }
  }

  /// What messages call an entry.
  func shown(_ names: [[UInt8]]) -> String {
    guard !names.isEmpty else { return path }
    let entry = PaxEntry(names: names, kind: .folder, permissions: 0)
    return (path.hasSuffix("/") ? path : path + "/") + entry.shownPath
  }

  /// Says of a failed call whether the directory changed or cannot be read.
  func reading<Result: ~Copyable>(
    _ names: [[UInt8]], _ body: () throws(Errno) -> Result
  ) throws(PosternError) -> Result {
    do throws(Errno) {
      return try body()
    } catch {
      // What was there a moment ago is gone, or is something else.
      let hasChanged = [.noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels].contains(error)
      throw hasChanged ? .stateChanged(shown(names)) : .unreadableState(shown(names), error.rawValue)
    }
  }
}

/// The names of a folder, sorted by their bytes, in little memory.
private struct SortedNames {
  /// The most bytes that the lists of a walk may take together.
  static let byteCountLimit = 32 << 20

  private struct Place {
    let start: UInt32
    let count: UInt8
  }

  private var bytes: [UInt8] = []
  private var places: [Place] = []
  private var position = 0

  /// How many bytes the list takes.
  var byteCount: Int { bytes.count + places.count * MemoryLayout<Place>.stride }

  /// Lists a folder; nil where its names take more than there is room for.
  init?(of folder: Folder, byteCountLimit: Int) throws(Errno) {
    var bytes: [UInt8] = []
    var places: [Place] = []
    var isWhole = true
    try folder.forEachName { name in
      places.append(Place(start: UInt32(bytes.count), count: UInt8(name.count)))
      bytes += name
      isWhole = bytes.count + places.count * MemoryLayout<Place>.stride <= byteCountLimit
      return isWhole
    }
    guard isWhole else { return nil }
    bytes.withUnsafeBytes { bytes in
      func name(_ place: Place) -> Slice<UnsafeRawBufferPointer> {
        bytes[Int(place.start)..<Int(place.start) + Int(place.count)]
      }
      places.sort { name($0).lexicographicallyPrecedes(name($1)) }
    }
    self.bytes = bytes
    self.places = places
  }

  /// The next name; nil behind the last one.
  mutating func next() -> [UInt8]? {
    guard position < places.count else { return nil }
    let place = places[position]
    position += 1
    return Array(bytes[Int(place.start)..<Int(place.start) + Int(place.count)])
  }
}

extension stat {
  /// The nine permission bits.
  var permissions: UInt16 { UInt16(st_mode & 0o777) }
}
