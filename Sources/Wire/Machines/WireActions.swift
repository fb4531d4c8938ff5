package import GRPCCore

/// What one side of a stream hands to the other, without the connection's affairs.
package enum StreamPart: Sendable, Equatable {
  /// A request's or a response's metadata.
  case metadata(Metadata)
  /// One message.
  case message(WireBytes)
  /// A client's end.
  case end
  /// A server's status.
  case status(Status, Metadata)
}

/// What a received frame asks for.
package enum ReceiveAction: Equatable, Sendable {
  /// Nothing.
  case none
  /// Hand a new stream to the server.
  case open(StreamID, method: String, Metadata)
  /// Hand a part to its stream.
  case deliver(StreamID, StreamPart)
  /// End a stream: the peer gave it up.
  case reset(StreamID, ResetReason)
  /// Try again to send what a stream has.
  case resume(StreamID)
  /// Try again to send what all streams have.
  case resumeAll
  /// Send a reset.
  case sendReset(StreamID, ResetReason)
  /// Grant the connection that much.
  case sendCredit(UInt32)
  /// Answer a ping.
  case sendPong(UInt64)
  /// Open no stream any more; those above `lastStream` were not looked at.
  case drain(lastStream: StreamID)
  /// The peer ends the connection.
  case close(CloseReason, text: String)
}

/// Whether a message may be sent now.
package enum MessageVerdict: Equatable, Sendable {
  /// It may, and its credit is spent.
  case send
  /// Once its stream has more credit.
  case waitForStream
  /// Once the connection has more credit.
  case waitForConnection
  /// Never: the peer accepts no message that long.
  case tooLong
  /// Never: the stream or connection is closed.
  case closed
}

/// A frame without credit that a stream may send.
package enum SendStep: Sendable {
  /// The server's metadata.
  case response
  /// The client's end.
  case end
  /// The server's status.
  case status
  /// Giving up.
  case reset
}

/// Credit frames that are due.
package struct Grants: Equatable, Sendable {
  /// For the stream.
  package var stream: UInt32?
  /// For the connection.
  package var connection: UInt32?

  package init(stream: UInt32? = nil, connection: UInt32? = nil) {
    self.stream = stream
    self.connection = connection
  }
}
