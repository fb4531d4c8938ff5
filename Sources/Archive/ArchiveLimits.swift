import Index

/// What an operator lets others take of an archive; every count is a bound on memory or disk.
public struct ArchiveLimits: Sendable {
  /// The most bytes that one push may send.
  public var pushByteCount: UInt64 = 1 << 40
  /// The most bytes that one application has stored, all its epochs and open pushes together; nil for no limit.
  public var applicationByteCount: UInt64?
  /// The most pushes open at once.
  public var openPushes = 256
  /// The most pushes that one application has open at once.
  public var openPushesPerApplication = 8
  /// The most pushes that one address has open at once: a registration is open to anyone, so that many applications are
  /// no way around the limit of one.
  public var openPushesPerAddress = 64
  /// The most applications that one address registers in a day.
  public var registrationsPerAddressAndDay = 1_000
  /// Packs of one push, of ``packObjectCount`` objects at most: as many as one commit takes.
  public var packsPerPush = CommitGroup.packLimit
  /// How long a push may stay idle before it is collected, in seconds.
  public var pushIdleSeconds: UInt64 = 3_600
  /// How long a nonce is good for, in seconds.
  public var nonceSeconds: UInt64 = 300
  /// Records from one address that wait to be checked, each with its request's place among those that are answered at
  /// once.
  public static let waitingCheckCount = 32
  /// Bytes after which what a push brought is made durable and noted, so that a crash loses no more of a long push.
  public static let notedByteCount: UInt64 = 64 << 20
  /// Objects of a pack that a push writes, an eighth of those that a pack may have: each is in memory until it is full.
  public static let packObjectCount = 1 << 15
  /// Entries of a push's finished packs in memory, 16 bytes each; of more, a run is made before the commit.
  public static let looseEntryCount = 1 << 16

  /// The limits of an archive that anyone may use.
  public init() {}
}
