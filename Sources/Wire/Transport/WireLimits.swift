import NIOCore

/// What one side of a connection accepts, and how long it waits.
public struct WireLimits: Sendable, Hashable {
  /// Longest message, in bytes: 2.5 MiB, so that the veil of a thousand holders and a charter fit.
  ///
  /// At most 4 MiB.
  public var messageByteCount = 2_621_440
  /// Longest metadata of a request, response or status with its method or text, in bytes.
  ///
  /// At most 64 KiB.
  public var headerByteCount = 16 << 10
  /// What a peer may send on one stream before its messages are consumed, in bytes.
  public var streamWindowByteCount = 8 << 20
  /// What a peer may send on all streams together before its messages are consumed, in bytes.
  public var connectionWindowByteCount = 32 << 20
  /// A connection whose prefaces have not crossed (TLS handshake included) by then is closed.
  public var handshakeTimeoutSeconds = 10.0
  /// A peer that says nothing for so long is pinged.
  public var keepaliveSeconds = 30.0
  /// A peer that answers no ping for so long is gone.
  public var keepaliveTimeoutSeconds = 20.0
  /// A client's call without a deadline that makes no headway for so long fails as unavailable.
  ///
  /// It makes none when all is sent and no byte of a message and no credit comes, or when there is a message to send
  /// and no credit for it. Servers have ``WireServerLimits/stallSeconds`` instead.
  public var answerSeconds = 60.0

  /// The defaults: each property says its own.
  public init() {}

  /// The windows, held to what the format allows and to the longest message.
  var windows: (stream: Int, connection: Int) {
    let least = WireFormat.messageCost(messageByteCount)
    let stream = min(max(streamWindowByteCount, least), Int(WireFormat.creditCeiling))
    return (stream, min(max(connectionWindowByteCount, stream), Int(WireFormat.creditCeiling)))
  }
}

/// What a server accepts.
public struct WireServerLimits: Sendable, Hashable {
  /// What every connection is held to.
  ///
  /// Windows start at the longest message and widen to these while the server's ``sharedWindowByteCount`` lasts.
  public var connection = WireLimits()
  /// Most open streams a connection.
  public var streamLimit = 32
  /// Most connections; one more is closed at once.
  public var connectionLimit = 256
  /// Most connections from one address; one more is closed at once.
  public var addressConnectionLimit = 64
  /// Most connections from one address whose prefaces have not crossed; one more is closed at once.
  public var addressGreetingLimit = 16
  /// Most handlers that run at the same time, over all connections; one more stream is refused, and may be tried again.
  public var handlerLimit = 512
  /// Most of them that run for one address: a quarter, so that no address alone keeps the others from being served.
  ///
  /// All limits of an address count an IPv6 network of 64 bits as one.
  public var addressHandlerLimit = 128
  /// What all connections' windows together may exceed their starts by, in bytes.
  public var sharedWindowByteCount = 64 << 20
  /// A connection without a stream for so long is closed.
  public var idleSeconds = 300.0
  /// A stream whose peer neither sends what is awaited nor takes what is offered for so long is reset.
  public var stallSeconds = 60.0
  /// A stream whose first message has not begun by then is reset, unless messages of other streams keep the
  /// connection busy all the while.
  public var firstMessageSeconds = 10.0
  /// How long streams may go on after a graceful shutdown began.
  public var shutdownSeconds = 30.0

  /// The defaults: each property says its own.
  public init() {}
}

extension WireLimits {
  /// The preface that announces these limits.
  ///
  /// - Parameter startsNarrow: whether windows start at the longest message and are widened later.
  func preface(streamLimit: Int, idleSeconds: Double, startsNarrow: Bool) -> Preface {
    let message = min(max(messageByteCount, 1_024), WireFormat.messageCeiling)
    let least = WireFormat.messageCost(message)
    let (stream, connection) = startsNarrow ? (least, 2 * least) : windows
    return Preface(
      messageLimit: UInt32(message),
      headerLimit: UInt32(min(max(headerByteCount, 1_024), WireFormat.headerCeiling)),
      streamLimit: UInt32(min(max(streamLimit, 0), Int(WireFormat.streamCeiling))),
      streamCredit: UInt32(max(stream, least)),
      connectionCredit: UInt32(max(connection, least)),
      idleSeconds: UInt32(min(max(idleSeconds.rounded(.up), 0), 1e9)))
  }
}

extension TimeAmount {
  /// A time in seconds, held between a millisecond and a century.
  static func seconds(_ seconds: Double) -> TimeAmount {
    .nanoseconds(Int64(min(max(seconds, 0.001), 3e9) * 1e9))
  }
}
