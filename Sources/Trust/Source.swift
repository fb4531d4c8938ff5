public import Core
public import Merkle

/// The one way to read an archive: over the wire, or in a folder.
///
/// Whatever checks, copies or recovers an epoch reads through it. A source is trusted with nothing: what it gives is
/// bytes, and the caller checks them against a checkpoint or an id. An implementation bounds what it reads by
/// the coordinate's or the format's limit before it takes memory, and throws `source.absent` for what is not
/// there; every other failure (no connection, no permission) is an error of its own.
public protocol Source: Sendable {
  /// The newest checkpoint's note, at most ``Merkle/SignedNote/maximumByteCount`` bytes.
  func checkpoint() async throws -> [UInt8]

  /// A tile of hashes, exactly as wide as asked.
  ///
  /// A partial tile may be gone once the full one exists: an implementation then reads the full one and gives
  /// its beginning.
  func tile(_ coordinate: TileCoordinate) async throws -> [UInt8]

  /// A bundle of entries, exactly as wide as asked; cut from the full one where the partial one is gone.
  func entries(_ coordinate: BundleCoordinate) async throws -> [UInt8]

  /// A body of an application: a charter, signatures, an envelope, a veil, a capsule.
  ///
  /// - Parameters:
  ///   - app: whose it is.
  ///   - generation: of the epoch that names it; 0 for a charter and its signatures. Packs are kept by generation.
  ///   - digest: its SHA-256, which nobody has checked yet: see ``checkedBody(app:generation:digest:)``.
  func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8]

  /// Objects of one generation, in batches as they come; `receive` ends before the next batch is read.
  ///
  /// The order is the source's own, so that a folder can read its packs front to back. Objects that the source
  /// does not have are left out. Nobody has checked anything yet: whoever opens an object hashes it against its id
  /// (a chunk's and a node's opener do), refuses what was not asked for, and notices what did not come.
  ///
  /// - Parameters:
  ///   - query: which objects.
  ///   - receive: takes one batch; what it throws ends the reading and is thrown on.
  func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws
}

/// Which sealed objects are wanted of a source.
public struct ObjectQuery: Hashable, Sendable {
  /// The most objects of one query.
  public static let maximumCount = ProtocolLimits.requestedIdCount

  /// The application.
  public let app: Digest
  /// The generation whose packs hold them.
  public let generation: UInt64
  /// The objects' ids, none twice.
  public let ids: [Digest]

  /// A query.
  ///
  /// - Throws: `source.limit` for more than ``maximumCount`` ids or an id twice.
  public init(app: Digest, generation: UInt64, ids: [Digest]) throws(PosternError) {
    guard ids.count <= Self.maximumCount, Set(ids).count == ids.count else {
      throw PosternError(
        .sourceLimit, "A query for \(ids.count) objects is too large, or names one twice.",
        advice: "Ask for at most \(Self.maximumCount) different objects at a time.")
    }
    self.app = app
    self.generation = generation
    self.ids = ids
  }
}

/// A sealed object as it came from a source.
public struct SourceObject: Sendable {
  /// The id under which the source gave it.
  public let id: Digest
  /// The stored bytes; objects of one batch share their memory.
  public let bytes: SharedBytes

  /// An object, unchecked.
  public init(id: Digest, bytes: SharedBytes) {
    self.id = id
    self.bytes = bytes
  }

  /// An object of an array's bytes, unchecked.
  public init(id: Digest, bytes: ArraySlice<UInt8>) {
    self.init(id: id, bytes: SharedBytes(bytes, 0..<bytes.count))
  }
}

/// A part of memory that others hold as well: what came from a connection is opened and hashed where it came to lie.
public struct SharedBytes: Sendable {
  private let memory: any SharedMemory
  private let range: Range<Int>

  /// A part of some memory.
  ///
  /// - Parameters:
  ///   - memory: has at least the range's bytes.
  ///   - range: from the memory's first byte on, which is 0.
  public init(_ memory: some SharedMemory, _ range: Range<Int>) {
    self.memory = memory
    self.range = range
  }

  /// How many bytes there are.
  public var count: Int { range.count }

  /// The bytes, copied.
  public var array: [UInt8] { withUnsafeBytes { Array($0) } }

  /// Lends the bytes.
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try memory.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[range])) }
  }
}

/// Memory that does not change as long as somebody holds it.
public protocol SharedMemory: Sendable {
  /// Lends all of its bytes.
  func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result
}

extension ArraySlice: SharedMemory where Element == UInt8 {}
