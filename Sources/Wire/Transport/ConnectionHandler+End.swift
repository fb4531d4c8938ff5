import GRPCCore
import Logging
import NIOCore

extension ConnectionHandler {
  /// How long a connection that was told why it ends may take to go, so that the reason is not lost with it.
  private static let lingerTime = TimeAmount.milliseconds(250)

  // MARK: Timers

  /// Starts the handshake's timer and the tick that looks for silence.
  func startTimers(_ context: ChannelHandlerContext) {
    let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
    lastReadAt = .now()
    lastUseAt = .now()
    timers.append(
      .once(
        context.eventLoop.scheduleTask(in: settings.handshake) {
          if handler.value.machine.status == .greeting { handler.value.fail(.timeout) }
        }))
    let waits = [
      settings.keepalive, settings.keepaliveTimeout, settings.idle, settings.stall, settings.firstMessage,
      settings.answer,
    ].compactMap { $0 }
    let shortest = waits.map(\.nanoseconds).min() ?? 1_000_000_000
    let tick = TimeAmount.nanoseconds(min(max(shortest / 4, 5_000_000), 5_000_000_000))
    timers.append(
      .repeated(
        context.eventLoop.scheduleRepeatedTask(initialDelay: tick, delay: tick) { _ in handler.value.tick() }))
  }

  private func tick() {
    guard closeError == nil else { return }
    let now = NIODeadline.now()
    resetStalled(now)
    endUnadmitting(now)
    guard closeError == nil else { return }
    switch machine.status {
    case .greeting, .closed:
      return
    case .open(let count, _) where count == 0 && reserved.isEmpty:
      if let idle = settings.idle, now - lastUseAt > idle {
        shutDown(grace: nil)
        return
      }
    case .open, .draining:
      break
    }
    if let pingSentAt {
      if now - pingSentAt > settings.keepaliveTimeout { fail(.timeout) }
    } else if now - lastReadAt > settings.keepalive {
      pingSentAt = now
      write(.ping(now.uptimeNanoseconds))
    }
    flush()
  }

  /// Resets streams whose peer keeps them waiting, so that it cannot hold handlers or callers for ever.
  private func resetStalled(_ now: NIODeadline) {
    for (id, stream) in streams {
      if isStalled(stream, id, now) {
        reset(stream, .stalled, because: ResetReason.stalled.error)
      } else if isUnanswered(stream, id, now) {
        reset(
          stream, .cancelled,
          because: RPCError(code: .unavailable, message: "The server has not answered the call for too long."))
      }
    }
  }

  /// Whether a client's stream, as a server sees it, keeps its handler waiting for too long.
  private func isStalled(_ stream: WireStream, _ id: StreamID, _ now: NIODeadline) -> Bool {
    guard let stall = settings.stall, let firstMessage = settings.firstMessage else { return false }
    if let since = stream.loop.value.blockedSince, now - since > stall { return true }
    guard machine.expectsMore(id) else { return false }
    if let since = stream.inbound.waitingSince, now - since > stall { return true }
    // On a slow line first messages queue behind those of other streams.
    return !stream.loop.value.hasMessage && now - max(stream.loop.value.openedAt, lastMessageAt) > firstMessage
  }

  /// Whether a server, as its client sees it, has left a stream alone for too long.
  ///
  /// What other streams send and receive counts for all: on a slow line they wait for each other. Credit counts only
  /// where it lets something be sent: a server could otherwise grant a byte now and then for ever.
  private func isUnanswered(_ stream: WireStream, _ id: StreamID, _ now: NIODeadline) -> Bool {
    guard let answer = settings.answer, machine.isOpen(id), !stream.loop.value.hasDeadline else { return false }
    if let since = stream.loop.value.blockedSince { return now - max(since, lastMessageSentAt) > answer }
    guard let sent = stream.loop.value.endSentAt, let since = stream.inbound.waitingSince else { return false }
    return now - max(since, sent, lastMessageAt, lastCreditAt) > answer
  }

  /// Ends a client's connection where callers wait for a stream, and the server takes none though none is open.
  private func endUnadmitting(_ now: NIODeadline) {
    guard let answer = settings.answer, streams.isEmpty, reserved.isEmpty, let first = openWaiters.first,
      now - max(first.since, lastUseAt) > answer
    else { return }
    fail(.timeout)
  }

  // MARK: Shutting down

  /// Takes no new streams, and closes when those that are open have ended, or after `grace`.
  func shutDown(grace: TimeAmount?) {
    guard let context, closeError == nil else { return }
    failWaiters(RPCError(code: .failedPrecondition, message: "The transport is shutting down."))
    if case .greeting = machine.status {
      end(RPCError(code: .unavailable, message: "The connection was closed."))
      context.close(promise: nil)
      return
    }
    // What callers were promised may still be opened.
    let last = machine.drain(reserved: reserved.count)
    if settings.role == .server {
      write(.goAway(lastStream: last, .graceful, text: "The server takes no new streams here."))
      flush()
      scheduleEnd(grace, context)
    }
    closeIfDone()
  }

  private func scheduleEnd(_ grace: TimeAmount?, _ context: ChannelHandlerContext) {
    guard let grace else { return }
    let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
    timers.append(.once(context.eventLoop.scheduleTask(in: grace) { handler.value.abort() }))
  }

  /// Ends the connection now, whatever is open.
  func abort() {
    for stream in streams.values { reset(stream, .cancelled, because: ResetReason.cancelled.error) }
    end(RPCError(code: .unavailable, message: "The connection was closed."))
    context?.close(promise: nil)
  }

  /// Closes a connection that takes no new streams and has none left.
  func closeIfDone() {
    guard let context, closeError == nil, streams.isEmpty, reserved.isEmpty, case .draining = machine.status else {
      return
    }
    flush()
    end(RPCError(code: .unavailable, message: "The connection has ended."))
    context.close(promise: nil)
  }

  // MARK: Failing

  /// The peer broke a rule, or a time has passed: says so, and closes.
  func fail(_ reason: CloseReason) {
    guard let context, closeError == nil else { return }
    settings.logger.debug("A connection is closed.", metadata: ["reason": "\(reason)"])
    write(.goAway(lastStream: machine.lastStream, reason, text: reason.sentence))
    flush()
    end(RPCError(code: .unavailable, message: "The connection was closed: \(reason.sentence)"))
    // Closing at once, with bytes of the peer unread, would make the kernel drop the reason with them.
    let channel = context.channel
    context.eventLoop.scheduleTask(in: ConnectionHandler.lingerTime) { channel.close(promise: nil) }
  }

  /// Fails everything that hangs on the connection, once.
  func end(_ error: RPCError) {
    guard closeError == nil else { return }
    closeError = error
    machine.close()
    for timer in timers { timer.cancel() }
    timers.removeAll()
    failWaiters(error)
    let ended = Array(streams.values) + Array(reserved.values)
    streams.removeAll()
    reserved.removeAll()
    ready.removeAll()
    creditWaiters.removeAll()
    for stream in ended { stream.fail(error) }
    events.closed(error)
  }
}

extension CloseReason {
  /// The reason as a sentence, sent along for people.
  var sentence: String {
    switch self {
    case .graceful: "No new streams are taken."
    case .notPostern: "The peer does not speak the Postern wire."
    case .version: "The peer speaks another version of the Postern wire."
    case .settings: "The preface has a setting that is out of range."
    case .malformed: "A frame does not read as the format says."
    case .tooLong: "A frame is longer than its limit."
    case .sequence: "A frame came where none of its kind may."
    case .credit: "More was sent or granted than credit allows."
    case .flood: "Too many frames asked for an answer."
    case .timeout: "An answer was overdue."
    case .other: "The connection has ended for another reason."
    }
  }
}
