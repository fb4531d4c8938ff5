public import Core

/// How far a pack has come.
public enum PackState: UInt8, Sendable {
  /// Its file is in `incoming/`, and its objects are visible to its own push alone.
  case open = 0
  /// Committed: its objects are the archive's, and its file may still be in `incoming/`.
  case sealed = 1
  /// Its file lies under its name in `packs/`.
  case placed = 2
  /// Its push ended without it: its file and rows wait to be removed.
  case abandoned = 3
}

/// A pack, as the index knows it.
public struct PackRow: Hashable, Sendable {
  /// The pack's number in this archive, which names its file in `incoming/`; never used twice.
  public let number: UInt64
  /// The application whose objects it holds.
  public let app: Digest
  /// The generation whose objects it holds; 0 for bodies of the whole application.
  public let generation: UInt64
  /// SHA-256 of the footer, once the pack is sealed.
  public let name: Digest?
  /// How many bytes of the file are known to be durable; the whole file once it is sealed.
  public let byteCount: UInt64
  /// How far the pack has come.
  public let state: PackState

  /// Makes a row.
  public init(number: UInt64, app: Digest, generation: UInt64, name: Digest?, byteCount: UInt64, state: PackState) {
    self.number = number
    self.app = app
    self.generation = generation
    self.name = name
    self.byteCount = byteCount
    self.state = state
  }
}

/// Where an object lies in its pack.
public struct ObjectRow: Hashable, Sendable {
  /// SHA-256 of the object's bytes.
  public let id: Digest
  /// What it is.
  public let kind: ObjectKind
  /// The object's first byte in the pack's file.
  public let offset: UInt64
  /// How many bytes it has.
  public let length: UInt32

  /// Makes a row.
  public init(id: Digest, kind: ObjectKind, offset: UInt64, length: UInt32) {
    self.id = id
    self.kind = kind
    self.offset = offset
    self.length = length
  }
}

/// Where an object can be read.
public struct ObjectLocation: Hashable, Sendable {
  /// The pack's number.
  public let pack: UInt64
  /// What it is.
  public let kind: ObjectKind
  /// The object's first byte in the pack's file.
  public let offset: UInt64
  /// How many bytes it has.
  public let length: UInt32

  /// Makes a value.
  public init(pack: UInt64, kind: ObjectKind, offset: UInt64, length: UInt32) {
    self.pack = pack
    self.kind = kind
    self.offset = offset
    self.length = length
  }
}

/// Where many objects can be read.
public struct ObjectLocations: Sendable {
  /// One for each id, in the order asked; nil where the archive holds no such object for the asker.
  public internal(set) var objects: [ObjectLocation?]
  /// The packs that the locations name, by number.
  public internal(set) var packs: [UInt64: PackRow]
}

/// Objects whose bytes a pack's file durably holds, to be entered in one transaction.
public struct ObjectBatch: Sendable {
  /// The most rows of one batch: 128 MiB of 16-KiB chunks, a sixth of a second among a million rows.
  ///
  /// Ids fall all over the table, and a page is written once a batch: a thousand rows at a time cost half as much
  /// again a row. Beyond this size nothing is gained, and a commit waits for the one batch that is under way.
  public static let rowLimit = 8_192

  /// The pack and whose it is.
  public var pack: OpenPack
  /// The rows, in any order, none entered before: at most ``rowLimit``.
  public var objects: [ObjectRow]
  /// How many bytes of the pack's file are durable, these objects included.
  public var packByteCount: UInt64
  /// How many bytes the push has used of its budget by now.
  public var pushUsedByteCount: UInt64
  /// The time, in seconds since 1970: the push is not idle.
  public var nowSeconds: UInt64

  /// Makes a batch.
  public init(
    pack: OpenPack, objects: [ObjectRow], packByteCount: UInt64, pushUsedByteCount: UInt64, nowSeconds: UInt64
  ) {
    self.pack = pack
    self.objects = objects
    self.packByteCount = packByteCount
    self.pushUsedByteCount = pushUsedByteCount
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
}
