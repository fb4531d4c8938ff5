public import Core

/// A push that begins.
public struct NewPush: Hashable, Sendable {
  /// The token of this begin.
  public let token: PushToken
  /// The application.
  public let app: Digest
  /// The uploader's key.
  public let uploader: Digest
  /// The epoch that the push is for.
  public let epoch: UInt64
  /// The RFC 6962 hash of the leaf of the epoch before.
  public let previous: Digest
  /// The generation that the push writes into.
  public let generation: UInt64
  /// The most bytes that the push may store.
  public let byteBudget: UInt64
  /// The most bytes of an older push's packs that this one takes over; larger ones are abandoned.
  public let adoptableByteCount: UInt64
  /// The time, in seconds since 1970.
  public let nowSeconds: UInt64

  /// Makes a value; it takes over up to its budget where it is told nothing else.
  public init(
    token: PushToken, app: Digest, uploader: Digest, epoch: UInt64, previous: Digest, generation: UInt64,
    byteBudget: UInt64, adoptableByteCount: UInt64? = nil, nowSeconds: UInt64
  ) {
    self.token = token
    self.app = app
    self.uploader = uploader
    self.epoch = epoch
    self.previous = previous
    self.generation = generation
    self.byteBudget = byteBudget
    self.adoptableByteCount = min(adoptableByteCount ?? byteBudget, byteBudget)
    self.nowSeconds = nowSeconds
  }
}

/// An open push.
public struct PushRow: Hashable, Sendable {
  /// The token of the newest begin.
  public let token: PushToken
  /// The application.
  public let app: Digest
  /// The uploader's key.
  public let uploader: Digest
  /// The epoch that the push is for.
  public let epoch: UInt64
  /// The RFC 6962 hash of the leaf of the epoch before.
  public let previous: Digest
  /// The generation that the push writes into.
  public let generation: UInt64
  /// The most bytes that the push may store.
  public let byteBudget: UInt64
  /// When it was last heard of, in seconds since 1970.
  public let touchedSeconds: UInt64
}

/// What opening a push did to the one before it.
public struct OpenedPush: Sendable {
  /// The older push's packs, now this push's: finish or adopt them.
  public let adopted: [PackRow]
  /// The older push's packs that this push cannot use: remove their files, then sweep.
  public let abandoned: [PackRow]
}
