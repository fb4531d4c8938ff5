public import Core

/// What a mark found dead in a generation: objects that no retained epoch needs.
public struct DeadMarks: Sendable {
  /// A pack with dead objects.
  public struct Pack: Sendable {
    /// The pack's number.
    public var number: UInt64
    /// A bit for each place in the pack's footer: those of dead objects are set.
    public var positions: Bitmap
    /// How many bytes of the file the dead objects and their lines in the footer take.
    public var byteCount: UInt64

    /// What is dead in a pack.
    public init(number: UInt64, positions: Bitmap, byteCount: UInt64) {
      self.number = number
      self.positions = positions
      self.byteCount = byteCount
    }
  }

  /// Application and generation.
  public var space: Space
  /// The generation's newest epoch when the mark began.
  public var newestOfGeneration: UInt64
  /// The application's newest epoch when the mark began, which says what was retained.
  public var newestEpoch: UInt64
  /// Sealed packs of the generation of which more is dead than the index knows.
  public var packs: [Pack]

  /// What a mark found.
  public init(space: Space, newestOfGeneration: UInt64, newestEpoch: UInt64, packs: [Pack]) {
    self.space = space
    self.newestOfGeneration = newestOfGeneration
    self.newestEpoch = newestEpoch
    self.packs = packs
  }
}

/// Which epochs a generation has, and what its newest collection left.
public struct GenerationUse: Hashable, Sendable {
  /// The generation, from 1.
  public let generation: UInt64
  /// Its first epoch.
  public let firstEpoch: UInt64
  /// Its newest epoch.
  public let lastEpoch: UInt64
  /// How many bytes its sealed packs have, without what is dead.
  public let byteCount: UInt64
  /// How many that was after its newest collection; nil before the first.
  public let collectedByteCount: UInt64?
  /// The application's newest epoch at that collection; nil before the first.
  public let collectedEpoch: UInt64?
}
