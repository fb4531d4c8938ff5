public import Archive
import Core

/// A batch of objects in memory, as a connection hands one to the archive.
public struct MemoryBatch: IncomingBatch {
  /// The objects.
  public let objects: [BatchObject]
  private let bytes: [UInt8]

  /// A batch of these objects.
  public init(_ objects: some Sequence<StoredObject>) {
    self.init(
      objects.map { BatchObject(id: $0.id, kind: $0.kind, byteCount: $0.bytes.count) },
      bytes: objects.flatMap(\.bytes))
  }

  /// A batch whose list and bytes are told apart, and may not fit each other.
  public init(_ objects: [BatchObject], bytes: [UInt8]) {
    self.objects = objects
    self.bytes = bytes
  }

  /// Calls `body` with the bytes of all objects.
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try bytes.withUnsafeBytes(body)
  }
}
