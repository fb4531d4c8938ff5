import Core
import Index
import Packs

/// Finds the archive's objects: runs say in which packs one may lie, and the packs' footers where it does.
///
/// Open files and what is read of them are kept from one question to the next: up to 128 packs, up to 96 runs with 64 MiB
/// of their filters, rows of 4,096 packs, 32 MiB of entries of packs that no run lists yet, and 16 MiB of what is dead in
/// packs.
final class ObjectFinder: Sendable {
  let folder: DataFolder
  let index: ArchiveIndex
  private let packs = RecentlyUsed<UInt64, OpenedPack>(countLimit: 128)
  private let runs = RecentlyUsed<UInt64, RunFile>(countLimit: 96, costLimit: 64 << 20)
  private let rows = RecentlyUsed<UInt64, PackRow>(countLimit: 4_096)
  private let loose = RecentlyUsed<UInt64, [RunEntry]>(countLimit: 1_024, costLimit: 32 << 20)
  private let dead = RecentlyUsed<UInt64, Bitmap>(countLimit: 4_096, costLimit: 16 << 20)

  /// A filter of more bytes is read from its file block by block.
  private static let filterByteLimit = 32 << 20
  /// How often a question is asked anew whose runs were merged away meanwhile, or whose packs were written anew.
  private static let attemptCount = 4

  /// A finder with nothing open yet.
  init(folder: DataFolder, index: ArchiveIndex) {
    self.folder = folder
    self.index = index
  }

  /// Where objects of one generation can be read: in sealed packs, or in those of the asking push.
  ///
  /// Where a sealed pack and the push's own hold the same object, the sealed one is answered. What was collected is not
  /// found, whether its bytes still lie in a pack or not.
  ///
  /// - Parameters:
  ///   - ids: the objects, as many as the caller has bounded.
  ///   - space: application and generation.
  ///   - own: what the asking push has finished itself.
  /// - Throws: `index.*`, `storage.*`, `pack.damaged`.
  func locate(_ ids: [Digest], in space: Space, own: OwnPacks = OwnPacks()) throws(PosternError) -> FoundObjects {
    let queries = ids.enumerated().map { RunQuery(prefix: $1.prefix, index: $0) }.sorted { $0.prefix < $1.prefix }
    for _ in 1..<ObjectFinder.attemptCount {
      do throws(PosternError) {
        var search = ObjectSearch(ids: ids, own: own)
        try locate(queries, in: space, &search)
        if !search.isStale { return search.found }
      } catch let error where error.code == .storageMissing {}
    }
    var search = ObjectSearch(ids: ids, own: own)
    try locate(queries, in: space, &search)
    return search.found
  }

  private func locate(
    _ queries: [RunQuery], in space: Space, _ search: inout ObjectSearch
  ) throws(PosternError) {
    // One snapshot of the runs. What is sealed after it may be found or not.
    let storage = try index.read { (snapshot) throws(PosternError) in try snapshot.storage(space) }
    func isSeen(_ entry: RunEntry) throws(PosternError) -> Bool {
      let pack = entry.pack
      var isSeen = search.isSeen(pack)
      if isSeen == nil { isSeen = search.learn(try sealedRow(pack), pack) }
      guard isSeen == true else { return false }
      guard let row = search.rows[pack], row.deadByteCount > 0 else { return true }
      return try !isDead(entry.position, in: row, &search)
    }
    for entries in search.own.loose {
      try entries.find(queries, isSeen: isSeen) { (index, entry) in search.add(index, entry) }
    }
    for pack in storage?.loosePacks ?? [] {
      _ = search.learn(pack, pack.number)
      let entries = try readable(pack.number, &search) { () throws(PosternError) in try looseEntries(pack) }
      try entries?.find(queries, isSeen: isSeen) { (index, entry) in search.add(index, entry) }
    }
    for run in storage?.runs ?? [] {
      try openRun(run, of: space).find(queries, isSeen: isSeen) { (index, entry) in search.add(index, entry) }
    }
    for pack in search.candidates.keys.sorted(by: { search.isAsked($0, before: $1) }) {
      let name = search.rows[pack]?.name
      let opened = try readable(pack, &search) { () throws(PosternError) in try open(pack, name, of: space) }
      if let opened { try search.confirm(pack, in: opened.file) }
    }
  }

  /// Runs a step whose failure means that one pack cannot be read, which others may hold the object of.
  ///
  /// A pack that was written anew meanwhile makes the whole search one of the past.
  private func readable<Value>(
    _ pack: UInt64, _ search: inout ObjectSearch, _ step: () throws(PosternError) -> Value
  ) throws(PosternError) -> Value? {
    do throws(PosternError) {
      return try step()
    } catch let error where error.isOfUnreadablePack {
      if search.rows[pack] != nil, try currentRow(pack)?.isSealed != true { search.isStale = true }
      search.found.unreadable = search.found.unreadable ?? error
      return nil
    }
  }

  /// Whether an object of a pack is dead.
  private func isDead(
    _ position: Int, in row: PackRow, _ search: inout ObjectSearch
  ) throws(PosternError) -> Bool {
    let positions: Bitmap
    if let known = search.dead[row.number] {
      positions = known
    } else {
      positions = try deadPositions(row.number)
      search.dead[row.number] = positions
    }
    // The row says that some are dead: if nobody knows which, the pack was written anew since, and is not to be trusted.
    guard !positions.isEmpty else {
      search.isStale = true
      return true
    }
    return positions[position]
  }

  /// Which objects of a pack are dead, a bit for each place in its footer; none where the index knows none.
  func deadPositions(_ pack: UInt64) throws(PosternError) -> Bitmap {
    let known = try dead.valueIfAny(of: pack, cost: { $0.bytes.count }) { () throws(PosternError) in
      try index.read { (snapshot) throws(PosternError) in try snapshot.deadPositions(pack: pack) }
    }
    return known ?? Bitmap(count: 0)
  }

  /// The row of a sealed pack; nil where the pack is none.
  private func sealedRow(_ number: UInt64) throws(PosternError) -> PackRow? {
    try rows.valueIfAny(of: number) { () throws(PosternError) in
      guard let row = try currentRow(number), row.isSealed else { return nil }
      return row
    }
  }

  private func currentRow(_ number: UInt64) throws(PosternError) -> PackRow? {
    try index.read { (snapshot) throws(PosternError) in try snapshot.pack(number) }
  }

  /// Forgets what the index said of packs, of which more is dead now.
  func forgetRows(_ packs: some Sequence<UInt64>) {
    for pack in packs {
      rows.remove(pack)
      dead.remove(pack)
    }
  }

  // MARK: Files

  /// A finished pack's open file.
  ///
  /// - Parameters:
  ///   - number: the pack's number.
  ///   - name: its name; nil while no commit has sealed it.
  ///   - space: application and generation.
  /// - Throws: as ``DataFolder/openPack(number:app:generation:name:)``.
  func open(_ number: UInt64, _ name: Digest?, of space: Space) throws(PosternError) -> OpenedPack {
    try packs.value(of: number) { () throws(PosternError) in
      OpenedPack(try folder.openPack(number: number, app: space.app, generation: space.generation, name: name))
    }
  }

  /// A sealed pack's open file.
  ///
  /// - Throws: as ``open(_:_:of:)``; `storage.missing` for a pack that is gone.
  func sealedPack(_ number: UInt64, of space: Space) throws(PosternError) -> OpenedPack {
    try open(number, try sealedRow(number)?.name, of: space)
  }

  /// Removes the file of a pack in `incoming/`, and what is known of the pack.
  ///
  /// - Throws: `storage.denied`, `storage.failed`.
  func removePack(_ number: UInt64) throws(PosternError) {
    forgetRows([number])
    packs.remove(number)
    loose.remove(number)
    try folder.removePack(number: number)
  }

  /// Removes the files of packs that were written anew, wherever they lie, and what is known of the packs.
  ///
  /// Nothing may be placed meanwhile: a name that a sealed pack has is that pack's, with the same objects in the same
  /// places.
  ///
  /// - Parameter retired: packs that the index has abandoned.
  /// - Throws: `storage.*`, `index.*`; what is left is removed at the next start.
  func removePlaced(_ retired: [PackRow]) throws(PosternError) {
    var placements: [PackPlacement] = []
    for pack in retired {
      try removePack(pack.number)
      guard let name = pack.finished else { continue }
      let isTaken = try index.read { (snapshot) throws(PosternError) in try snapshot.hasPack(named: name) }
      guard !isTaken else { continue }
      placements.append(PackPlacement(pack, named: name))
    }
    try folder.removePlaced(placements)
  }

  /// A run's open file.
  ///
  /// - Throws: as ``RunFile/init(_:app:generation:filterByteLimit:files:)``.
  func openRun(_ row: RunRow, of space: Space) throws(PosternError) -> RunFile {
    try runs.value(of: row.number, cost: \.memoryByteCount) { () throws(PosternError) in
      // A filter that finds no room is read where it lies.
      let hasRoom = runs.hasRoom(for: RunFormat.filterByteCount(entryCount: row.entryCount))
      return try folder.openRun(
        number: row.number, app: space.app, generation: space.generation,
        filterByteLimit: hasRoom ? ObjectFinder.filterByteLimit : 0)
    }
  }

  /// Removes the file of a run; who is reading it goes on.
  ///
  /// - Throws: `storage.denied`, `storage.failed`.
  func removeRun(_ number: UInt64) throws(PosternError) {
    runs.remove(number)
    try folder.removeRun(number: number)
  }

  /// A sealed pack's entries, from its footer.
  ///
  /// - Throws: as ``open(_:_:of:)``.
  func looseEntries(_ pack: PackRow) throws(PosternError) -> [RunEntry] {
    try loose.value(of: pack.number, cost: { $0.count * MemoryLayout<RunEntry>.stride }) { () throws(PosternError) in
      try open(pack.number, pack.name, of: pack.space).file.runEntries(number: pack.number)
    }
  }

  /// Lets go of what was read of packs that a run lists now.
  func forgetLoose(_ packs: [UInt64]) { for pack in packs { loose.remove(pack) } }
}

/// Keeps an open file in a dictionary, which takes no value that has one owner.
final class OpenedPack: Sendable {
  let file: PackFile

  init(_ file: consuming PackFile) {
    self.file = file
  }
}

/// What a push has finished, and nobody else may see.
struct OwnPacks: Sendable {
  /// The packs' numbers.
  var numbers: Set<UInt64> = []
  /// Entries of those that no run lists, sorted.
  var loose: [[RunEntry]] = []
}

/// Where an object can be read.
struct ObjectLocation: Hashable, Sendable {
  /// The pack's number.
  let pack: UInt64
  /// Whether the pack is the asking push's own, and not sealed.
  let isNew: Bool
  /// Where it lies in the pack.
  let entry: PackEntry
}

/// Where many objects can be read.
struct FoundObjects: Sendable {
  /// One for each id, in the order asked; nil where the archive holds no such object for the asker.
  var objects: [ObjectLocation?]
  /// Names of the sealed packs that the locations name, by number.
  var names: [UInt64: Digest] = [:]
  /// Why a pack could not be read that may hold what was not found.
  var unreadable: PosternError?
}

/// One question for many objects, on its way from runs to footers.
private struct ObjectSearch {
  let ids: [Digest]
  let own: OwnPacks
  var found: FoundObjects
  /// The sealed packs that were looked up; nil for packs that the asker may not see.
  private(set) var rows: [UInt64: PackRow] = [:]
  private var hidden: Set<UInt64> = []
  /// What is dead in packs that were looked up.
  var dead: [UInt64: Bitmap] = [:]
  /// Whether a pack was written anew since the search began, and what lay in it may lie elsewhere.
  var isStale = false
  /// Places in footers that have to be looked at, by pack.
  private(set) var candidates: [UInt64: [(position: Int, index: Int)]] = [:]

  init(ids: [Digest], own: OwnPacks) {
    self.ids = ids
    self.own = own
    found = FoundObjects(objects: Array(repeating: nil, count: ids.count))
  }

  /// Whether the asker may see a pack; nil where that has to be looked up.
  func isSeen(_ pack: UInt64) -> Bool? {
    if own.numbers.contains(pack) || rows[pack] != nil { return true }
    return hidden.contains(pack) ? false : nil
  }

  /// Notes what the index has of a pack, and says whether the asker may see it.
  mutating func learn(_ row: PackRow?, _ pack: UInt64) -> Bool {
    if let row, row.isSealed {
      rows[pack] = row
      return true
    }
    hidden.insert(pack)
    return false
  }

  mutating func add(_ index: Int, _ entry: RunEntry) {
    candidates[entry.pack, default: []].append((entry.position, index))
  }

  /// Sealed packs before the push's own, which have yet to be looked into.
  func isAsked(_ pack: UInt64, before other: UInt64) -> Bool {
    let (isSealed, isOtherSealed) = (rows[pack] != nil, rows[other] != nil)
    return isSealed == isOtherSealed ? pack < other : isSealed
  }

  /// Looks at a pack's footer: eight equal bytes are not yet an id.
  mutating func confirm(_ pack: UInt64, in file: borrowing PackFile) throws(PosternError) {
    let wanted = (candidates[pack] ?? []).filter { found.objects[$0.index] == nil }.sorted { $0.position < $1.position }
    let isNew = rows[pack] == nil
    let ids = ids
    var objects = found.objects
    found.objects = []
    defer { found.objects = objects }
    try file.forEachEntry(at: wanted.map(\.position)) { (place, entry) in
      let index = wanted[place].index
      if entry.id == ids[index] { objects[index] = ObjectLocation(pack: pack, isNew: isNew, entry: entry) }
    }
    if let name = rows[pack]?.name { found.names[pack] = name }
  }
}
