/// What a frame says; its byte stands behind the length.
package enum FrameKind: UInt8, CaseIterable, Sendable {
  /// A client opens a stream: method and metadata.
  case request = 1
  /// A server begins its answer: metadata.
  case response = 2
  /// One message, in either direction.
  case message = 3
  /// A client has sent its last message.
  case end = 4
  /// A server ends the stream: status and metadata.
  case status = 5
  /// Either side gives the stream up.
  case reset = 6
  /// The receiver of messages lets the other side send more.
  case credit = 7
  /// Asks for a pong with the same eight bytes.
  case ping = 8
  /// Answers a ping.
  case pong = 9
  /// No new streams from here on, or, with a reason, no more frames at all.
  case goAway = 10

  /// Whether the frame speaks of the connection, so that its stream id is 0.
  var isOfConnection: Bool {
    switch self {
    case .ping, .pong, .goAway: true
    default: false
    }
  }
}

/// The ten bytes before a frame's payload.
package struct FrameHeader: Hashable, Sendable {
  /// How many bytes a header has: length (4), kind (1), flags (1), stream (4).
  package static let byteCount = 10

  /// Bytes of payload that follow the header.
  package var length: Int
  /// What the frame says.
  package var kind: FrameKind
  /// The stream it speaks of; 0 is the connection.
  package var stream: StreamID

  package init(length: Int, kind: FrameKind, stream: StreamID) {
    self.length = length
    self.kind = kind
    self.stream = stream
  }
}

/// A stream's number within its connection: 1 and up, in the order in which the client opens streams.
package typealias StreamID = UInt32

/// Why a side ends a connection: the byte in a goaway frame.
///
/// A number that is not listed reads as ``other``.
package enum CloseReason: UInt8, Error, CaseIterable, Sendable {
  /// Nothing is wrong: streams that are open may end, none is opened.
  case graceful = 0
  /// The first bytes are not a Postern preface.
  case notPostern = 1
  /// The peer speaks another version.
  case version = 2
  /// A setting in the preface is out of its range.
  case settings = 3
  /// A frame's kind, flags or payload do not read as the format says.
  case malformed = 4
  /// A frame is longer than its limit.
  case tooLong = 5
  /// A frame is not allowed where its stream stands, or a stream's number is out of order.
  case sequence = 6
  /// A peer sent more than it had credit for, or granted more than can be counted.
  case credit = 7
  /// Too many frames that ask for an answer came before the socket was seen to have room.
  case flood = 8
  /// The preface, an answer to a ping or any use of the connection was overdue.
  case timeout = 9
  /// What a number that is not listed reads as; never sent.
  case other = 10
}

/// Why a side gave a stream up: the byte in a reset frame.
///
/// A number that is not listed reads as ``internalError``.
package enum ResetReason: UInt8, Error, CaseIterable, Sendable {
  /// Whoever asked does not want the answer any more.
  case cancelled = 1
  /// The server did not look at the stream: it has too many, or is shutting down. Trying again is safe.
  case refused = 2
  /// The peer kept the stream waiting for longer than the limit.
  case stalled = 3
  /// A message would be longer than the peer accepts.
  case tooLong = 4
  /// Something broke on the side that says so.
  case internalError = 5
}
