import Bulk
import Core
package import Index
import Packs
import Synchronization

/// Keeps the index's runs: lists packs in runs once they are many, and merges runs so that they stay few.
///
/// A run's file is durable before the index names it, and is removed after the index has forgotten it; so a stop at any
/// step leaves files that no row names, which the next start removes. Nothing here is needed to find what was admitted:
/// of a pack that no run lists, the footer is asked. An open push lets go of what a run lists of it, so that this stays
/// listed.
///
/// It works on a queue of its own, one generation after the other.
package actor RunKeeper {
  private let files: OpenFiles
  private let due = Mutex<[Space: Reason]>([:])
  private let queue = SerialQueue(label: "postern.runs")
  private let turns = Turns()
  /// Whether all runs have been read since the start.
  private var isVerified = false

  /// Packs of a generation that no run lists; with as many, they get one.
  static let loosePackLimit = 16
  /// Entries of packs of a generation that no run lists; with as many, they get one.
  static let looseEntryLimit = 1 << 16
  /// Entries that are sorted in memory at once, 16 bytes each, and those of one pack beyond.
  private static let sortedEntryLimit = 1 << 19
  /// What an object takes in a pack at least: an authentication tag, and its line in the footer.
  private static let leastObjectByteCount = UInt64(AES256GCM.tagByteCount + PackFormat.entryByteCount)
  /// How often it is tried to forget a generation's runs beside a push that lists more.
  private static let forgettingAttemptCount = 4
  /// Pages of a run that are looked at to see how much of it is of packs that are gone.
  private static let samplePageCount = 16

  /// Why a generation's runs have to be looked at.
  private enum Reason {
    /// Packs came.
    case more
    /// Packs that runs list are gone, and maybe more came.
    case less
    /// A run is damaged.
    case damaged
  }

  package nonisolated var unownedExecutor: UnownedSerialExecutor { queue.asUnownedSerialExecutor() }

  /// A keeper of an archive's runs.
  init(_ files: OpenFiles) { self.files = files }

  // MARK: At a start

  /// Brings folder and index together: files that no row names are removed, and where a run's file is gone or is not
  /// as it was written, all runs are built again from the packs.
  ///
  /// - Throws: `storage.*`, `index.*`.
  func settle() async throws(PosternError) {
    // Where a push is given up meanwhile, runs are merged: a run's file is there before its row.
    await turns.take()
    defer { turns.pass() }
    let named = try files.index.read { (snapshot) throws(PosternError) in try snapshot.runs() }
    let there = try files.folder.runs()
    guard Set(named).isSubset(of: there), try areSound() else { return try await rebuild() }
    isVerified = true
    for number in Set(there).subtracting(named) { try files.removeRun(number) }
    try await listLoosePacks()
    // What was given up right before a stop, and by versions that let such runs be.
    for space in try spacesWithRuns() { try await tidy(space, .less) }
  }

  /// Whether every run is as it was written: 16 bytes for each object of the archive are read.
  private func areSound() throws(PosternError) -> Bool {
    // A start that a full disk keeps from its end comes here again.
    if isVerified { return true }
    for space in try spacesWithRuns() where try !isSound(space) { return false }
    return true
  }

  private func isSound(_ space: Space) throws(PosternError) -> Bool {
    for row in try storage(of: space)?.runs ?? [] {
      do throws(PosternError) {
        try openBriefly(row, of: space).verify()
      } catch let error where error.isOfUnreadableRun {
        return false
      }
    }
    return true
  }

  private func spacesWithRuns() throws(PosternError) -> [Space] {
    var spaces: [Space] = []
    var last: UInt64?
    while true {
      let page = try files.index.read { (snapshot) throws(PosternError) in try snapshot.spacesWithRuns(after: last) }
      spaces += page.map(\.space)
      guard page.count == ArchiveIndex.pageLimit else { return spaces }
      last = page.last?.number
    }
  }

  /// Forgets all runs, and builds them from the footers of the packs.
  private func rebuild() async throws(PosternError) {
    try await files.index.writer.forgetRuns()
    // What cannot be removed has no row, and a number that is not used again.
    remove(try files.folder.runs())
    isVerified = true
    try await listLoosePacks()
  }

  /// Forgets a generation's runs: its packs are loose until they are listed again.
  ///
  /// Those of open pushes stay listed, in runs of their own, since their pushes have let go of what they hold. Beside a
  /// push that lists more all the time it may be given up; who meets the damage next, a tidying also, asks for it again.
  private func forgetRuns(of space: Space) async throws(PosternError) {
    for _ in 0..<RunKeeper.forgettingAttemptCount {
      let runs = try storage(of: space)?.runs.map(\.number) ?? []
      // A push that lists more meanwhile adds a run, and all is looked at again.
      var open: [PackRow] = []
      try files.index.forEachPage(of: .open) { page in open += page.filter { $0.isIndexed && $0.space == space } }
      let kept = try newRuns(listing: open, in: space)
      let isForgotten = try await offering(kept.map(\.run.number)) { () async throws(PosternError) in
        try await files.index.writer.forgetRuns(runs, of: space, butFor: kept)
      }
      guard isForgotten else { continue }
      remove(runs)
      return
    }
  }

  /// Lets the index take runs whose files lie there, and removes the files of those that it does not take.
  ///
  /// After a commit whose outcome nobody knows they stay: the process ends, and the next start sees which were taken.
  ///
  /// - Parameter take: whether it took them.
  /// - Returns: the same.
  private func offering(
    _ runs: [UInt64], isolation: isolated (any Actor)? = #isolation, _ take: () async throws(PosternError) -> Bool
  ) async throws(PosternError) -> Bool {
    var isTaken = false
    do throws(PosternError) {
      isTaken = try await take()
    } catch {
      if !error.endsTheProcess { remove(runs) }
      throw error
    }
    if !isTaken { remove(runs) }
    return isTaken
  }

  /// Removes the files of runs that no row names; those that cannot be removed now are at the next start.
  private nonisolated func remove(_ runs: [UInt64]) {
    for number in runs { try? files.removeRun(number) }
  }

  /// Writes runs that list packs, as far as these can be read.
  private func newRuns(listing packs: [PackRow], in space: Space) throws(PosternError) -> [ListingRun] {
    var written: [ListingRun] = []
    do throws(PosternError) {
      var rest = packs[...]
      while !rest.isEmpty {
        let (entries, listed) = try entries(ofFirst: &rest)
        if !listed.isEmpty { written.append(ListingRun(run: try write(entries, of: space), packs: listed)) }
      }
      return written
    } catch {
      remove(written.map(\.run.number))
      throw error
    }
  }

  /// The entries of the first packs, so many as are sorted at once, without those that cannot be read.
  private func entries(
    ofFirst packs: inout ArraySlice<PackRow>
  ) throws(PosternError) -> (entries: [RunEntry], packs: [UInt64]) {
    var all: (entries: [RunEntry], packs: [UInt64]) = ([], [])
    while all.entries.count < RunKeeper.sortedEntryLimit, let pack = packs.popFirst() {
      let (entries, listed) = try entries(of: [pack])
      all.entries += entries
      all.packs += listed
    }
    return all
  }

  private func listLoosePacks() async throws(PosternError) {
    var tried: Set<Space> = []
    while true {
      let spaces = try files.index.read { (snapshot) throws(PosternError) in
        try snapshot.spaces(withLoosePacks: RunKeeper.loosePackLimit)
      }
      let new = spaces.filter { tried.insert($0).inserted }
      if new.isEmpty { return }
      for space in new { try await tidy(space, .more) }
    }
  }

  // MARK: While the archive is open

  /// Notes that packs of a generation were sealed.
  nonisolated func note(_ spaces: some Sequence<Space>) {
    due.withLock { due in
      for space in spaces where due[space] == nil { due[space] = .more }
    }
  }

  /// Notes that packs were abandoned.
  ///
  /// - Returns: whether runs list any of them.
  nonisolated func noteGone(_ packs: some Sequence<PackRow>) -> Bool {
    let spaces = Set(packs.filter(\.isIndexed).map(\.space))
    due.withLock { due in
      for space in spaces where due[space] != .damaged { due[space] = .less }
    }
    return !spaces.isEmpty
  }

  /// Notes that a run of a generation was found damaged or gone: all of the generation's are made again.
  nonisolated func noteDamaged(_ space: Space) {
    due.withLock { $0[space] = .damaged }
  }

  /// Tidies the generations that were noted.
  ///
  /// - Throws: `storage.*`, `index.*`.
  func tidy() async throws(PosternError) {
    while let (space, reason) = due.withLock({ $0.popFirst() }) {
      await turns.take()
      defer { turns.pass() }
      try await tidy(space, reason)
    }
  }

  /// Lists finished packs in a run, before or after their commit.
  ///
  /// - Parameters:
  ///   - entries: all entries of the packs, sorted or not.
  ///   - packs: the packs, which the index knows.
  ///   - space: application and generation of all of them.
  /// - Throws: `storage.*`, `index.*`; nothing is left then, or a file that the next start removes.
  func list(
    _ entries: [RunEntry], of packs: [UInt64], in space: Space, isolation: isolated (any Actor)? = #isolation
  ) async throws(PosternError) {
    let run = try write(entries, of: space)
    _ = try await offering([run.number]) { () async throws(PosternError) in
      try await files.index.writer.addRun(run, of: space, listing: packs)
      return true
    }
    files.forgetLoose(packs)
  }

  /// Tidies a generation; the caller has the turn.
  private func tidy(_ space: Space, _ reason: Reason) async throws(PosternError) {
    if reason == .damaged {
      // What is open may be another file than the one that lies there now.
      for row in try storage(of: space)?.runs ?? [] { files.closeRun(row.number) }
      // Those who asked meanwhile may have found what is made again already.
      if try !isSound(space) { try await forgetRuns(of: space) }
    }
    var isMade = false
    while let storage = try storage(of: space) {
      if let packs = try duePacks(storage), try await list(packs, in: space) {
        continue
      } else {
        var runs = RunKeeper.merged(storage.runs)
        if runs.isEmpty, reason != .more { runs = try superfluousRun(of: storage, in: space) }
        if runs.isEmpty { return }
        do throws(PosternError) {
          try await merge(runs, in: space)
        } catch let error where !isMade && error.isOfUnreadableRun {
          try await forgetRuns(of: space)
          isMade = true
        }
      }
    }
  }

  private func storage(of space: Space) throws(PosternError) -> SpaceStorage? {
    try files.index.read { (snapshot) throws(PosternError) in try snapshot.storage(space) }
  }

  /// The packs that get a run now; nil where they are too few.
  private func duePacks(_ storage: SpaceStorage) throws(PosternError) -> [PackRow]? {
    // Without a look at their files, which hold no more objects than this.
    let byteCount = storage.loosePacks.reduce(0) { $0 + $1.byteCount }
    guard
      storage.loosePacks.count >= RunKeeper.loosePackLimit
        || byteCount / RunKeeper.leastObjectByteCount >= RunKeeper.looseEntryLimit
    else { return nil }
    var packs: [PackRow] = []
    var entryCount = 0
    for pack in storage.loosePacks where entryCount < RunKeeper.sortedEntryLimit {
      do throws(PosternError) {
        entryCount += try files.pack(pack.number, pack.name, of: pack.space).file.count
        packs.append(pack)
      } catch let error where error.isOfUnreadableFile {}
    }
    return RunKeeper.isDue(packs.count, entryCount) ? packs : nil
  }

  private static func isDue(_ packCount: Int, _ entryCount: Int) -> Bool {
    packCount >= loosePackLimit || entryCount >= looseEntryLimit
  }

  /// Lists packs in a run, unless too many of them cannot be read.
  ///
  /// One that cannot stays out of every run until it is restored; who asks for its objects is told.
  ///
  /// - Returns: whether there is a run more.
  private func list(_ packs: [PackRow], in space: Space) async throws(PosternError) -> Bool {
    let (entries, listed) = try entries(of: packs)
    guard RunKeeper.isDue(listed.count, entries.count) else { return false }
    try await list(entries, of: listed, in: space)
    return true
  }

  /// The entries of those packs that can be read.
  private func entries(of packs: [PackRow]) throws(PosternError) -> (entries: [RunEntry], packs: [UInt64]) {
    var entries: [RunEntry] = []
    var readable: [UInt64] = []
    for pack in packs {
      do throws(PosternError) {
        entries += try files.looseEntries(pack)
        readable.append(pack.number)
      } catch let error where error.isOfUnreadableFile {}
    }
    return (entries, readable)
  }

  /// Which runs are merged next: the smallest ones, as soon as they have together half of what the next larger has.
  ///
  /// So each run has more than twice as many entries as all smaller ones together: 10^7 entries are in a dozen runs at
  /// most, and each is written less than fifteen times.
  ///
  /// - Parameter runs: those of a generation, largest first.
  /// - Returns: at least two runs; none where all is well.
  package static func merged(_ runs: [RunRow]) -> [RunRow] {
    let small = runs.filter { $0.entryCount < RunFormat.mergedEntryLimit }
    var rest = small.reduce(0) { $0 + $1.entryCount }
    for (position, run) in small.dropLast().enumerated() {
      rest -= run.entryCount
      if run.entryCount <= 2 * rest { return Array(small[position...]) }
    }
    return []
  }

  /// A run of which half the entries or more are of packs that are gone, if there is one.
  ///
  /// It is written anew without them, and removed where none is left: so what was given up takes no more room than what
  /// is there.
  private func superfluousRun(of storage: SpaceStorage, in space: Space) throws(PosternError) -> [RunRow] {
    var isThere: [UInt64: Bool] = [:]
    for row in storage.runs {
      do throws(PosternError) {
        let entries = try openBriefly(row, of: space).sample(pageCount: RunKeeper.samplePageCount)
        var goneCount = 0
        for entry in entries where try !self.isThere(entry.pack, &isThere) { goneCount += 1 }
        if 2 * goneCount >= entries.count { return [row] }
      } catch let error where error.isOfUnreadableRun {
        noteDamaged(space)
      }
    }
    return []
  }

  /// Opens a run that is not to stay open, nor with its filter.
  private nonisolated func openBriefly(_ row: RunRow, of space: Space) throws(PosternError) -> RunFile {
    try files.folder.openRun(number: row.number, app: space.app, generation: space.generation, filterByteLimit: 0)
  }

  /// Whether a pack is the archive's or an open push's; one that is gone never comes back, since no number is used
  /// again.
  private nonisolated func isThere(_ pack: UInt64, _ known: inout [UInt64: Bool]) throws(PosternError) -> Bool {
    if let isThere = known[pack] { return isThere }
    let row = try files.index.read { (snapshot) throws(PosternError) in try snapshot.pack(pack) }
    let isThere = row.map { $0.state != .abandoned } ?? false
    known[pack] = isThere
    return isThere
  }

  private func merge(_ rows: [RunRow], in space: Space) async throws(PosternError) {
    let runs = try rows.map { (row) throws(PosternError) in try files.run(row, of: space) }
    var isKept: [UInt64: Bool] = [:]
    let run = try write(space, entryLimit: rows.reduce(0) { $0 + $1.entryCount }) { (writer) throws(PosternError) in
      try writer.append(merging: runs) { (pack) throws(PosternError) in try isThere(pack, &isKept) }
    }
    let numbers = rows.map(\.number)
    _ = try await offering([run.number]) { () async throws(PosternError) in
      try await files.index.writer.replaceRuns(numbers, by: run.entryCount > 0 ? run : nil, of: space)
      return true
    }
    remove(run.entryCount > 0 ? numbers : numbers + [run.number])
  }

  /// Writes a run of some entries, sorted or not.
  private nonisolated func write(_ entries: [RunEntry], of space: Space) throws(PosternError) -> RunRow {
    let sorted = entries.sorted()
    return try write(space, entryLimit: entries.count) { (writer) throws(PosternError) in
      for entry in sorted { try writer.append(entry) }
    }
  }

  /// Writes a run's file and makes it and its name durable.
  private nonisolated func write(
    _ space: Space, entryLimit: Int, _ body: (inout RunWriter) throws(PosternError) -> Void
  ) throws(PosternError) -> RunRow {
    let number = files.index.reserveRun()
    do throws(PosternError) {
      var writer = try files.folder.createRun(
        number: number, app: space.app, generation: space.generation, entryLimit: entryLimit)
      try body(&writer)
      let entryCount = try writer.finish()
      try files.folder.syncRuns()
      return RunRow(number: number, entryCount: entryCount)
    } catch {
      remove([number])
      throw error
    }
  }
}
