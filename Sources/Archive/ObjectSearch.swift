import Core
import Index
import Packs

/// One question for many objects, on its way from runs to footers.
///
/// Runs and loose packs give candidates by eight bytes of an id: those are left that lie in packs that the asker may
/// see, and are not dead. Then the packs' footers decide.
///
/// Each eight bytes are looked up once, however many of the ids begin with them: what a question costs is bounded by
/// how many ids it has, and not by how often what it names was sent.
struct ObjectSearch {
  /// A place in a footer that has to be looked at.
  private struct Candidate {
    let position: UInt32
    /// The question whose eight bytes the object's id begins with.
    let query: UInt32
  }

  /// How many places were found of one question, in all runs and loose packs together.
  private struct Taken {
    private var sealed: UInt8 = 0
    private var own: UInt8 = 0

    /// So many are looked at.
    ///
    /// They are the same object many times, or ids that someone made alike in eight bytes: seventeen such ids take more
    /// than 2^60 hashes.
    private static let limit: UInt8 = 16

    func isFull(hasOwn: Bool) -> Bool { sealed == Taken.limit && (own == Taken.limit || !hasOwn) }

    /// Counts one more, and says whether it is to be looked at.
    mutating func add(isSealed: Bool) -> Bool {
      guard (isSealed ? sealed : own) < Taken.limit else { return false }
      if isSealed { sealed += 1 } else { own += 1 }
      return true
    }
  }

  private let ids: [Digest]
  private let space: Space
  private let own: OwnPacks
  private let preferredKind: ObjectKind?
  private let files: OpenFiles

  /// What was found so far.
  private(set) var found: FoundObjects
  /// Whether a pack was written anew since the search began, and what lay in it may lie elsewhere.
  private(set) var isStale = false
  /// The sealed packs that were looked up.
  private var rows: [UInt64: PackRow] = [:]
  /// Packs that were looked up, and that the asker may not see.
  private var hidden: Set<UInt64> = []
  /// What is dead in packs that were looked up.
  private var dead: [UInt64: Bitmap] = [:]
  /// The ids' places, in the order of their first eight bytes.
  private let order: [Int]
  /// One for each eight bytes: its index is where in `order` the ids begin that have them.
  private let queries: [RunQuery]
  /// By the same index.
  private var taken: [Taken]
  /// Places in footers that have to be looked at, by pack.
  private var candidates: [UInt64: [Candidate]] = [:]

  /// A search that has not begun.
  ///
  /// - Parameters:
  ///   - ids: the objects.
  ///   - space: application and generation.
  ///   - own: what the asking push has finished itself.
  ///   - preferredKind: of several copies, one of this kind is found where there is one.
  ///   - files: the archive's.
  init(
    _ ids: [Digest], in space: Space, _ own: OwnPacks, preferring preferredKind: ObjectKind?, _ files: OpenFiles
  ) {
    self.preferredKind = preferredKind
    self.ids = ids
    self.space = space
    self.own = own
    self.files = files
    let order = ids.indices.sorted { ids[$0].prefix < ids[$1].prefix }
    self.order = order
    queries = order.indices.compactMap { start in
      let prefix = ids[order[start]].prefix
      return start > 0 && ids[order[start - 1]].prefix == prefix ? nil : RunQuery(prefix: prefix, index: start)
    }
    taken = Array(repeating: Taken(), count: ids.count)
    found = FoundObjects(objects: Array(repeating: nil, count: ids.count))
  }

  /// Searches, once.
  ///
  /// - Throws: as ``ObjectFinder/locate(_:in:own:)``; `storage.missing` for a run that was merged away meanwhile.
  mutating func run() throws(PosternError) {
    let queries = queries
    // One snapshot of the runs. What is sealed after it may be found or not.
    let storage = try files.index.read { (snapshot) throws(PosternError) in try snapshot.storage(space) }
    for entries in own.loose {
      try entries.find(queries) { (query, entry) throws(PosternError) in try consider(entry, for: query) }
    }
    for pack in storage?.loosePacks ?? [] {
      learn(pack, pack.number)
      let entries = try readable(pack.number) { (files) throws(PosternError) in try files.looseEntries(pack) }
      try entries?.find(queries) { (query, entry) throws(PosternError) in try consider(entry, for: query) }
    }
    for row in storage?.runs ?? [] {
      try files.run(row, of: space).find(queries) { (query, entry) throws(PosternError) in
        try consider(entry, for: query)
      }
    }
    // Sealed packs before the push's own.
    let packs = candidates.keys.sorted { (rows[$0] == nil ? 1 : 0, $0) < (rows[$1] == nil ? 1 : 0, $1) }
    for number in packs {
      let name = rows[number]?.name
      let pack = try readable(number) { [space] (files) throws(PosternError) in
        try files.pack(number, name, of: space)
      }
      guard let pack else { continue }
      do throws(PosternError) {
        try confirm(number, in: pack.file)
      } catch let error where error.isOfUnreadableFile {
        try noteUnreadable(number, error)
      }
    }
    // A footer confirms what was found. A run, and a footer, are believed to lack the rest if they are as they were
    // written.
    let missing = queries.filter { query in isLacking(UInt32(query.index)) }
    for row in storage?.runs ?? [] { try files.run(row, of: space).verify(missing) }
    try verifyFooters(of: packs)
  }

  /// Makes sure of the footers in which something else stands where a run has what was not found.
  ///
  /// Two ids that begin alike take 2^32 hashes, so that what does not match is most likely damage.
  private mutating func verifyFooters(of packs: [UInt64]) throws(PosternError) {
    for number in packs {
      guard let name = rows[number]?.name, candidates[number]?.contains(where: { isLacking($0.query) }) == true else {
        continue
      }
      try readable(number) { [space] (files) throws(PosternError) in
        try files.pack(number, name, of: space).file.verifyFooter(named: name)
      }
    }
  }

  private func isLacking(_ query: UInt32) -> Bool { places(of: query).contains { found.objects[$0] == nil } }

  /// Whether what an entry names can be found: it lies in a pack that the asker may see, and is not dead.
  private mutating func isFound(_ entry: RunEntry) throws(PosternError) -> Bool {
    if rows[entry.pack] == nil {
      if own.numbers.contains(entry.pack) { return true }
      guard !hidden.contains(entry.pack) else { return false }
      learn(try files.sealedRow(entry.pack), entry.pack)
    }
    guard let row = rows[entry.pack] else { return false }
    return row.deadByteCount > 0 ? try !isDead(entry) : true
  }

  /// Notes what the index has of a pack.
  private mutating func learn(_ row: PackRow?, _ number: UInt64) {
    if let row, row.isSealed { rows[number] = row } else { hidden.insert(number) }
  }

  /// Whether an object is dead, of a pack whose row says that some are.
  private mutating func isDead(_ entry: RunEntry) throws(PosternError) -> Bool {
    let positions: Bitmap
    if let known = dead[entry.pack] {
      positions = known
    } else {
      positions = try files.deadPositions(entry.pack)
      dead[entry.pack] = positions
    }
    // If nobody knows which, the pack was written anew since, and is not to be trusted.
    guard !positions.isEmpty else {
      isStale = true
      return true
    }
    return positions[entry.position]
  }

  /// Notes a candidate, unless the asker may not see it or there are enough.
  ///
  /// Sealed packs and the push's own are counted apart: no copies that a push sends hide what was admitted, whose kind
  /// is the object's.
  ///
  /// - Returns: whether more are wanted.
  private mutating func consider(_ entry: RunEntry, for query: Int) throws(PosternError) -> Bool {
    if try isFound(entry), taken[query].add(isSealed: rows[entry.pack] != nil) {
      candidates[entry.pack, default: []].append(Candidate(position: UInt32(entry.position), query: UInt32(query)))
    }
    return !taken[query].isFull(hasOwn: !own.numbers.isEmpty)
  }

  /// Places of the ids that a question is for.
  private func places(of query: UInt32) -> some Sequence<Int> {
    let start = Int(query)
    let prefix = ids[order[start]].prefix
    return order[start...].lazy.prefix { [ids] in ids[$0].prefix == prefix }
  }

  /// Runs a step whose failure means that one pack cannot be read, which others may hold the object of.
  ///
  /// A pack that was written anew meanwhile makes the whole search one of the past.
  @discardableResult
  private mutating func readable<Value>(
    _ pack: UInt64, _ step: (OpenFiles) throws(PosternError) -> Value
  ) throws(PosternError) -> Value? {
    do throws(PosternError) {
      return try step(files)
    } catch let error where error.isOfUnreadableFile {
      try noteUnreadable(pack, error)
      return nil
    }
  }

  private mutating func noteUnreadable(_ pack: UInt64, _ error: PosternError) throws(PosternError) {
    if rows[pack] != nil, try files.currentRow(pack)?.isSealed != true { isStale = true }
    found.unreadable = found.unreadable ?? error
  }

  /// Looks at a pack's footer: eight equal bytes are not yet an id.
  private mutating func confirm(_ pack: UInt64, in file: borrowing PackFile) throws(PosternError) {
    // A place that the footer does not have is one that rotted in a run, which is told when the run is verified.
    let wanted = (candidates[pack] ?? []).filter { $0.position < file.count && !isSettled($0.query) }
      .sorted { $0.position < $1.position }
    let isNew = rows[pack] == nil
    if let name = rows[pack]?.name { found.names[pack] = name }
    var objects = found.objects
    found.objects = []
    defer { found.objects = objects }
    try file.forEachEntry(at: wanted.map { Int($0.position) }) { (place, entry) in
      for index in places(of: wanted[place].query)
      where entry.id == ids[index] && (objects[index] == nil || entry.kind == preferredKind) {
        objects[index] = ObjectLocation(pack: pack, isNew: isNew, entry: entry)
      }
    }
  }

  /// Whether no other copy is looked for of any object that a question is for.
  private func isSettled(_ query: UInt32) -> Bool {
    places(of: query).allSatisfy { index in
      guard let object = found.objects[index] else { return false }
      return preferredKind == nil || object.entry.kind == preferredKind
    }
  }
}
