import GRPCCore
import NIOCore
import Synchronization
import Testing
import Wire

/// A generator that a printed seed repeats (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}

/// Settings as small as the format allows, so that limits are near.
func smallSettings(streams: UInt32 = 4, message: UInt32 = 1_024) -> Preface {
  let cost = message + UInt32(WireFormat.messageOverhead)
  return Preface(
    messageLimit: message, headerLimit: 1_024, streamLimit: streams, streamCredit: cost, connectionCredit: 2 * cost,
    idleSeconds: 0)
}

/// One of each kind of frame, with the values that are easiest to get wrong.
let sampleFrames: [Frame] = [
  .request(1, method: "test.Echo/Echo", ["grpc-timeout": "10S", "key-bin": .binary([0, 255, 128])]),
  .request(UInt32.max, method: "a/b", [:]),
  .response(7, ["a": "", "a": "printable ~"]),
  .message(1, ByteBuffer(bytes: Array(0...255))),
  .message(2, ByteBuffer()),
  .end(3),
  .status(4, Status(code: .ok, message: ""), [:]),
  .status(5, Status(code: .unauthenticated, message: "näin — 日本"), ["postern-code": "log.not-found"]),
  .reset(6, .stalled),
  .credit(0, 1),
  .credit(8, UInt32.max),
  .ping(0),
  .pong(UInt64.max),
  .goAway(lastStream: 9, .flood, text: "why"),
]

/// The frames as bytes, behind a preface.
func encoded(_ frames: [Frame], preface: Preface? = smallSettings()) throws -> ByteBuffer {
  var bytes = preface?.encoded ?? ByteBuffer()
  for frame in frames { bytes.writeImmutableBuffer(try FrameEncoder.encode(frame)) }
  return bytes
}

/// What a decoder makes of bytes that come in pieces of those lengths, the last one again and again.
func events(_ bytes: ByteBuffer, pieces: [Int], settings: Preface = smallSettings()) throws -> [WireEvent] {
  var decoder = FrameDecoder(settings: settings)
  var rest = bytes
  var events: [WireEvent] = []
  var index = 0
  while rest.readableBytes > 0 {
    let length = min(pieces[min(index, pieces.count - 1)], rest.readableBytes)
    index += 1
    var piece = rest.readSlice(length: length) ?? ByteBuffer()
    while let event = try decoder.next(from: &piece) { events.append(event) }
  }
  return events
}

/// Something that happens once.
final class Signal: Sendable {
  private let stream: AsyncStream<Void>
  private let continuation: AsyncStream<Void>.Continuation

  init() {
    (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  func set() {
    continuation.yield()
  }

  /// Waits until it has happened; fails after thirty seconds.
  func wait() async throws {
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        for await _ in self.stream { return true }
        return false
      }
      group.addTask {
        try await Task.sleep(for: .seconds(30))
        return false
      }
      let happened = try await group.next() ?? false
      group.cancelAll()
      #expect(happened)
    }
  }
}

/// A number that many tasks change.
final class Counter: Sendable {
  private let number = Mutex(0)

  var value: Int { number.withLock { $0 } }

  @discardableResult
  func increment() -> Int {
    number.withLock { number in
      number += 1
      return number
    }
  }

  func decrement() {
    number.withLock { $0 -= 1 }
  }

  /// The number once it is no smaller than some other and has not changed for a while.
  ///
  /// Whoever is slow to get there is waited for, and never taken for one that has stopped.
  func settled(from least: Int) async throws -> Int {
    var last = 0
    while last < least || last != value {
      last = value
      try await Task.sleep(for: .milliseconds(150))
    }
    return last
  }

  func raise(to value: Int) {
    number.withLock { $0 = max($0, value) }
  }
}

/// Expects two values to be the same; for calls that `#expect` cannot take apart.
func check<Value: Equatable>(_ found: Value, _ wanted: Value, sourceLocation: SourceLocation = #_sourceLocation) {
  #expect(found == wanted, sourceLocation: sourceLocation)
}
