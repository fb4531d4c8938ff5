public import Core
public import Envelope
public import Records

/// What either door gives of an epoch: the key of its capsule, and the veil secret to go on with.
public struct DoorOpening: ~Copyable, Sendable {
  /// The application.
  public let app: Digest
  /// The charter that the epoch was sealed under.
  public let charter: Charter
  /// The epoch.
  public let epoch: EpochFields
  /// RFC 6962 hash of the epoch's leaf.
  public let epochLeafHash: Digest
  /// The key that seals the epoch's capsule.
  public let capsuleKey: CapsuleKey
  /// `W`: what a node needs to seal further epochs in the same generation.
  public let veilSecret: VeilSecret

  /// An opening from what a door gave.
  public init(
    app: Digest, charter: Charter, epoch: EpochFields, epochLeafHash: Digest, capsuleKey: consuming CapsuleKey,
    veilSecret: consuming VeilSecret
  ) {
    self.app = app
    self.charter = charter
    self.epoch = epoch
    self.epochLeafHash = epochLeafHash
    self.capsuleKey = capsuleKey
    self.veilSecret = veilSecret
  }
}
