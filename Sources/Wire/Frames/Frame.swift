package import GRPCCore
package import NIOCore

/// A frame in meaning: what a decoder hands on and an encoder writes.
package enum Frame: Equatable, Sendable {
  /// A client opens `stream`; the method is `service/method`.
  case request(StreamID, method: String, Metadata)
  /// The server's first metadata.
  case response(StreamID, Metadata)
  /// One message.
  case message(StreamID, ByteBuffer)
  /// The client's last frame, unless it resets.
  case end(StreamID)
  /// The server's last frame.
  case status(StreamID, Status, Metadata)
  /// The stream is given up.
  case reset(StreamID, ResetReason)
  /// That many more bytes of messages may be sent; stream 0 is the connection.
  case credit(StreamID, UInt32)
  /// A question for life.
  case ping(UInt64)
  /// Its answer.
  case pong(UInt64)
  /// The last stream that this side will have answered, why, and a word to a person.
  case goAway(lastStream: StreamID, CloseReason, text: String)
}

/// What arrives: a preface, the announcement of a message, or a frame.
package enum WireEvent: Equatable, Sendable {
  /// The peer's preface, once, before anything else.
  case preface(Preface)
  /// A message of that many bytes is about to arrive; nothing is allocated for it yet.
  case messageHead(StreamID, byteCount: Int)
  /// A whole frame.
  case frame(Frame)
}
