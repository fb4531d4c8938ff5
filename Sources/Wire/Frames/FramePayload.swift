import GRPCCore
import NIOCore

/// The payloads behind the headers, kind by kind: which lengths they may have, and how they read.
enum FramePayload {
  /// Which lengths a payload of that kind may have.
  static func lengths(of kind: FrameKind, messageLimit: Int, headerLimit: Int) -> ClosedRange<Int> {
    switch kind {
    case .request: 4...headerLimit
    case .response: 2...headerLimit
    case .message: 0...messageLimit
    case .end: 0...0
    case .status: 5...headerLimit
    case .reset: 1...1
    case .credit: 4...4
    case .ping, .pong: 8...8
    case .goAway: 7...7 + WireFormat.textLimit
    }
  }

  /// Reads a payload whose length the header was held to.
  static func parse(_ header: FrameHeader, _ payload: ByteBuffer) throws(CloseReason) -> Frame {
    var payload = payload
    let frame = try read(header, &payload)
    guard payload.readableBytes == 0 else { throw .malformed }
    return frame
  }

  private static func read(_ header: FrameHeader, _ payload: inout ByteBuffer) throws(CloseReason) -> Frame {
    switch header.kind {
    case .request:
      let method = try text(&payload, limit: WireFormat.methodLimit)
      guard isMethod(method) else { throw .malformed }
      return .request(header.stream, method: method, try MetadataCodec.decode(&payload))
    case .response:
      return .response(header.stream, try MetadataCodec.decode(&payload))
    case .message:
      return .message(header.stream, payload.readSlice(length: payload.readableBytes) ?? ByteBuffer())
    case .end:
      return .end(header.stream)
    case .status:
      guard let code = Status.Code(rawValue: Int(try integer(&payload, UInt8.self))) else { throw .malformed }
      let message = try text(&payload, limit: WireFormat.textLimit)
      return .status(header.stream, Status(code: code, message: message), try MetadataCodec.decode(&payload))
    case .reset:
      return .reset(header.stream, ResetReason(rawValue: try integer(&payload, UInt8.self)) ?? .internalError)
    case .credit:
      let bytes = try integer(&payload, UInt32.self)
      guard bytes > 0 else { throw .malformed }
      return .credit(header.stream, bytes)
    case .ping:
      return .ping(try integer(&payload, UInt64.self))
    case .pong:
      return .pong(try integer(&payload, UInt64.self))
    case .goAway:
      let last = try integer(&payload, UInt32.self)
      let reason = CloseReason(rawValue: try integer(&payload, UInt8.self)) ?? .other
      return .goAway(lastStream: last, reason, text: try text(&payload, limit: WireFormat.textLimit))
    }
  }

  /// Whether a text is `service/method` in graphic ASCII.
  static func isMethod(_ text: String) -> Bool {
    let utf8 = text.utf8
    guard utf8.count <= WireFormat.methodLimit, utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      let slash = utf8.lastIndex(of: UInt8(ascii: "/"))
    else { return false }
    return slash != utf8.startIndex && utf8.index(after: slash) != utf8.endIndex
  }

  /// A `str`: a `u16` length and that many bytes of UTF-8.
  private static func text(_ payload: inout ByteBuffer, limit: Int) throws(CloseReason) -> String {
    let length = Int(try integer(&payload, UInt16.self))
    guard length <= limit else { throw .tooLong }
    guard let bytes = payload.readSlice(length: length),
      let text = String(validating: bytes.readableBytesView, as: UTF8.self)
    else { throw .malformed }
    return text
  }

  private static func integer<Value: FixedWidthInteger>(
    _ payload: inout ByteBuffer, _ type: Value.Type
  ) throws(CloseReason) -> Value {
    guard let value = payload.readInteger(as: type) else { throw .malformed }
    return value
  }
}
