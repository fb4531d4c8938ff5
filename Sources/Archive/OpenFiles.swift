import Core
import Index
import Packs
import Synchronization

/// The archive's packs and runs: opened here, kept open, and removed here and nowhere else.
///
/// What was opened or read is kept from one question to the next: up to 128 packs, up to 96 runs with 64 MiB of their
/// fences, sums and filters, rows of 4,096 packs, 32 MiB of entries of packs that no run lists yet, and 16 MiB of what
/// is dead in packs.
/// Whoever removes a file lets go of what is known of it; who is reading it goes on.
final class OpenFiles: Sendable {
  let folder: DataFolder
  let index: ArchiveIndex
  private let packs = RecentlyUsed<UInt64, OpenedPack>(countLimit: 128)
  private let runs = RecentlyUsed<UInt64, RunFile>(countLimit: 96, costLimit: 64 << 20)
  private let rows = RecentlyUsed<UInt64, PackRow>(countLimit: 4_096)
  private let loose = RecentlyUsed<UInt64, [RunEntry]>(countLimit: 1_024, costLimit: 32 << 20)
  private let damageListener = Mutex<(@Sendable (Space) -> Void)?>(nil)
  private let dead = RecentlyUsed<UInt64, Bitmap>(countLimit: 4_096, costLimit: 16 << 20)

  /// A filter of more bytes is read from its file block by block.
  private static let filterByteLimit = 32 << 20

  /// Nothing is open yet.
  init(folder: DataFolder, index: ArchiveIndex) {
    self.folder = folder
    self.index = index
  }

  // MARK: What the index says of packs

  /// The row of a sealed pack; nil where the pack is none.
  func sealedRow(_ number: UInt64) throws(PosternError) -> PackRow? {
    try rows.valueIfAny(of: number) { () throws(PosternError) in
      guard let row = try currentRow(number), row.isSealed else { return nil }
      return row
    }
  }

  /// The row of a pack as it is now; nil where it has none.
  func currentRow(_ number: UInt64) throws(PosternError) -> PackRow? {
    try index.read { (snapshot) throws(PosternError) in try snapshot.pack(number) }
  }

  /// Which objects of a pack are dead, a bit for each place in its footer; none where the index knows none.
  func deadPositions(_ pack: UInt64) throws(PosternError) -> Bitmap {
    let known = try dead.valueIfAny(of: pack, cost: { $0.bytes.count }) { () throws(PosternError) in
      try index.read { (snapshot) throws(PosternError) in try snapshot.deadPositions(pack: pack) }
    }
    return known ?? Bitmap(count: 0)
  }

  /// Forgets what the index said of packs, of which more is dead now.
  func forgetRows(_ packs: some Sequence<UInt64>) {
    for pack in packs {
      rows.remove(pack)
      dead.remove(pack)
    }
  }

  // MARK: Packs

  /// A finished pack's open file.
  ///
  /// - Parameters:
  ///   - number: the pack's number.
  ///   - name: its name; nil while no commit has sealed it.
  ///   - space: application and generation.
  /// - Throws: as ``DataFolder/openPack(number:app:generation:name:)``.
  func pack(_ number: UInt64, _ name: Digest?, of space: Space) throws(PosternError) -> OpenedPack {
    try packs.value(of: number) { () throws(PosternError) in
      OpenedPack(try folder.openPack(number: number, app: space.app, generation: space.generation, name: name))
    }
  }

  /// A sealed pack's open file.
  ///
  /// - Throws: as ``pack(_:_:of:)``; `storage.missing` for a pack that is gone.
  func sealedPack(_ number: UInt64, of space: Space) throws(PosternError) -> OpenedPack {
    try pack(number, try sealedRow(number)?.name, of: space)
  }

  /// A sealed pack's entries, from its footer, which is the one that the pack is named for.
  ///
  /// - Throws: as ``pack(_:_:of:)``; `pack.wrong-name`, `pack.damaged`.
  func looseEntries(_ row: PackRow) throws(PosternError) -> [RunEntry] {
    try loose.value(of: row.number, cost: { $0.count * MemoryLayout<RunEntry>.stride }) { () throws(PosternError) in
      let pack = try pack(row.number, row.name, of: row.space)
      // What a run lists, and what it does not, is believed from then on.
      if let name = row.name ?? row.finished { try pack.file.verifyFooter(named: name) }
      return try pack.file.runEntries(number: row.number)
    }
  }

  /// Lets go of the entries of packs that a run lists now.
  func forgetLoose(_ packs: [UInt64]) { for pack in packs { loose.remove(pack) } }

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
      let isTaken = try index.read { (snapshot) throws(PosternError) in
        try snapshot.hasPack(named: name)
      }
      if !isTaken { placements.append(PackPlacement(pack, named: name)) }
    }
    try folder.removePlaced(placements)
  }

  // MARK: Runs

  /// A run's open file.
  ///
  /// - Throws: as ``RunFile/init(_:app:generation:filterByteLimit:files:)``.
  func run(_ row: RunRow, of space: Space) throws(PosternError) -> RunFile {
    try runs.value(of: row.number, cost: \.memoryByteCount) { () throws(PosternError) in
      // A filter that finds no room is read where it lies.
      let hasRoom = runs.hasRoom(for: RunFormat.filterByteCount(entryCount: row.entryCount))
      return try folder.openRun(
        number: row.number, app: space.app, generation: space.generation,
        filterByteLimit: hasRoom ? OpenFiles.filterByteLimit : 0)
    }
  }

  /// Says whom to tell of generations of which a run was found damaged.
  func tellOfDamagedRuns(_ tell: @escaping @Sendable (Space) -> Void) { damageListener.withLock { $0 = tell } }

  /// A question met a damaged run, which is made again from the packs.
  func noteDamagedRun(of space: Space) { damageListener.withLock { $0 }?(space) }

  /// Lets go of a run that is open: it is opened by its name when it is asked next.
  func closeRun(_ number: UInt64) { runs.remove(number) }

  /// Removes the file of a run; who is reading it goes on.
  ///
  /// - Throws: `storage.denied`, `storage.failed`.
  func removeRun(_ number: UInt64) throws(PosternError) {
    runs.remove(number)
    try folder.removeRun(number: number)
  }
}

/// Keeps an open file in a dictionary, which takes no value that has one owner.
final class OpenedPack: Sendable {
  let file: PackFile

  init(_ file: consuming PackFile) {
    self.file = file
  }
}
