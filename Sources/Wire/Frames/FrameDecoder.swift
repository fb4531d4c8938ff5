package import NIOCore

/// Turns the bytes of one direction of a connection into events.
///
/// It keeps at most one partial frame, in a buffer sized from the checked header. Neither what it keeps nor a message
/// that it gives out is a slice of the buffer it reads from: a short message must not hold a whole receive buffer in
/// memory.
package struct FrameDecoder: Sendable {
  private enum Phase: Sendable {
    /// Magic, version and length of the settings.
    case prefaceHead
    /// The settings.
    case settings(byteCount: Int)
    /// A frame's ten bytes.
    case header
    /// A message's payload, announced but not begun.
    case messageBody(FrameHeader)
    /// A payload of which some bytes are here.
    case payload(FrameHeader, ByteBuffer)
    /// An error was thrown: nothing more is read.
    case failed(CloseReason)
  }

  private var phase = Phase.prefaceHead
  /// Bytes of a preface or header that has not wholly arrived: at most ``Preface/settingsLimit``.
  private var partial = ByteBuffer()
  private let messageLimit: Int
  private let headerLimit: Int
  private let allocator: ByteBufferAllocator

  /// A decoder that holds the peer to this side's own limits.
  package init(settings: Preface, allocator: ByteBufferAllocator = ByteBufferAllocator()) {
    messageLimit = Int(settings.messageLimit)
    headerLimit = Int(settings.headerLimit)
    self.allocator = allocator
  }

  /// How many bytes of memory a partial preface or frame takes up.
  package var bufferedByteCount: Int {
    guard case .payload(_, let buffer) = phase else { return partial.readableBytes }
    return buffer.capacity
  }

  /// Whether the next bytes are a message's.
  package var isInMessage: Bool {
    switch phase {
    case .messageBody: true
    case .payload(let header, _): header.kind == .message
    case .prefaceHead, .settings, .header, .failed: false
    }
  }

  /// The next event, or nil when `input` is used up.
  ///
  /// - Throws: the reason to close the connection with; the same again on every later call.
  package mutating func next(from input: inout ByteBuffer) throws(CloseReason) -> WireEvent? {
    do throws(CloseReason) {
      return try advance(&input)
    } catch {
      phase = .failed(error)
      throw error
    }
  }

  private mutating func advance(_ input: inout ByteBuffer) throws(CloseReason) -> WireEvent? {
    while true {
      switch phase {
      case .failed(let reason):
        throw reason
      case .prefaceHead:
        guard let byteCount = try readPrefaceHead(&input) else { return nil }
        phase = .settings(byteCount: byteCount)
      case .settings(let byteCount):
        guard var settings = collect(byteCount, from: &input) else { return nil }
        phase = .header
        return .preface(try Preface(settings: &settings))
      case .header:
        guard var bytes = collect(FrameHeader.byteCount, from: &input) else { return nil }
        let header = try readHeader(&bytes)
        guard header.kind == .message else {
          phase = .payload(header, ByteBuffer())
          continue
        }
        phase = .messageBody(header)
        return .messageHead(header.stream, byteCount: header.length)
      case .messageBody(let header):
        phase = .payload(header, allocator.buffer(capacity: header.length))
      case .payload(let header, _):
        guard let payload = readPayload(header.length, from: &input) else { return nil }
        phase = .header
        return .frame(try FramePayload.parse(header, payload))
      }
    }
  }

  /// Reads magic, version and the settings' length, and fails at the first byte that is not the magic's: a peer
  /// that speaks another protocol may never send sixteen bytes.
  private mutating func readPrefaceHead(_ input: inout ByteBuffer) throws(CloseReason) -> Int? {
    let seen = partial.readableBytesView + input.readableBytesView.prefix(Preface.magic.count)
    guard seen.prefix(Preface.magic.count).elementsEqual(Preface.magic.prefix(seen.count)) else {
      throw .notPostern
    }
    guard var head = collect(Preface.headByteCount, from: &input) else { return nil }
    head.moveReaderIndex(forwardBy: Preface.magic.count)
    guard let version = head.readInteger(as: UInt16.self), let length = head.readInteger(as: UInt16.self) else {
      throw .malformed
    }
    guard version == Preface.currentVersion else { throw .version }
    guard (Preface.settingsByteCount...Preface.settingsLimit).contains(Int(length)) else { throw .settings }
    return Int(length)
  }

  /// Checks a header against the limits, before anything is allocated for its payload.
  private func readHeader(_ bytes: inout ByteBuffer) throws(CloseReason) -> FrameHeader {
    guard let length = bytes.readInteger(as: UInt32.self), let code = bytes.readInteger(as: UInt8.self),
      let flags = bytes.readInteger(as: UInt8.self), let stream = bytes.readInteger(as: UInt32.self)
    else { throw .malformed }
    guard let kind = FrameKind(rawValue: code), flags == 0 else { throw .malformed }
    guard kind == .credit || kind.isOfConnection == (stream == 0) else { throw .malformed }
    let allowed = FramePayload.lengths(of: kind, messageLimit: messageLimit, headerLimit: headerLimit)
    guard Int(length) >= allowed.lowerBound else { throw .malformed }
    guard Int(length) <= allowed.upperBound else { throw .tooLong }
    return FrameHeader(length: Int(length), kind: kind, stream: stream)
  }

  /// Exactly `byteCount` bytes, from what was kept and `input`; nil, with the bytes kept, when there are too few.
  private mutating func collect(_ byteCount: Int, from input: inout ByteBuffer) -> ByteBuffer? {
    if partial.readableBytes == 0, let whole = input.readSlice(length: byteCount) { return whole }
    let missing = min(byteCount - partial.readableBytes, input.readableBytes)
    if let piece = input.readSlice(length: missing) { partial.writeImmutableBuffer(piece) }
    guard partial.readableBytes == byteCount else { return nil }
    defer { partial.clear() }
    return partial
  }

  /// The payload of the frame that `phase` is in, once it is whole.
  ///
  /// The buffer is taken out of `phase` while it is written to: a second reference would copy it each time.
  private mutating func readPayload(_ length: Int, from input: inout ByteBuffer) -> ByteBuffer? {
    guard case .payload(let header, var buffer) = phase else { return nil }
    phase = .header
    if header.kind != .message, buffer.readableBytes == 0 {
      // Read and let go within this call: no copy is needed.
      if let whole = input.readSlice(length: length) { return whole }
      buffer.reserveCapacity(length)
    }
    let missing = min(length - buffer.readableBytes, input.readableBytes)
    if missing > 0 {
      input.readWithUnsafeReadableBytes { source in
        buffer.writeBytes(UnsafeRawBufferPointer(rebasing: source[..<missing]))
      }
    }
    if buffer.readableBytes == length { return buffer }
    phase = .payload(header, buffer)
    return nil
  }
}
