import Core
public import GRPCCore
import NIOCore

/// Writes object batches as protocol buffers, with the data as the untouched tail of the message.
public struct ObjectBatchSerializer: MessageSerializer {
  /// A serializer; it has no state.
  public init() {}

  /// A batch as the bytes of `ObjectBatch` in `postern.proto`.
  ///
  /// To ``WireBytes`` nothing of the data is copied; any other bag of bytes gets a copy.
  public func serialize<Bytes: GRPCContiguousBytes>(_ message: ObjectBatch) throws -> Bytes {
    let bytes = WireBytes(head: ObjectBatchSerializer.head(of: message), tail: message.data)
    if let bytes = bytes as? Bytes { return bytes }
    return Bytes(bytes.joined.readableBytesView)
  }

  /// Everything before the data's own bytes.
  ///
  /// As in any generated code, empty fields are left out.
  private static func head(of batch: ObjectBatch) -> ByteBuffer {
    var head = ByteBuffer()
    head.reserveCapacity(64 + batch.token.count + batch.objects.count * (Digest.byteCount + 6))
    if !batch.token.isEmpty {
      head.writeKey(.token, length: batch.token.count)
      head.writeBytes(batch.token)
    }
    if !batch.objects.isEmpty {
      head.writeKey(.ids, length: batch.objects.count * Digest.byteCount)
      for object in batch.objects { object.id.withUnsafeBytes { _ = head.writeBytes($0) } }
      head.writeKey(.kinds, length: batch.objects.count)
      for object in batch.objects { head.writeInteger(object.kind) }
      head.writeKey(.lengths, length: batch.objects.reduce(0) { $0 + Varint.byteCount(UInt64($1.byteCount)) })
      for object in batch.objects { Varint.write(UInt64(object.byteCount), to: &head) }
    }
    if batch.data.readableBytes > 0 { head.writeKey(.data, length: batch.data.readableBytes) }
    return head
  }
}

/// Reads object batches from protocol buffers, with the data as a slice of the message.
public struct ObjectBatchDeserializer: MessageDeserializer {
  /// A deserializer; it has no state.
  public init() {}

  /// The batch in a message, however its sender ordered the fields.
  ///
  /// - Throws: ``Core/PosternError`` with `wire.malformed` when the bytes are no batch or its counts and lengths do
  ///   not agree, `wire.too-large` beyond a limit.
  public func deserialize<Bytes: GRPCContiguousBytes>(_ serializedMessageBytes: Bytes) throws -> ObjectBatch {
    let buffer: ByteBuffer
    if let bytes = serializedMessageBytes as? WireBytes {
      buffer = bytes.joined
    } else {
      buffer = serializedMessageBytes.withUnsafeBytes { ByteBuffer(bytes: $0) }
    }
    var fields = ObjectBatchFields()
    try fields.read(buffer)
    return try fields.batch()
  }
}

/// A batch's fields as they are met; the last one of its number counts, repeated ones gather.
private struct ObjectBatchFields {
  var token = ByteBuffer()
  var ids = ByteBuffer()
  var kinds = ByteBuffer()
  var lengths: [Int] = []
  var data = ByteBuffer()

  mutating func read(_ message: ByteBuffer) throws(PosternError) {
    var message = message
    while message.readableBytes > 0 {
      let key = try Varint.read(&message)
      guard key <= UInt64(UInt32.max), key >> 3 > 0 else { throw .malformedMessage }
      switch (ObjectBatchField(rawValue: Int(key >> 3)), key & 7) {
      case (.token, 2): token = try bytes(&message)
      case (.ids, 2): ids = try bytes(&message)
      case (.kinds, 2): kinds = try bytes(&message)
      case (.data, 2): data = try bytes(&message)
      case (.lengths, 0): try append(length: try Varint.read(&message))
      case (.lengths, 2):
        var packed = try bytes(&message)
        while packed.readableBytes > 0 { try append(length: try Varint.read(&packed)) }
      case (_, 0): _ = try Varint.read(&message)
      case (_, 1): try skip(8, &message)
      case (_, 2): _ = try bytes(&message)
      case (_, 5): try skip(4, &message)
      default: throw .malformedMessage
      }
    }
  }

  func batch() throws(PosternError) -> ObjectBatch {
    let count = lengths.count
    guard kinds.readableBytes == count, ids.readableBytes == count * Digest.byteCount else {
      throw ObjectBatch.mismatch
    }
    guard token.readableBytes <= ObjectBatch.tokenLimit else { throw ObjectBatch.tooLarge }
    var objects: [ObjectBatch.Object] = []
    objects.reserveCapacity(count)
    var ids = ids
    for (kind, length) in zip(kinds.readableBytesView, lengths) {
      guard let id = ids.readSlice(length: Digest.byteCount).flatMap({ Digest($0.readableBytesView) }) else {
        throw ObjectBatch.mismatch
      }
      objects.append(ObjectBatch.Object(id: id, kind: kind, byteCount: length))
    }
    return try ObjectBatch(token: Array(token.readableBytesView), objects: objects, data: data)
  }

  private mutating func append(length: UInt64) throws(PosternError) {
    guard lengths.count < ObjectBatch.objectLimit else { throw ObjectBatch.tooLarge }
    guard let length = Int(exactly: length), length <= WireFormat.messageCeiling else { throw ObjectBatch.mismatch }
    lengths.append(length)
  }

  private func bytes(_ message: inout ByteBuffer) throws(PosternError) -> ByteBuffer {
    guard let length = Int(exactly: try Varint.read(&message)), let bytes = message.readSlice(length: length) else {
      throw .malformedMessage
    }
    return bytes
  }

  private func skip(_ count: Int, _ message: inout ByteBuffer) throws(PosternError) {
    guard message.readableBytes >= count else { throw .malformedMessage }
    message.moveReaderIndex(forwardBy: count)
  }
}

/// The numbers of the fields in `postern.proto`.
private enum ObjectBatchField: Int {
  case token = 1
  case ids = 2
  case kinds = 3
  case lengths = 4
  case data = 15
}

/// Protocol buffers' variable-length integers: seven bits a byte, lowest first.
private enum Varint {
  static func byteCount(_ value: UInt64) -> Int {
    max(1, (UInt64.bitWidth - value.leadingZeroBitCount + 6) / 7)
  }

  static func write(_ value: UInt64, to buffer: inout ByteBuffer) {
    var rest = value
    while rest >= 0x80 {
      buffer.writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    buffer.writeInteger(UInt8(rest))
  }

  static func read(_ buffer: inout ByteBuffer) throws(PosternError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard let byte = buffer.readInteger(as: UInt8.self) else { throw .malformedMessage }
      // The tenth byte has room for one bit.
      guard shift < 63 || byte <= 1 else { throw .malformedMessage }
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw .malformedMessage
  }
}

extension ByteBuffer {
  /// A field's key and the length of its bytes (wire type 2).
  fileprivate mutating func writeKey(_ field: ObjectBatchField, length: Int) {
    Varint.write(UInt64(field.rawValue) << 3 | 2, to: &self)
    Varint.write(UInt64(length), to: &self)
  }
}

extension PosternError {
  /// What is thrown when a message's bytes do not read as protocol buffers.
  fileprivate static var malformedMessage: PosternError {
    PosternError(
      .wireMalformed, "A message does not read as its format says.", advice: "Report it: the sender is broken.")
  }
}
