public import Core

/// How far a pack has come.
public enum PackState: UInt8, Sendable {
  /// Its file is in `incoming/`, and its objects are visible to its own push alone.
  case open = 0
  /// Committed: its objects are the archive's, and its file may still be in `incoming/`.
  case sealed = 1
  /// Its file lies under its name in `packs/`.
  case placed = 2
  /// Nothing needs it: its push ended without it or gave it up, it was written anew, or another pack has its name. Its
  /// file and rows wait to be removed.
  case abandoned = 3

  /// The condition that a pack is the archive's, whether its file has its name yet or not.
  static let sealedSQL = "state BETWEEN \(sealed.rawValue) AND \(placed.rawValue)"
  /// The condition that no run lists a pack of the archive's: word for word that of the index `pack_loose`, which is
  /// not used otherwise.
  static let looseSQL = "is_indexed = 0 AND state IN (\(sealed.rawValue), \(placed.rawValue))"
}

/// A pack, as the index knows it.
public struct PackRow: Hashable, Sendable {
  /// One more than the largest number of a pack: a run's entry has 46 bits for it.
  public static let numberLimit: UInt64 = 1 << 46

  /// The pack's number in this archive, which names its file in `incoming/`; never used twice.
  public let number: UInt64
  /// The application whose objects it holds.
  public let app: Digest
  /// The generation whose objects it holds; 0 for bodies of the whole application.
  public let generation: UInt64
  /// SHA-256 of the footer, once the pack is sealed.
  public let name: Digest?
  /// How many bytes of the file are known to be durable; the whole file once it is finished.
  public let byteCount: UInt64
  /// How far the pack has come.
  public let state: PackState
  /// SHA-256 of the footer of a pack that has no ``name``: of an open one that is finished, the name that its commit
  /// gives it; of an abandoned one, the name that it had, under which its file may lie, or that it was to have, and
  /// then its file is in `incoming/`.
  public let finished: Digest?
  /// Whether the runs list its objects.
  public let isIndexed: Bool
  /// How many bytes of the file no retained epoch needs: those objects are found no more.
  public let deadByteCount: UInt64

  /// Makes a row.
  public init(
    number: UInt64, app: Digest, generation: UInt64, name: Digest?, byteCount: UInt64, state: PackState,
    finished: Digest? = nil, isIndexed: Bool = false, deadByteCount: UInt64 = 0
  ) {
    self.number = number
    self.app = app
    self.generation = generation
    self.name = name
    self.byteCount = byteCount
    self.state = state
    self.finished = finished
    self.isIndexed = isIndexed
    self.deadByteCount = deadByteCount
  }

  /// Whether the archive has admitted what the pack holds.
  public var isSealed: Bool { state == .sealed || state == .placed }

  /// Where its objects are found.
  public var space: Space { Space(app: app, generation: generation) }
}

/// A run, as the index knows it.
public struct RunRow: Hashable, Sendable {
  /// The run's number in this archive, which names its file; never used twice.
  public let number: UInt64
  /// How many entries it has.
  public let entryCount: Int

  /// Makes a row.
  public init(number: UInt64, entryCount: Int) {
    self.number = number
    self.entryCount = entryCount
  }
}

/// A run that becomes part of the index, and all packs whose objects it lists.
public struct ListingRun: Hashable, Sendable {
  /// The run, whose file is durable.
  public let run: RunRow
  /// The packs' numbers.
  public let packs: [UInt64]

  /// Names a run and its packs.
  public init(run: RunRow, packs: [UInt64]) {
    self.run = run
    self.packs = packs
  }
}

/// An application's generation, whose objects are found together.
public struct Space: Hashable, Sendable {
  /// The application.
  public let app: Digest
  /// The generation; 0 for bodies of the whole application.
  public let generation: UInt64

  /// Makes a value.
  public init(app: Digest, generation: UInt64) {
    self.app = app
    self.generation = generation
  }
}

/// Where the objects of one generation are to be looked for.
public struct SpaceStorage: Sendable {
  /// The runs, largest first.
  public let runs: [RunRow]
  /// Sealed packs that no run lists, oldest first: their footers have to be asked.
  public let loosePacks: [PackRow]
}

/// What a push's open pack durably holds since the batch before, to be noted in one transaction.
public struct EntryBatch: Sendable {
  /// The most bytes of one batch: a pack has no longer footer.
  public static let byteLimit = 12 << 20

  /// The pack and whose it is.
  public var pack: OpenPack
  /// The entries as the pack's footer will have them; the index keeps them and looks at none.
  public var entries: [UInt8]
  /// How many bytes of the pack's file are durable, these objects included.
  public var packByteCount: UInt64
  /// The time, in seconds since 1970: the push is not idle.
  public var nowSeconds: UInt64

  /// Makes a batch.
  public init(pack: OpenPack, entries: [UInt8], packByteCount: UInt64, nowSeconds: UInt64) {
    self.pack = pack
    self.entries = entries
    self.packByteCount = packByteCount
    self.nowSeconds = nowSeconds
  }
}

/// A pack that is still being written.
public struct OpenPack: Hashable, Sendable {
  /// The number from ``ArchiveIndex/reservePack()``.
  public let number: UInt64
  /// The application whose objects it holds.
  public let app: Digest
  /// The generation whose objects it holds; 0 for bodies of the whole application.
  public let generation: UInt64
  /// The push that writes it; nil for a pack of bodies that no push brings.
  public let push: PushToken?

  /// Makes a value.
  public init(number: UInt64, app: Digest, generation: UInt64, push: PushToken?) {
    self.number = number
    self.app = app
    self.generation = generation
    self.push = push
  }

  /// Where its objects are found once it is sealed.
  public var space: Space { Space(app: app, generation: generation) }
}
