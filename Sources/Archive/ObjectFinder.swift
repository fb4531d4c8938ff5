import Core
import Index
import Packs

/// Finds the archive's objects: runs say in which packs one may lie, and the packs' footers where it does.
struct ObjectFinder: Sendable {
  /// The packs and runs.
  let files: OpenFiles

  /// How often a question is asked anew whose runs were merged away meanwhile, or whose packs were written anew.
  private static let attemptCount = 4

  var index: ArchiveIndex { files.index }

  /// Where objects of one generation can be read: in sealed packs, or in those of the asking push.
  ///
  /// Where a sealed pack and the push's own hold the same object, the sealed one is answered. What was collected is not
  /// found, whether its bytes still lie in a pack or not.
  ///
  /// - Parameters:
  ///   - ids: the objects, as many as the caller has bounded.
  ///   - space: application and generation.
  ///   - own: what the asking push has finished itself.
  ///   - kind: of several copies, one of this kind is answered where there is one.
  /// - Throws: `index.*`, `storage.*`, `pack.damaged`.
  func locate(
    _ ids: [Digest], in space: Space, own: OwnPacks = OwnPacks(), preferring kind: ObjectKind? = nil
  ) throws(PosternError) -> FoundObjects {
    var search = ObjectSearch(ids, in: space, own, preferring: kind, files)
    for _ in 1..<ObjectFinder.attemptCount {
      do throws(PosternError) {
        try search.run()
        if !search.isStale { return search.found }
      } catch let error where error.code == .storageMissing {}
      search = ObjectSearch(ids, in: space, own, preferring: kind, files)
    }
    try search.run()
    return search.found
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
  private let preferredKind: ObjectKind?
  var found: FoundObjects
  /// The sealed packs that were looked up; nil for packs that the asker may not see.
  private(set) var rows: [UInt64: PackRow] = [:]
  private var hidden: Set<UInt64> = []
  /// What is dead in packs that were looked up.
  var dead: [UInt64: [UInt8]] = [:]
  /// Whether a pack was written anew since the search began, and what lay in it may lie elsewhere.
  var isStale = false
  /// Places in footers that have to be looked at, by pack.
  private(set) var candidates: [UInt64: [(position: Int, index: Int)]] = [:]

  init(ids: [Digest], own: OwnPacks, preferredKind: ObjectKind?) {
    self.ids = ids
    self.own = own
    self.preferredKind = preferredKind
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
    let wanted = (candidates[pack] ?? []).filter { !isFound($0.index) }.sorted { $0.position < $1.position }
    let isNew = rows[pack] == nil
    let ids = ids
    var objects = found.objects
    found.objects = []
    defer { found.objects = objects }
    try file.forEachEntry(at: wanted.map(\.position)) { (place, entry) in
      let index = wanted[place].index
      guard entry.id == ids[index], objects[index] == nil || entry.kind == preferredKind else { return }
      objects[index] = ObjectLocation(pack: pack, isNew: isNew, entry: entry)
    }
    if let name = rows[pack]?.name { found.names[pack] = name }
  }

  /// Whether no other copy is looked for.
  private func isFound(_ index: Int) -> Bool {
    guard let object = found.objects[index] else { return false }
    return preferredKind == nil || object.entry.kind == preferredKind
  }
}
