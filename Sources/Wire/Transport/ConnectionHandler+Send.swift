import GRPCCore
import Logging
import NIOCore

extension ConnectionHandler {
  /// Written frames are flushed when so much is waiting, in bytes, so that a TLS handler does not gather a window.
  private static let flushByteCount = 256 << 10

  private enum Step {
    /// Sent one; there may be more.
    case sent
    /// Nothing left, or nothing that may be sent now.
    case waits
  }

  /// A stream has something to send.
  func outboundIsReady(_ stream: WireStream) {
    enqueue(stream)
    sendReady()
    flush()
  }

  /// Puts a stream at the end of the line, once.
  func enqueue(_ stream: WireStream) {
    guard !stream.loop.value.isQueued else { return }
    stream.loop.value.isQueued = true
    ready.append(stream)
  }

  /// Sends what may be sent, a part of each stream in turn, while the socket takes it.
  func sendReady() {
    guard let context, closeError == nil else { return }
    while context.channel.isWritable, let stream = ready.popFirst() {
      stream.loop.value.isQueued = false
      if case .sent = sendPart(of: stream) { enqueue(stream) }
      if unflushedByteCount >= ConnectionHandler.flushByteCount { flush() }
    }
    flush()
  }

  private func sendPart(of stream: WireStream) -> Step {
    guard let part = stream.outbound.front() else {
      if stream.loop.value.isReleased { finishRelease(stream) }
      return .waits
    }
    guard let id = stream.loop.value.id else { return sendRequest(stream, part) }
    switch part {
    case .metadata(let metadata):
      return sendHead(stream, .response(id, metadata), id: id, step: .response)
    case .message(let bytes):
      return sendMessage(stream, bytes, id: id)
    case .end:
      return sendHead(stream, .end(id), id: id, step: .end)
    case .status(let status, let metadata):
      return sendStatus(stream, status, metadata, id: id)
    }
  }

  /// Opens a client's stream with its first part; only now does it get a number, so that numbers rise on the wire.
  private func sendRequest(_ stream: WireStream, _ part: StreamPart) -> Step {
    guard reserved[ObjectIdentifier(stream)] != nil else { return .waits }
    guard case .metadata(let metadata) = part else {
      stream.fail(RPCError(code: .internalError, message: "A request begins with metadata."))
      return .waits
    }
    // The frame is encoded before the number is spent: metadata that cannot be sent is the caller's affair alone.
    let limit = Int(machine.peer?.headerLimit ?? 0)
    do throws(RPCError) {
      var frame = try FrameEncoder.encode(.request(1, method: stream.method, metadata), headerLimit: limit)
      guard let id = machine.open() else {
        throw RPCError(code: .unavailable, message: "The connection takes no new streams.")
      }
      frame.setInteger(id, at: frame.readerIndex + FrameHeader.byteCount - MemoryLayout<StreamID>.size)
      reserved[ObjectIdentifier(stream)] = nil
      streams[id] = stream
      stream.loop.value.id = id
      stream.loop.value.openedAt = .now()
      stream.loop.value.hasDeadline = metadata[stringValues: RequestTimeout.key].contains { _ in true }
      stream.outbound.removeFront()
      write(frame)
      return .sent
    } catch {
      stream.fail(error)
      return .waits
    }
  }

  private func sendHead(_ stream: WireStream, _ frame: Frame, id: StreamID, step: SendStep) -> Step {
    do throws(RPCError) {
      let bytes = try FrameEncoder.encode(frame, headerLimit: Int(machine.peer?.headerLimit ?? 0))
      stream.outbound.removeFront()
      guard machine.send(id, step) else { return .waits }
      if step == .end { writeEnd(bytes, of: stream) } else { write(bytes) }
      return .sent
    } catch {
      reset(stream, .internalError, because: error)
      return .waits
    }
  }

  /// Writes a client's end, and notes when it has gone to the socket: on a slow line much may wait before it.
  private func writeEnd(_ bytes: ByteBuffer, of stream: WireStream) {
    guard let context else { return }
    let sent = context.eventLoop.makePromise(of: Void.self)
    sent.futureResult.whenSuccess { stream.loop.value.endSentAt = .now() }
    write(bytes, promise: sent)
  }

  private func sendMessage(_ stream: WireStream, _ bytes: WireBytes, id: StreamID) -> Step {
    switch machine.spendForMessage(id, byteCount: bytes.count) {
    case .send:
      let (first, second) = FrameEncoder.encodeMessage(bytes, stream: id)
      stream.outbound.removeFront()
      stream.loop.value.blockedSince = nil
      lastMessageSentAt = .now()
      write(first)
      if let second { write(second) }
      return .sent
    case .waitForStream:
      stream.loop.value.blockedSince = stream.loop.value.blockedSince ?? .now()
      return .waits
    case .waitForConnection:
      stream.loop.value.blockedSince = stream.loop.value.blockedSince ?? .now()
      guard !stream.loop.value.waitsForConnection else { return .waits }
      stream.loop.value.waitsForConnection = true
      creditWaiters.append(stream)
      return .waits
    case .tooLong:
      reset(stream, .tooLong, because: RPCError(code: .resourceExhausted, message: "The message is too long."))
      return .waits
    case .closed:
      stream.outbound.fail(RPCError(code: .unavailable, message: "The stream is closed."))
      if stream.loop.value.isReleased { finishRelease(stream) }
      return .waits
    }
  }

  /// Ends a server's stream.
  ///
  /// Trailers that cannot be sent give way to a status that can.
  private func sendStatus(_ stream: WireStream, _ status: Status, _ metadata: Metadata, id: StreamID) -> Step {
    let limit = Int(machine.peer?.headerLimit ?? 0)
    let (status, metadata) = Status.withCode(status, metadata)
    let frame: ByteBuffer
    do throws(RPCError) {
      frame = try FrameEncoder.encode(.status(id, status, metadata), headerLimit: limit)
    } catch {
      settings.logger.warning("Trailers cannot be sent.", metadata: ["error": "\(error)"])
      let plain = Status(code: .internalError, message: "The server's trailers could not be sent.")
      let (short, code) = Status.withCode(plain, [:])
      guard let fallback = try? FrameEncoder.encode(.status(id, short, code)) else {
        assertionFailure("A short status cannot be encoded.")
        return .waits
      }
      frame = fallback
    }
    stream.outbound.removeFront()
    guard machine.send(id, .status) else { return .sent }
    write(frame)
    // Whatever the client still sends is dropped: the call is over.
    stream.inbound.discard()
    return .sent
  }

  // MARK: Frames out

  /// Writes a frame that always can be encoded.
  func write(_ frame: Frame) {
    guard let bytes = try? FrameEncoder.encode(frame) else { return assertionFailure("\(frame) cannot be encoded.") }
    write(bytes)
  }

  /// Writes bytes; they go out with the next flush.
  func write(_ bytes: ByteBuffer, promise: EventLoopPromise<Void>? = nil) {
    guard let context else {
      promise?.fail(ChannelError.ioOnClosedChannel)
      return
    }
    unflushedByteCount += bytes.readableBytes
    context.write(wrapOutboundOut(bytes), promise: promise)
  }

  /// Flushes what was written.
  func flush() {
    guard unflushedByteCount > 0 else { return }
    unflushedByteCount = 0
    context?.flush()
  }
}
