public import Core

/// What stands for an application: the newest charter and epoch.
public struct ApplicationRow: Hashable, Sendable {
  /// The application.
  public var app: Digest
  /// The version of the charter in force, from 1.
  public var charterVersion: UInt64
  /// The index of the leaf that brought the charter in force.
  public var charterIndex: UInt64
  /// The digest of the charter in force.
  public var charterDigest: Digest
  /// The RFC 6962 hash of the leaf that brought the charter in force.
  public var charterLeafHash: Digest
  /// The newest epoch; nil before the first.
  public var epoch: NewestEpoch?
  /// The newest generation, from 1; 0 before the first epoch.
  public var generation: UInt64
  /// The newest epoch's state version; 0 before the first.
  public var stateVersion: UInt64

  /// Makes a row.
  public init(
    app: Digest, charterVersion: UInt64, charterIndex: UInt64, charterDigest: Digest, charterLeafHash: Digest,
    epoch: NewestEpoch? = nil, generation: UInt64 = 0, stateVersion: UInt64 = 0
  ) {
    self.app = app
    self.charterVersion = charterVersion
    self.charterIndex = charterIndex
    self.charterDigest = charterDigest
    self.charterLeafHash = charterLeafHash
    self.epoch = epoch
    self.generation = generation
    self.stateVersion = stateVersion
  }
}

/// Where an application's newest epoch stands.
public struct NewestEpoch: Hashable, Sendable {
  /// The epoch's number, from 1.
  public let number: UInt64
  /// The index of its leaf.
  public let index: UInt64
  /// The RFC 6962 hash of its leaf.
  public let leafHash: Digest

  /// Makes a value.
  public init(number: UInt64, index: UInt64, leafHash: Digest) {
    self.number = number
    self.index = index
    self.leafHash = leafHash
  }
}

/// A charter of an application.
public struct CharterRow: Hashable, Sendable {
  /// SHA-256 of the charter's body.
  public let digest: Digest
  /// The application.
  public let app: Digest
  /// The charter's version, from 1.
  public let version: UInt64
  /// The index of the leaf that brought it.
  public let index: UInt64

  /// Makes a row.
  public init(digest: Digest, app: Digest, version: UInt64, index: UInt64) {
    self.digest = digest
    self.app = app
    self.version = version
    self.index = index
  }
}

/// A generation of an application.
public struct GenerationRow: Hashable, Sendable {
  /// The application.
  public let app: Digest
  /// The generation's number, from 1.
  public let number: UInt64
  /// The veil's commitment, which no other generation of the application may have.
  public let veilCommitment: Digest
  /// The digest of the charter under which the generation opened.
  public let charterDigest: Digest
  /// The number of the generation's first epoch.
  public let firstEpoch: UInt64

  /// Makes a row.
  public init(app: Digest, number: UInt64, veilCommitment: Digest, charterDigest: Digest, firstEpoch: UInt64) {
    self.app = app
    self.number = number
    self.veilCommitment = veilCommitment
    self.charterDigest = charterDigest
    self.firstEpoch = firstEpoch
  }
}

/// An admitted epoch.
public struct EpochRow: Hashable, Sendable {
  /// What the uploader claims: application, number and what makes the epoch this one and no other.
  public let claim: EpochClaim
  /// The index of the epoch's leaf.
  public let index: UInt64
  /// The RFC 6962 hash of the epoch's leaf.
  public let leafHash: Digest
  /// The generation, from 1.
  public let generation: UInt64
  /// The digest of the recovery policy.
  public let policy: Digest
  /// The public commitment to the state, where the uploader gave one.
  public let commitment: Digest?
  /// How many bytes the epoch added to the archive.
  public let addedByteCount: UInt64

  /// Makes a row.
  public init(
    claim: EpochClaim, index: UInt64, leafHash: Digest, generation: UInt64, policy: Digest, commitment: Digest?,
    addedByteCount: UInt64
  ) {
    self.claim = claim
    self.index = index
    self.leafHash = leafHash
    self.generation = generation
    self.policy = policy
    self.commitment = commitment
    self.addedByteCount = addedByteCount
  }
}

/// What tells a repeat of an admitted epoch from another epoch of the same number.
public struct EpochClaim: Hashable, Sendable {
  /// The application.
  public let app: Digest
  /// The uploader's key.
  public let uploader: Digest
  /// The epoch's number, from 1.
  public let number: UInt64
  /// The RFC 6962 hash of the leaf of the epoch before; zeros for the first.
  public let previous: Digest
  /// The id of the dump's root node.
  public let root: Digest
  /// The state's version.
  public let stateVersion: UInt64

  /// Makes a claim.
  public init(
    app: Digest, uploader: Digest, number: UInt64, previous: Digest, root: Digest, stateVersion: UInt64
  ) {
    self.app = app
    self.uploader = uploader
    self.number = number
    self.previous = previous
    self.root = root
    self.stateVersion = stateVersion
  }
}
