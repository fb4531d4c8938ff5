public import Core

/// What is to be copied, and where to.
public struct PullOptions: Sendable {
  /// The application.
  public var app: Digest
  /// Which epoch; nil for the newest that the archive shows.
  public var epoch: UInt64?
  /// The folder that the copy goes to, which is made where there is none; its parent exists.
  public var path: String
  /// Whether chunks that the folder has are read and hashed again, and replaced where they are damaged.
  public var checksHeld: Bool

  /// A copy of an application's epoch.
  public init(app: Digest, epoch: UInt64? = nil, path: String, checksHeld: Bool = false) {
    self.app = app
    self.epoch = epoch
    self.path = path
    self.checksHeld = checksHeld
  }
}

/// What a pull did: the folder holds the whole epoch now.
public struct PullReport: Sendable {
  /// The application, as the archive proved it.
  public let application: VerifiedApplication
  /// The epoch that the folder holds.
  public let epoch: VerifiedEpoch
  /// What was fetched and what was there.
  public let traffic: PullProgress
}

/// How far a pull is.
public struct PullProgress: Hashable, Sendable {
  /// Objects that were fetched: chunks, nodes and bodies.
  public internal(set) var fetchedObjectCount = 0
  /// Bytes of them.
  public internal(set) var fetchedByteCount = 0
  /// Objects that the folder had.
  public internal(set) var heldObjectCount = 0
  /// Bytes of them, as the dump's tree states them.
  public internal(set) var heldByteCount = 0
  /// Objects that the folder had and whose bytes were not those of their ids any more; all were fetched anew.
  public internal(set) var damagedObjectCount = 0
  /// Since the pull began.
  public internal(set) var elapsed = Duration.zero

  /// How fast objects come.
  public var bytesPerSecond: Double { Rate.bytesPerSecond(fetchedByteCount, in: elapsed) }
}
