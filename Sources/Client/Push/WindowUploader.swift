import Core
import NIOCore
import Synchronization
import Wire

/// Sends windows of sealed objects: asks which ones the archive lacks, and uploads those.
struct WindowUploader: Sendable {
  /// Bytes of one message, unless one object alone is longer: a power of two, as the buffer is that it comes to lie in.
  static let messageByteCount = 512 << 10
  let archive: ArchiveConnection
  let push: RenewingPush
  let meter: PushMeter
  let claims = UploadClaims()
  private let turns = Turns()

  init(archive: ArchiveConnection, push: RenewingPush, meter: PushMeter) {
    self.archive = archive
    self.push = push
    self.meter = meter
  }

  /// Sends what the archive lacks of a window that was sorted.
  ///
  /// - Parameters:
  ///   - window: the objects.
  ///   - number: the window's number in the push, from 0.
  func upload(_ window: PushWindow, number: Int) async throws {
    let entries = window.entries
    try await push.withToken { token in
      let isMissing = entries.isEmpty ? [] : try await archive.missing(entries.map(\.id), of: token)
      let lacking = claims.claim(zip(entries, isMissing).filter(\.1).map(\.0), for: number)
      meter.archiveLacks(PushMeter.Amount(lacking[...]), ofWindow: number)
      try await send(lacking, of: window, token)
    }
    meter.arrived(
      PushMeter.Amount(objectCount: window.sealedObjectCount, byteCount: window.sealedByteCount), ofWindow: number)
  }

  /// Sends objects over one stream, once the window before has nothing left to send.
  ///
  /// The archive's word that it has stored them may still be out: it is under way while the next window is sent.
  private func send(
    _ entries: [PushWindow.Entry], of window: PushWindow, _ token: PushToken
  ) async throws {
    let messages = WindowUploader.messages(entries)
    guard !messages.isEmpty else { return }
    await turns.take()
    let turn = SendingTurn(turns)
    defer { turn.pass() }
    try await archive.upload { number in
      guard messages.indices.contains(number) else {
        turn.pass()
        return nil
      }
      return try batch(entries[messages[number]], of: window, token)
    }
  }

  private func batch(
    _ entries: ArraySlice<PushWindow.Entry>, of window: PushWindow, _ token: PushToken
  ) throws -> ObjectBatch {
    let amount = PushMeter.Amount(entries)
    var data = ByteBufferAllocator().buffer(capacity: amount.byteCount)
    for entry in entries { window.write(entry, to: &data) }
    meter.sent(amount)
    let objects = entries.map { ObjectBatch.Object(id: $0.id, kind: $0.kind.rawValue, byteCount: $0.byteCount) }
    return try ObjectBatch(token: token.bytes, objects: objects, data: data)
  }

  /// Which objects go into which message.
  private static func messages(_ entries: [PushWindow.Entry]) -> [Range<Int>] {
    var messages: [Range<Int>] = []
    var start = 0
    var byteCount = ProtocolLimits.batchHeadByteCount
    for (index, entry) in entries.enumerated() {
      let addedByteCount = ProtocolLimits.batchedObjectHeadByteCount + entry.byteCount
      if index > start, byteCount + addedByteCount > messageByteCount {
        messages.append(start..<index)
        (start, byteCount) = (index, ProtocolLimits.batchHeadByteCount)
      }
      byteCount += addedByteCount
    }
    if start < entries.count { messages.append(start..<entries.count) }
    return messages
  }
}

/// A turn to send, which is passed once: when everything went out, or when that failed.
private final class SendingTurn: Sendable {
  private let turns: Turns
  private let isPassed = Atomic(false)

  /// A turn that was taken.
  init(_ turns: Turns) {
    self.turns = turns
  }

  func pass() {
    if !isPassed.exchange(true, ordering: .relaxed) { turns.pass() }
  }
}

extension PushMeter.Amount {
  /// How much some of a window's objects are.
  fileprivate init(_ entries: ArraySlice<PushWindow.Entry>) {
    self.init(objectCount: entries.count, byteCount: entries.reduce(0) { $0 + $1.byteCount })
  }
}

/// Which objects a window that is under way sends already, so that the next one does not send them too.
///
/// The archive cannot know yet when it is asked about the next window. Only the last few windows are remembered:
/// what was sent before them is stored, and the archive says so.
final class UploadClaims: Sendable {
  private static let windowLimit = 4
  private let claimed = Mutex<[(window: Int, ids: Set<Digest>)]>([])

  /// Takes those objects that no other window sends, for a window that sends them now, or again.
  func claim(_ entries: [PushWindow.Entry], for window: Int) -> [PushWindow.Entry] {
    claimed.withLock { claimed in
      let free = entries.filter { entry in
        !claimed.contains { $0.window != window && $0.ids.contains(entry.id) }
      }
      claimed.removeAll { $0.window == window || $0.window + UploadClaims.windowLimit <= window }
      claimed.append((window, Set(free.map(\.id))))
      return free
    }
  }
}
