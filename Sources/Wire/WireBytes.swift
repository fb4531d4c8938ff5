public import GRPCCore
public import NIOCore

/// The bytes of one message on the Postern wire: a short head and, for bulk messages, a tail that is not copied.
///
/// What arrives is one buffer. What leaves may be two, so that a chunk's bytes travel from the buffer they were
/// read into straight to the socket; only a reader that asks for one contiguous block pays for joining them.
public struct WireBytes: GRPCContiguousBytes, Sendable, Hashable {
  /// The first bytes, or all of them.
  public private(set) var head: ByteBuffer
  /// The bytes behind the head, where a serializer kept them apart.
  public private(set) var tail: ByteBuffer?

  /// A message in one buffer: its readable bytes.
  public init(_ buffer: ByteBuffer) {
    head = buffer
  }

  /// A message in two buffers, the readable bytes of one after the other.
  public init(head: ByteBuffer, tail: ByteBuffer) {
    self.head = head
    self.tail = tail.readableBytes == 0 ? nil : tail
  }

  /// One value, repeated.
  public init(repeating byte: UInt8, count: Int) {
    head = ByteBuffer(repeating: byte, count: count)
  }

  /// Bytes copied from a sequence.
  public init<Bytes: Sequence>(_ sequence: Bytes) where Bytes.Element == UInt8 {
    head = ByteBuffer(bytes: sequence)
  }

  /// How many bytes the message has.
  public var count: Int { head.readableBytes + (tail?.readableBytes ?? 0) }

  /// The message as one buffer; copies where it has a head and a tail.
  public var joined: ByteBuffer {
    guard let tail else { return head }
    var whole = ByteBufferAllocator().buffer(capacity: count)
    whole.writeImmutableBuffer(head)
    whole.writeImmutableBuffer(tail)
    return whole
  }

  /// Calls `body` with the message's bytes as one block.
  public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    guard tail != nil else { return try head.withUnsafeReadableBytes(body) }
    return try joined.withUnsafeReadableBytes(body)
  }

  /// Calls `body` with the message's bytes as one block that may be written.
  public mutating func withUnsafeMutableBytes<R>(
    _ body: (UnsafeMutableRawBufferPointer) throws -> R
  ) rethrows -> R {
    self = WireBytes(joined)
    return try head.withUnsafeMutableReadableBytes(body)
  }

  /// Whether two messages have the same bytes, however they are split.
  public static func == (left: WireBytes, right: WireBytes) -> Bool {
    left.joined == right.joined
  }

  /// Hashes the message's bytes, however they are split.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(joined)
  }
}
