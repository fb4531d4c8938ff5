internal import Core
import Synchronization

/// Files that should be packs, and are no whole ones or cannot be read.
///
/// A folder may have any number of them: all are counted, and a few are named.
public struct UnusablePacks: Sendable, Hashable {
  /// How many paths are kept.
  public static let pathLimit = 8

  /// The paths that come first, at most ``pathLimit``.
  public private(set) var paths: [String] = []
  /// How many there are.
  public private(set) var count = 0

  /// Counts one more; paths come in their order.
  mutating func add(_ path: String) {
    count += 1
    if paths.count < UnusablePacks.pathLimit { paths.append(path) }
  }

  /// Counts those of another generation or application as well.
  mutating func add(_ others: UnusablePacks) {
    count += others.count
    paths = Array((paths + others.paths).sorted().prefix(UnusablePacks.pathLimit))
  }
}

/// The packs of one application and generation in a folder, searched by their footers.
///
/// An object may lie in any of them. The pack that gave something last is asked first: neighbours in a state were
/// mostly pushed together.
final class PackShelf: Sendable {
  /// Where an object lies.
  struct Place: Sendable {
    let pack: SearchedPack
    let entry: PackEntry
  }

  /// The most copies of one object that are looked at: whoever makes a folder up could name one in any number of packs,
  /// and have each read and hashed.
  private static let copyLimit = 16

  private let app: Digest
  private let generation: UInt64
  private let layout: FolderLayout
  private let open: OpenPacks
  private struct State {
    /// Those that gave something last come first.
    var packs: [SearchedPack] = []
    /// What is no whole pack, or cannot be read.
    var unusable = UnusablePacks()
  }
  private let state: Mutex<State>

  /// Opens every pack once to see what it may hold.
  ///
  /// What is no whole pack, or cannot be read, is passed over: what only it holds is not there.
  ///
  /// - Throws: `storage.*` where the folder cannot be listed.
  init(
    app: Digest, generation: UInt64, layout: FolderLayout, open: OpenPacks, files: any FileLayer
  ) throws(PosternError) {
    self.app = app
    self.generation = generation
    self.layout = layout
    self.open = open
    let folder = layout.packs(app: app, generation: generation)
    var state = State()
    for digest in try PackShelf.names(in: folder, files: files) {
      let path = layout.pack(app: app, generation: generation, name: digest)
      do throws(PosternError) {
        state.packs.append(try open.search(path, name: digest, app: app, generation: generation))
      } catch {
        state.unusable.add(path)
      }
    }
    self.state = Mutex(state)
  }

  /// What is called a pack, in order; as digests, since there may be any number of them.
  private static func names(in folder: String, files: any FileLayer) throws(PosternError) -> [Digest] {
    var names: [Digest] = []
    for name in try files.namesIfThere(folder) {
      guard name.hasSuffix(".pack"), let digest = Digest(hex: String(name.dropLast(5))), "\(digest.hex).pack" == name
      else { continue }
      names.append(digest)
    }
    names.sort()
    return names
  }

  /// What has the name of a pack and is no whole one, or cannot be read.
  var unusable: UnusablePacks { state.withLock { $0.unusable } }

  /// The packs that can be searched.
  var all: [SearchedPack] { state.withLock { $0.packs } }

  /// Puts a pack on the shelf that was placed in the folder now.
  ///
  /// - Throws: `storage.*`, `pack.*`.
  func add(_ name: Digest) throws(PosternError) {
    let path = layout.pack(app: app, generation: generation, name: name)
    let pack = try open.search(path, name: name, app: app, generation: generation)
    state.withLock { state in
      state.packs.removeAll { $0.name == name }
      state.packs.insert(pack, at: 0)
    }
  }

  /// Takes a pack off the shelf that is gone from the folder.
  func remove(_ name: Digest) {
    state.withLock { state in state.packs.removeAll { $0.name == name } }
  }

  /// Where chunks and nodes lie, by id; those that no pack holds are left out, and so are bodies, which are longer.
  ///
  /// - Throws: `pack.damaged`, `storage.*`.
  func places(of ids: [Digest]) throws(PosternError) -> [Digest: Place] {
    let packs = state.withLock { $0.packs }
    var order = Array(packs.indices)
    var places: [Digest: Place] = [:]
    for id in ids {
      for (rank, index) in order.enumerated() where packs[index].mayHold(id) {
        let pack = packs[index]
        guard let entry = try open.find(id, in: pack), entry.kind != .body else { continue }
        places[id] = Place(pack: pack, entry: entry)
        if rank > 0 {
          order.remove(at: rank)
          order.insert(index, at: 0)
        }
        break
      }
    }
    if let first = order.first, first != 0, let pack = places.isEmpty ? nil : packs[first] { prefer(pack) }
    return places
  }

  /// The packs that hold an object, but no more than 16: those that gave something last come first.
  ///
  /// - Throws: `pack.damaged`, `storage.*`.
  func packs(holding id: Digest) throws(PosternError) -> [Place] {
    var places: [Place] = []
    for pack in state.withLock({ $0.packs }) where pack.mayHold(id) {
      guard places.count < PackShelf.copyLimit else { break }
      if let entry = try open.find(id, in: pack) { places.append(Place(pack: pack, entry: entry)) }
    }
    return places
  }

  private func prefer(_ pack: SearchedPack) {
    state.withLock { state in
      guard let index = state.packs.firstIndex(where: { $0 === pack }) else { return }
      state.packs.remove(at: index)
      state.packs.insert(pack, at: 0)
    }
  }
}

/// The packs' files that are open at once: a few, however many a folder has.
final class OpenPacks: Sendable {
  private static let limit = 256

  /// Keeps an open file in a dictionary, which takes no value that has one owner.
  private final class Handle: Sendable {
    let file: OpenFile

    init(_ file: consuming OpenFile) {
      self.file = file
    }
  }

  private let files: any FileLayer
  private let handles = Mutex<[String: Handle]>([:])

  init(files: any FileLayer) {
    self.files = files
  }

  /// Opens a pack to search in.
  ///
  /// - Throws: as ``SearchedPack/init(_:name:app:generation:)``.
  func search(
    _ path: String, name: Digest, app: Digest, generation: UInt64
  ) throws(PosternError) -> SearchedPack {
    // A pack of that name may have been put in the place of a damaged one.
    handles.withLock { _ = $0.removeValue(forKey: path) }
    return try SearchedPack(try handle(path).file, name: name, app: app, generation: generation)
  }

  /// Looks for an object in a pack.
  ///
  /// - Throws: `pack.damaged`, `storage.*`.
  func find(_ id: Digest, in pack: SearchedPack) throws(PosternError) -> PackEntry? {
    try pack.find(id, in: try handle(pack.path).file)
  }

  /// Fills a buffer with a range of a pack.
  ///
  /// - Throws: `pack.damaged` when the file ends before, `storage.*`.
  func read(
    _ pack: SearchedPack, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(PosternError) {
    guard try handle(pack.path).file.read(into: buffer, at: offset) else {
      throw PackFormat.damaged(pack.path, "an object lies beyond its end")
    }
  }

  private func handle(_ path: String) throws(PosternError) -> Handle {
    if let handle = handles.withLock({ $0[path] }) { return handle }
    let handle = Handle(try OpenFile(path, .read, files: files))
    handles.withLock { handles in
      // What is in use elsewhere is closed by whoever uses it last.
      if handles.count >= OpenPacks.limit { handles.removeAll(keepingCapacity: true) }
      handles[path] = handle
    }
    return handle
  }
}
