public import Core
public import Sodium

/// What the log says of one application: what `apply` reads and what it changes.
public struct ApplicationState: Hashable, Sendable {
  /// The charter in force.
  public struct CharterLine: Hashable, Sendable {
    /// Its version, from 1.
    public let version: UInt64
    /// Its digest.
    public let digest: Digest
    /// RFC 6962 hash of its leaf.
    public let leafHash: Digest

    /// A charter line, as an index keeps it.
    public init(version: UInt64, digest: Digest, leafHash: Digest) {
      self.version = version
      self.digest = digest
      self.leafHash = leafHash
    }
  }

  /// The newest epoch.
  public struct EpochLine: Hashable, Sendable {
    /// Its number, from 1.
    public let number: UInt64
    /// RFC 6962 hash of its leaf.
    public let leafHash: Digest
    /// Its state version.
    public let stateVersion: UInt64

    /// An epoch line, as an index keeps it.
    public init(number: UInt64, leafHash: Digest, stateVersion: UInt64) {
      self.number = number
      self.leafHash = leafHash
      self.stateVersion = stateVersion
    }
  }

  /// The newest generation.
  public struct GenerationLine: Hashable, Sendable {
    /// Its number, from 1.
    public let number: UInt64
    /// Digest of its veil's body.
    public let veil: Digest
    /// The commitment that the veil opens to.
    public let veilCommit: Digest

    /// A generation line, as an index keeps it.
    public init(number: UInt64, veil: Digest, veilCommit: Digest) {
      self.number = number
      self.veil = veil
      self.veilCommit = veilCommit
    }
  }

  /// The charter in force.
  public var charter: CharterLine
  /// The newest epoch; nil before the first.
  public var epoch: EpochLine?
  /// The newest generation; nil before the first epoch.
  public var generation: GenerationLine?

  /// An application's state, as an index keeps it.
  public init(charter: CharterLine, epoch: EpochLine?, generation: GenerationLine?) {
    self.charter = charter
    self.epoch = epoch
    self.generation = generation
  }
}

/// What makes two epoch records the same push: a repeat gets the receipt of the first.
///
/// A client judges with it whether the record in a receipt is a repeat of the one that it sent. An archive's index
/// keeps the same six facts as its `EpochClaim`, in which the uploader's key is the 32 bytes of a digest: it lies
/// below the records, and knows none. `Schema/records.md` says what they mean; both are equal where all six are.
public struct EpochIdentity: Hashable, Sendable {
  /// The application.
  public let app: Digest
  /// Who pushed.
  public let uploader: VerificationKey
  /// The epoch's number.
  public let epoch: UInt64
  /// The leaf hash that it follows.
  public let previous: Digest
  /// The root's id.
  public let root: Digest
  /// The state version.
  public let stateVersion: UInt64
}

extension Record {
  /// What a repeat of this record would share with it; nil for other kinds than epochs.
  public var epochIdentity: EpochIdentity? {
    guard case .epoch(let fields) = fields else { return nil }
    return EpochIdentity(
      app: app, uploader: author.key, epoch: fields.number, previous: fields.previous, root: fields.root,
      stateVersion: fields.stateVersion)
  }
}
