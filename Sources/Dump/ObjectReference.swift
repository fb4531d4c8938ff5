public import Core

/// The key of one chunk or node: thirty-two bytes that open that object and no other.
///
/// It is a plain value, unlike the generation secret and the capsule key, because a gigabyte has 65,536 of
/// them and because whoever holds one in memory holds that piece of state there as well. It prints nothing.
public struct ObjectKey: Sendable, CustomStringConvertible, CustomReflectable {
  /// How many bytes a key has.
  public static let byteCount = 32

  private let value: Digest

  /// A key from thirty-two bytes; nil for any other length.
  public init?(_ bytes: some Collection<UInt8>) {
    guard let value = Digest(bytes) else { return nil }
    self.value = value
  }

  /// A key from the ``byteCount`` bytes at the start of a span.
  ///
  /// - Precondition: the span has at least ``byteCount`` bytes.
  public init(_ bytes: RawSpan) {
    value = Digest(bytes)
  }

  /// Calls `body` with the key's bytes.
  public func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try value.withUnsafeBytes(body)
  }

  /// The first eight bytes as a number, which decide where nodes are cut.
  var leadingWord: UInt64 { value.prefix }

  /// Never the key.
  public var description: String { "(a key)" }

  /// A mirror without children, so that a dump of the value shows nothing either.
  public var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}

/// What it takes to fetch a chunk or node, open it, and know how much state it holds.
public struct ObjectReference: Sendable {
  /// SHA-256 of the object's stored bytes.
  public let id: Digest
  /// Its key.
  public let key: ObjectKey
  /// How many bytes are stored.
  public let sealedByteCount: Int
  /// How many bytes of state the chunk, or everything below the node, holds.
  public let plainByteCount: Int

  /// A reference from its parts, unchecked.
  public init(id: Digest, key: ObjectKey, sealedByteCount: Int, plainByteCount: Int) {
    self.id = id
    self.key = key
    self.sealedByteCount = sealedByteCount
    self.plainByteCount = plainByteCount
  }
}
