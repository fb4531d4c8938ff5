package import GRPCCore
package import NIOCore

/// Writes frames.
package enum FrameEncoder {
  /// A frame in one buffer.
  ///
  /// - Throws: `RPCError` with `invalidArgument` when metadata cannot be sent, `resourceExhausted` when the frame is
  ///   longer than the peer accepts.
  package static func encode(_ frame: Frame, headerLimit: Int = WireFormat.headerCeiling) throws(RPCError) -> ByteBuffer
  {
    var buffer = ByteBuffer()
    let (kind, stream) = kindAndStream(frame)
    writeHeader(FrameHeader(length: 0, kind: kind, stream: stream), into: &buffer)
    try writePayload(frame, into: &buffer)
    let length = buffer.readableBytes - FrameHeader.byteCount
    if kind == .request || kind == .response || kind == .status, length > headerLimit {
      throw RPCError(code: .resourceExhausted, message: "The metadata is longer than the peer accepts.")
    }
    buffer.setInteger(UInt32(length), at: buffer.readerIndex)
    return buffer
  }

  /// A message frame without a copy of the bulk: the header with the message's head, then the tail as it is.
  package static func encodeMessage(_ bytes: WireBytes, stream: StreamID) -> (first: ByteBuffer, second: ByteBuffer?) {
    let header = FrameHeader(length: bytes.count, kind: .message, stream: stream)
    // A head that long is a message of its own, not the short start of a bulk message: it is not copied either.
    let copied = bytes.head.readableBytes <= 16 << 10
    var first = ByteBufferAllocator().buffer(
      capacity: FrameHeader.byteCount + (copied ? bytes.head.readableBytes : 0))
    writeHeader(header, into: &first)
    guard copied || bytes.tail != nil else { return (first, bytes.head) }
    first.writeImmutableBuffer(bytes.head)
    return (first, bytes.tail)
  }

  private static func writeHeader(_ header: FrameHeader, into buffer: inout ByteBuffer) {
    buffer.writeInteger(UInt32(header.length))
    buffer.writeInteger(header.kind.rawValue)
    buffer.writeInteger(UInt8(0))
    buffer.writeInteger(header.stream)
  }

  private static func kindAndStream(_ frame: Frame) -> (FrameKind, StreamID) {
    switch frame {
    case .request(let stream, _, _): (.request, stream)
    case .response(let stream, _): (.response, stream)
    case .message(let stream, _): (.message, stream)
    case .end(let stream): (.end, stream)
    case .status(let stream, _, _): (.status, stream)
    case .reset(let stream, _): (.reset, stream)
    case .credit(let stream, _): (.credit, stream)
    case .ping: (.ping, 0)
    case .pong: (.pong, 0)
    case .goAway: (.goAway, 0)
    }
  }

  private static func writePayload(_ frame: Frame, into buffer: inout ByteBuffer) throws(RPCError) {
    switch frame {
    case .request(_, let method, let metadata):
      guard FramePayload.isMethod(method) else {
        throw RPCError(code: .invalidArgument, message: "The method's name cannot be sent.")
      }
      writeText(method, into: &buffer)
      try MetadataCodec.encode(metadata, into: &buffer)
    case .response(_, let metadata):
      try MetadataCodec.encode(metadata, into: &buffer)
    case .message(_, let payload):
      buffer.writeImmutableBuffer(payload)
    case .end:
      break
    case .status(_, let status, let metadata):
      buffer.writeInteger(UInt8(status.code.rawValue))
      writeText(status.message, into: &buffer)
      try MetadataCodec.encode(metadata, into: &buffer)
    case .reset(_, let reason):
      buffer.writeInteger(reason.rawValue)
    case .credit(_, let bytes):
      buffer.writeInteger(bytes)
    case .ping(let value), .pong(let value):
      buffer.writeInteger(value)
    case .goAway(let last, let reason, let text):
      buffer.writeInteger(last)
      buffer.writeInteger(reason.rawValue)
      writeText(text, into: &buffer)
    }
  }

  /// A `str`, cut at a character where it is longer than the format allows.
  private static func writeText(_ text: String, into buffer: inout ByteBuffer) {
    var kept = Substring(text)
    while kept.utf8.count > WireFormat.textLimit {
      // One character can have any number of bytes, so halve while it is far too long, then go one by one.
      kept = kept.count > WireFormat.textLimit ? kept.prefix(WireFormat.textLimit) : kept.dropLast()
    }
    buffer.writeInteger(UInt16(kept.utf8.count))
    buffer.writeSubstring(kept)
  }
}
