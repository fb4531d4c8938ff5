package import NIOCore

/// What each side says first: the protocol, its version, and what this side accepts.
package struct Preface: Hashable, Sendable {
  /// The first twelve bytes of a connection in both directions.
  package static let magic = Array("postern/wire".utf8)
  /// The version that this code speaks.
  package static let currentVersion: UInt16 = 1
  /// Bytes before the settings: magic (12), version (2), length of the settings (2).
  package static let headByteCount = 16
  /// Bytes of the settings that version 1 defines.
  package static let settingsByteCount = 24
  /// The most bytes of settings that are read; a later version may append some, and this one skips them.
  package static let settingsLimit = 1_024

  /// Longest message payload that this side accepts, in bytes.
  package var messageLimit: UInt32
  /// Longest payload of a request, response or status frame that this side accepts, in bytes.
  package var headerLimit: UInt32
  /// How many streams the other side may have open; a client says 0.
  package var streamLimit: UInt32
  /// Credit that each stream starts with, in bytes.
  package var streamCredit: UInt32
  /// Credit that the connection starts with, in bytes.
  package var connectionCredit: UInt32
  /// After how many seconds without a stream this side closes the connection; 0 for never.
  package var idleSeconds: UInt32

  package init(
    messageLimit: UInt32, headerLimit: UInt32, streamLimit: UInt32, streamCredit: UInt32, connectionCredit: UInt32,
    idleSeconds: UInt32
  ) {
    self.messageLimit = messageLimit
    self.headerLimit = headerLimit
    self.streamLimit = streamLimit
    self.streamCredit = streamCredit
    self.connectionCredit = connectionCredit
    self.idleSeconds = idleSeconds
  }

  /// Reads the settings of version 1 from at least ``settingsByteCount`` bytes.
  ///
  /// - Throws: ``CloseReason/settings`` when one is out of its range, or there are too few.
  package init(settings buffer: inout ByteBuffer) throws(CloseReason) {
    func next() throws(CloseReason) -> UInt32 {
      guard let value = buffer.readInteger(as: UInt32.self) else { throw .settings }
      return value
    }
    messageLimit = try next()
    headerLimit = try next()
    streamLimit = try next()
    streamCredit = try next()
    connectionCredit = try next()
    idleSeconds = try next()
    guard (1_024...UInt32(WireFormat.messageCeiling)).contains(messageLimit),
      (1_024...UInt32(WireFormat.headerCeiling)).contains(headerLimit),
      streamLimit <= WireFormat.streamCeiling,
      // A window smaller than the longest message would leave that message waiting for ever.
      (messageLimit + UInt32(WireFormat.messageOverhead)...WireFormat.creditCeiling).contains(streamCredit),
      (streamCredit...WireFormat.creditCeiling).contains(connectionCredit)
    else { throw .settings }
  }

  /// The forty bytes to send.
  package var encoded: ByteBuffer {
    var buffer = ByteBuffer()
    buffer.writeBytes(Preface.magic)
    buffer.writeInteger(Preface.currentVersion)
    buffer.writeInteger(UInt16(Preface.settingsByteCount))
    for setting in [messageLimit, headerLimit, streamLimit, streamCredit, connectionCredit, idleSeconds] {
      buffer.writeInteger(setting)
    }
    return buffer
  }
}

/// The numbers that the format itself fixes.
package enum WireFormat {
  /// No side may announce a longer message, and no frame is ever longer: 4 MiB.
  package static let messageCeiling = 4 << 20
  /// No side may announce a longer request, response or status: 64 KiB.
  package static let headerCeiling = 64 << 10
  /// No server may announce more streams a connection.
  package static let streamCeiling: UInt32 = 65_536
  /// No window ever exceeds this: 2^31 - 1 bytes.
  package static let creditCeiling = UInt32(Int32.max)
  /// What a message costs beyond its payload, so that empty ones are not free to keep.
  package static let messageOverhead = 64
  /// Longest `service/method`, in bytes.
  package static let methodLimit = 255
  /// Most pairs of metadata in one frame.
  package static let metadataPairLimit = 128
  /// Longest metadata key, in bytes.
  package static let metadataKeyLimit = 255
  /// Longest text of a status or goaway, in bytes.
  package static let textLimit = 1_024

  /// What a message of that many bytes costs its sender.
  package static func messageCost(_ byteCount: Int) -> Int { byteCount + messageOverhead }
}
