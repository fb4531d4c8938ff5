public import Core

/// Objects as they came in, one after the other in one piece of memory that nobody copies.
public protocol IncomingBatch: Sendable {
  /// The objects, in the order in which their bytes lie.
  var objects: [BatchObject] { get }

  /// Calls `body` with the bytes of all objects.
  func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result
}

/// One object of a batch, on its way in or out.
public struct BatchObject: Sendable {
  /// The id; of what comes in, the one that its sender claims.
  public let id: Digest
  /// An ``Core/ObjectKind``'s number, or what its sender claims to be one.
  public let kind: UInt8
  /// How many bytes it has.
  public let byteCount: Int

  /// An object of a batch.
  public init(id: Digest, kind: UInt8, byteCount: Int) {
    self.id = id
    self.kind = kind
    self.byteCount = byteCount
  }
}
