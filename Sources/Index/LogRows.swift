public import Core

/// A signed checkpoint of the log.
public struct CheckpointRow: Hashable, Sendable {
  /// How many entries the checkpoint covers.
  public let size: UInt64
  /// The signed note, as it is published.
  public let note: [UInt8]

  /// Makes a row.
  public init(size: UInt64, note: [UInt8]) {
    self.size = size
    self.note = note
  }
}

/// A leaf of the log.
public struct EntryRow: Hashable, Sendable {
  /// The leaf's index, from 0.
  public let index: UInt64
  /// The RFC 6962 hash of the leaf.
  public let leafHash: Digest
  /// The record's kind, as the leaf spells it.
  public let kind: UInt8
  /// The application, or zeros for the archive's own records.
  public let app: Digest
  /// The leaf, at most 65,535 bytes; opaque to the index.
  public let bytes: [UInt8]

  /// Makes a row.
  public init(index: UInt64, leafHash: Digest, kind: UInt8, app: Digest, bytes: [UInt8]) {
    self.index = index
    self.leafHash = leafHash
    self.kind = kind
    self.app = app
    self.bytes = bytes
  }
}

/// A tile of the log's hashes, as wide as it is so far (C2SP tlog-tiles).
public struct TileRow: Hashable, Sendable {
  /// How many hashes a full tile has.
  public static let width = 256

  /// 0 for leaf hashes, then one more for each 256-fold.
  public let level: UInt8
  /// The tile's number in its level, from 0.
  public let number: UInt64
  /// 1 to 256 hashes of 32 bytes.
  public let hashes: [UInt8]

  /// Makes a row.
  public init(level: UInt8, number: UInt64, hashes: [UInt8]) {
    self.level = level
    self.number = number
    self.hashes = hashes
  }
}
