import Core
import Foundation
import GRPCCore
import Glibc
import NIOCore
import Testing
import Wire

@Suite(.serialized, .timeLimit(.minutes(2))) struct RequestTimeoutTests {
  /// What gRPC allows, said in another way than the code says it.
  private func isTimeout(_ text: String) -> Bool {
    text.wholeMatch(of: /[0-9]{1,8}[HMSmun]/) != nil
  }

  /// Every text of up to three of these characters.
  private var shortTexts: [String] {
    let alphabet = ["0", "1", "9", "-", "+", "_", " ", "x", "e", ".", "H", "M", "S", "m", "u", "n", "s"]
    var all = [""]
    var last = [""]
    for _ in 0..<3 {
      last = last.flatMap { text in alphabet.map { text + $0 } }
      all += last
    }
    return all
  }

  private let longTexts = [
    "00000000n", "99999999n", "99999999u", "99999999m", "99999999S", "99999999M", "99999999H", "00000001H", "9999999H",
    "1234567S", "12345678S", "123456789S", "-1234567S", "-123456S", "+1234567S", "0000000000000000000S",
    "99999999999999999999S", "-9223372036854775808n", "1 S", "1S ", " 1S", "1SS", "1S1S", "1S, 2S", "0x10S",
    String(repeating: "9", count: 8_000) + "S", String(repeating: "-", count: 8_000),
  ]

  @Test func aTimeoutIsDigitsAndAUnit() {
    for text in shortTexts + longTexts {
      #expect((RequestTimeout.duration(text) != nil) == isTimeout(text), "\(text)")
    }
    for text in ["１S", "1Ｓ", "١S", "1S\u{301}"] { #expect(RequestTimeout.duration(text) == nil, "\(text)") }
  }

  @Test func aTimeoutIsSoLong() {
    let longest = Duration.seconds(9_999 * 3_600)
    let cases: [String: Duration] = [
      "0n": .zero, "007S": .seconds(7), "99999999n": .nanoseconds(99_999_999), "3u": .microseconds(3),
      "99999999m": .milliseconds(99_999_999), "99999999S": longest, "35996400S": longest,
      "35996399S": longest - .seconds(1), "99999999M": longest, "99999999H": longest, "10000H": longest,
      "9999H": longest, "9998H": longest - .seconds(3_600), "2M": .seconds(120),
    ]
    for (text, expected) in cases { #expect(RequestTimeout.duration(text) == expected, "\(text)") }
  }

  /// A client may give a call days, and a million calls: none leaves anything until its time is up.
  @Test func anAnsweredCallLeavesNothing() async throws {
    try await withEcho { _, address, _ in
      let peer = try await RawPeer.connect(to: address)
      let (statuses, received) = AsyncStream<Void>.makeStream()
      let reader = Task {
        try await peer.frames { frame in
          if case .status = frame { received.yield() }
          return false
        }
      }
      try await peer.send([])
      var answers = statuses.makeAsyncIterator()
      func call(_ numbers: ClosedRange<StreamID>) async throws {
        for number in numbers {
          let request: Frame = .request(number, method: "test.Echo/Echo", ["grpc-timeout": "9999H"])
          try await peer.send([request, .end(number)], preface: nil)
          await answers.next()
        }
      }
      try await call(1...2_000)
      let before = try residentByteCount()
      try await call(2_001...22_000)
      let grown = try residentByteCount() - before
      #expect(grown < 16 << 20, "\(grown)")
      reader.cancel()
      await peer.close()
      _ = try? await reader.value
    }
  }

  private func residentByteCount() throws -> Int {
    let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
    return (Int(fields[1]) ?? 0) * Int(getpagesize())
  }

  @Test func aServerAnswersEveryTimeout() async throws {
    let never: EchoHandler = { _, context in
      try await context.cancellation.cancelled
      throw RPCError(code: .cancelled, message: "The time is up.")
    }
    try await withEcho(handlers: ["Never": never]) { client, address, _ in
      let peer = try await RawPeer.connect(to: address)
      let (frames, received) = AsyncStream<Frame>.makeStream()
      let reader = Task {
        try await peer.frames { frame in
          received.yield(frame)
          return false
        }
      }
      try await peer.send([])
      var answers = frames.makeAsyncIterator()
      var number: StreamID = 0
      for text in shortTexts + longTexts {
        number += 1
        let request: Frame = .request(number, method: "test.Echo/Echo", ["grpc-timeout": .string(text)])
        try await peer.send([request, .end(number)], preface: nil)
        var status: Status?
        var code: String?
        while status == nil, let frame = await answers.next() {
          guard case .status(number, let found, let metadata) = frame else { continue }
          status = found
          code = metadata[stringValues: "postern-code"].first { _ in true }
        }
        if isTimeout(text) {
          #expect(status?.code != .invalidArgument, "\(text)")
        } else {
          #expect(status?.code == .invalidArgument, "\(text)")
          #expect(code == "wire.malformed", "\(text)")
        }
      }
      // Two of them are as wrong as none that reads.
      let twice: Metadata = ["grpc-timeout": "1S", "grpc-timeout": "1S"]
      try await peer.send([.request(number + 1, method: "test.Echo/Echo", twice)], preface: nil)
      // Eight digits: ten milliseconds.
      let long: Metadata = ["grpc-timeout": "10000000n"]
      try await peer.send([.request(number + 2, method: "test.Echo/Never", long)], preface: nil)
      // The longest of all is no time that is up at once.
      let longest: Metadata = ["grpc-timeout": "99999999H"]
      try await peer.send([.request(number + 3, method: "test.Echo/Never", longest)], preface: nil)
      var codes: [StreamID: Status.Code] = [:]
      while codes.count < 2, let frame = await answers.next() {
        if case .status(let id, let status, _) = frame { codes[id] = status.code }
      }
      #expect(codes == [number + 1: .invalidArgument, number + 2: .cancelled])
      let answer = try await client.call("Echo", [1])
      #expect(answer == [1])
      reader.cancel()
      await peer.close()
      _ = try? await reader.value
    }
  }

  /// A handler that looks at nothing but its task ends when the time is up, or its client gives the call up.
  @Test func aCallThatEndsCancelsItsHandler() async throws {
    let (begun, ended) = (Counter(), Counter())
    let sleeper: EchoHandler = { _, _ in
      begun.increment()
      defer { ended.increment() }
      try await Task.sleep(for: .seconds(3_600))
      throw RPCError(code: .unknown, message: "It slept.")
    }
    try await withEcho(handlers: ["Sleeper": sleeper]) { client, address, _ in
      _ = try await statusOfShortCall("Sleeper", address)
      #expect(begun.value == 1 && ended.value == 1)
      let peer = try await RawPeer.connect(to: address)
      try await peer.send([.request(1, method: "test.Echo/Sleeper", [:])])
      while begun.value == 1 { try await Task.sleep(for: .milliseconds(1)) }
      try await peer.send([.reset(1, .cancelled)], preface: nil)
      while ended.value == 1 { try await Task.sleep(for: .milliseconds(1)) }
      let answer = try await client.call("Echo", [1])
      #expect(answer == [1])
      await peer.close()
    }
  }

  /// A handler that waits for its client answers that the time is up, and not that it failed.
  @Test func whoWaitsForItsClientDoesNotFail() async throws {
    let waiter: EchoHandler = { request, _ in
      for try await _ in request.messages {}
      throw RPCError(code: .unknown, message: "It has all messages.")
    }
    try await withEcho(handlers: ["Waiter": waiter]) { _, address, _ in
      let (status, metadata) = try await statusOfShortCall("Waiter", address)
      #expect(status.code == .cancelled)
      #expect(Array(metadata[stringValues: "postern-code"]) == ["wire.cancelled"])
    }
  }

  /// How a call ends that has ten milliseconds, and whose client sends nothing.
  private func statusOfShortCall(_ method: String, _ address: WireAddress) async throws -> (Status, Metadata) {
    let peer = try await RawPeer.connect(to: address)
    try await peer.send([.request(1, method: "test.Echo/\(method)", ["grpc-timeout": "10m"])])
    let frames = try await peer.frames { frame in
      if case .status = frame { true } else { false }
    }
    await peer.close()
    guard case .status(_, let status, let metadata) = try #require(frames.last) else {
      throw RPCError(code: .unknown, message: "The call has no status.")
    }
    return (status, metadata)
  }

  @Test func aClientTakesWhateverMetadataAServerSends() async throws {
    let keys = ["grpc-timeout", "grpc-status", "grpc-retry-pushback-ms", "grpc-previous-rpc-attempts", "postern-index"]
    let values = ["-1S", "-1n", "-1", "9223372036854775807", "-9223372036854775808", "99999999999999999999", "", "x"]
    var metadata = Metadata()
    for key in keys { for value in values { metadata.addString(value, forKey: key) } }
    let sent = metadata
    let handler: EchoHandler = { _, _ in
      StreamingServerResponse(metadata: sent) { _ in throw RPCError(code: .unavailable, message: "", metadata: sent) }
    }
    try await withEcho(handlers: ["Odd": handler]) { client, _, _ in
      let error = await #expect(throws: RPCError.self) { try await client.call("Odd", []) }
      #expect(error?.code == .unavailable)
    }
  }
}
