public import Core
public import NIOCore

/// Objects that travel together: what an upload sends and what a reader gets.
///
/// On the wire it is the message `ObjectBatch` of `postern.proto`, byte for byte. Unlike the generated type it never
/// copies `data`: what arrives is a slice of the frame, and what leaves goes to the socket as it is.
public struct ObjectBatch: Sendable, Hashable {
  /// What a batch says of one object.
  public struct Object: Sendable, Hashable {
    /// SHA-256 of the object's bytes; whoever receives a batch checks it.
    public var id: Digest
    /// 1 for a chunk, 2 for a node, 3 for a body.
    public var kind: UInt8
    /// How many bytes of ``ObjectBatch/data`` are the object's.
    public var byteCount: Int

    /// An object of that many bytes.
    public init(id: Digest, kind: UInt8, byteCount: Int) {
      self.id = id
      self.kind = kind
      self.byteCount = byteCount
    }
  }

  /// Longest token, in bytes.
  public static let tokenLimit = 64
  /// Most objects in a batch.
  public static let objectLimit = ProtocolLimits.batchObjectCount
  /// Most bytes of objects in a batch, unless it is one object alone: 1 MiB.
  public static let dataLimit = ProtocolLimits.batchByteCount

  /// In an upload: the push's token.
  ///
  /// Empty in an answer.
  public let token: [UInt8]
  /// What `data` holds, in order.
  public let objects: [Object]
  /// The objects' bytes, one after the other.
  public let data: ByteBuffer

  /// A batch of objects.
  ///
  /// - Throws: ``Core/PosternError`` with `wire.malformed` when the objects' lengths do not add up to the data, with
  ///   `wire.too-large` beyond ``tokenLimit``, ``objectLimit`` or ``dataLimit``.
  public init(token: [UInt8] = [], objects: [Object], data: ByteBuffer) throws(PosternError) {
    guard token.count <= ObjectBatch.tokenLimit, objects.count <= ObjectBatch.objectLimit,
      data.readableBytes <= ObjectBatch.dataLimit || objects.count == 1
    else { throw ObjectBatch.tooLarge }
    var left = data.readableBytes
    for object in objects {
      guard object.byteCount >= 0, object.byteCount <= left else { throw ObjectBatch.mismatch }
      left -= object.byteCount
    }
    guard left == 0 else { throw ObjectBatch.mismatch }
    self.token = token
    self.objects = objects
    self.data = data
  }

  /// What is thrown beyond a limit.
  static var tooLarge: PosternError {
    PosternError(
      .wireTooLarge, "A batch has more objects, more data or a longer token than one message may have.",
      advice: "Send several batches.")
  }

  /// What is thrown when counts and lengths of a batch do not agree.
  static var mismatch: PosternError {
    PosternError(
      .wireMalformed, "A batch's lengths do not add up to its data.", advice: "Report it: the sender is broken.")
  }
}
