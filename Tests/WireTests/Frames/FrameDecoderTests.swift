import GRPCCore
import NIOCore
import Testing
import Wire

@Suite struct FrameDecoderTests {
  private var expected: [WireEvent] {
    var events: [WireEvent] = [.preface(smallSettings())]
    for frame in sampleFrames {
      if case .message(let stream, let payload) = frame {
        events.append(.messageHead(stream, byteCount: payload.readableBytes))
      }
      events.append(.frame(frame))
    }
    return events
  }

  @Test func everyFrameReadsAsItWasWrittenAtEverySplit() throws {
    let bytes = try encoded(sampleFrames)
    for first in 1...bytes.readableBytes {
      let found = try events(bytes, pieces: [first, bytes.readableBytes])
      #expect(found == expected, "split after \(first)")
    }
    for size in 1...40 {
      let found = try events(bytes, pieces: [size])
      #expect(found == expected, "pieces of \(size)")
    }
  }

  @Test func aWholePieceIsNeverKept() throws {
    // A message read out of a large receive buffer must not hold that buffer.
    var decoder = FrameDecoder(settings: smallSettings())
    var bytes = try encoded([.message(1, ByteBuffer(bytes: [1, 2, 3]))])
    bytes.reserveCapacity(1 << 20)
    var message: ByteBuffer?
    while let event = try decoder.next(from: &bytes) {
      if case .frame(.message(_, let payload)) = event { message = payload }
    }
    #expect(message?.readableBytes == 3)
    #expect(message.map { $0.storageCapacity < 4_096 } == true)
    #expect(decoder.bufferedByteCount == 0)
  }

  @Test func memoryIsTakenFromTheCheckedHeaderOnly() throws {
    var decoder = FrameDecoder(settings: smallSettings())
    var bytes = try encoded([])
    _ = try decoder.next(from: &bytes)
    var header = ByteBuffer(bytes: [0, 0, 4, 0, 3, 0, 0, 0, 0, 1])
    let event = try decoder.next(from: &header)
    #expect(event == .messageHead(1, byteCount: 1_024))
    #expect(decoder.bufferedByteCount == 0)
    let nothing = try decoder.next(from: &header)
    #expect(nothing == nil)
    #expect((1_024...2_048).contains(decoder.bufferedByteCount))
  }

  /// Header bytes that must be refused, and why.
  private static let hostileHeaders: [(bytes: [UInt8], reason: CloseReason)] = [
    ([0, 0, 4, 1, 3, 0, 0, 0, 0, 1], .tooLong),
    ([0xFF, 0xFF, 0xFF, 0xFF, 3, 0, 0, 0, 0, 1], .tooLong),
    ([0, 0, 4, 1, 1, 0, 0, 0, 0, 1], .tooLong),
    ([0, 0, 0, 1, 4, 0, 0, 0, 0, 1], .tooLong),
    ([0, 0, 0, 9, 8, 0, 0, 0, 0, 0], .tooLong),
    ([0, 0, 0, 7, 8, 0, 0, 0, 0, 0], .malformed),
    ([0, 0, 0, 3, 7, 0, 0, 0, 0, 0], .malformed),
    ([0, 0, 0, 0, 6, 0, 0, 0, 0, 1], .malformed),
    ([0, 0, 0, 0, 0, 0, 0, 0, 0, 1], .malformed),
    ([0, 0, 0, 0, 11, 0, 0, 0, 0, 1], .malformed),
    ([0, 0, 0, 0, 4, 1, 0, 0, 0, 1], .malformed),
    ([0, 0, 0, 0, 4, 0, 0, 0, 0, 0], .malformed),
    ([0, 0, 0, 8, 8, 0, 0, 0, 0, 1], .malformed),
  ]

  @Test func headersOutsideTheFormatCloseTheConnection() throws {
    for (header, reason) in Self.hostileHeaders {
      var bytes = try encoded([])
      bytes.writeBytes(header)
      #expect(throws: reason, "\(header)") { try events(bytes, pieces: [bytes.readableBytes]) }
    }
  }

  /// Payloads, with their kind, that must be refused, and why.
  private static let hostilePayloads: [(kind: UInt8, payload: [UInt8], reason: CloseReason)] = [
    (1, [0, 3] + Array("a/b".utf8), .malformed),
    (1, [0, 3] + Array("a/b".utf8) + [0, 0, 0], .malformed),
    (1, [0, 3] + Array("abc".utf8) + [0, 0], .malformed),
    (1, [0, 2] + Array("/b".utf8) + [0, 0], .malformed),
    (1, [0, 2] + Array("a/".utf8) + [0, 0], .malformed),
    (1, [0, 4] + Array("a /b".utf8) + [0, 0], .malformed),
    (1, [1, 0] + [UInt8](repeating: 97, count: 256) + [0, 0], .tooLong),
    (1, [0, 3] + Array("a/b".utf8) + [0, 129], .tooLong),
    (1, [0, 3] + Array("a/b".utf8) + [0, 1, 0, 0, 0, 0], .malformed),
    (1, [0, 3] + Array("a/b".utf8) + [0, 1, 0, 1, 65, 0, 0], .malformed),
    (1, [0, 3] + Array("a/b".utf8) + [0, 1, 0, 1, 97, 0, 1, 10], .malformed),
    (1, [0, 3] + Array("a/b".utf8) + [0, 1, 0, 1, 97, 255, 255, 97], .malformed),
    (1, [0xFF, 0xFF, 0, 0], .tooLong),
    (2, [0, 1], .malformed),
    (5, [17, 0, 0, 0, 0], .malformed),
    (5, [0, 0, 2, 0xC3, 0x28, 0, 0], .malformed),
    (5, [0, 4, 1] + [UInt8](repeating: 97, count: 900), .tooLong),
    (7, [0, 0, 0, 0], .malformed),
    (10, [0, 0, 0, 0, 4, 0, 1], .malformed),
  ]

  @Test func reasonsOfLaterVersionsAreTaken() throws {
    for number in [UInt8(10), 11, 99, 255] {
      var bytes = try encoded([])
      bytes.writeBytes([0, 0, 0, 7, 10, 0, 0, 0, 0, 0] + [0, 0, 0, 3, number, 0, 0])
      bytes.writeBytes([0, 0, 0, 1, 6, 0, 0, 0, 0, 1, number])
      let found = try events(bytes, pieces: [1])
      let frames: [WireEvent] = [.frame(.goAway(lastStream: 3, .other, text: "")), .frame(.reset(1, .internalError))]
      #expect(found.dropFirst() == frames[...])
    }
  }

  @Test func payloadsOutsideTheFormatCloseTheConnection() throws {
    for (kind, payload, reason) in Self.hostilePayloads {
      var bytes = try encoded([])
      bytes.writeInteger(UInt32(payload.count))
      bytes.writeInteger(kind)
      bytes.writeInteger(UInt8(0))
      bytes.writeInteger(UInt32(kind == 10 ? 0 : 1))
      bytes.writeBytes(payload)
      for size in [1, bytes.readableBytes] {
        #expect(throws: reason, "kind \(kind), \(payload)") { try events(bytes, pieces: [size]) }
      }
    }
  }

  @Test func aForeignPrefaceIsRefusedAtItsFirstForeignByte() throws {
    for text in ["GET / HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "postern/wirf", "p0"] {
      #expect(throws: CloseReason.notPostern) { try events(ByteBuffer(string: text), pieces: [1]) }
    }
    var decoder = FrameDecoder(settings: smallSettings())
    var beginning = ByteBuffer(string: "postern/wi")
    let event = try decoder.next(from: &beginning)
    #expect(event == nil)
  }

  @Test func anotherVersionIsRefused() throws {
    for version in [UInt16(0), 2, 0xFFFF] {
      var bytes = smallSettings().encoded
      bytes.setInteger(version, at: 12)
      #expect(throws: CloseReason.version) { try events(bytes, pieces: [1]) }
    }
  }

  @Test func settingsOutsideTheirRangesAreRefused() throws {
    let changes: [(offset: Int, value: UInt32)] = [
      (16, 0), (16, 1_023), (16, 4_194_305), (16, .max), (20, 0), (20, 65_537), (24, 65_537), (28, 1_087),
      (28, 0x8000_0000), (32, 1_087), (32, 0x8000_0000),
    ]
    for (offset, value) in changes {
      var bytes = smallSettings().encoded
      bytes.setInteger(value, at: offset)
      #expect(throws: CloseReason.settings, "\(value) at \(offset)") { try events(bytes, pieces: [1]) }
    }
    for length in [UInt16(0), 23, 1_025, 0xFFFF] {
      var bytes = smallSettings().encoded
      bytes.setInteger(length, at: 14)
      #expect(throws: CloseReason.settings) { try events(bytes, pieces: [1]) }
    }
  }

  @Test func settingsOfALaterVersionAreSkipped() throws {
    var bytes = smallSettings().encoded
    bytes.setInteger(UInt16(1_024), at: 14)
    bytes.writeRepeatingByte(0xAA, count: 1_000)
    bytes.writeImmutableBuffer(try encoded([.ping(1)], preface: nil))
    let found = try events(bytes, pieces: [7])
    #expect(found == [.preface(smallSettings()), .frame(.ping(1))])
  }

  @Test func anErrorIsFinal() throws {
    var decoder = FrameDecoder(settings: smallSettings())
    var wrong = ByteBuffer(string: "x")
    #expect(throws: CloseReason.notPostern) { try decoder.next(from: &wrong) }
    var right = try encoded([])
    #expect(throws: CloseReason.notPostern) { try decoder.next(from: &right) }
  }

  @Test func randomBytesNeverCrashAndStayBounded() throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    var refusals = 0
    for _ in 0..<20_000 {
      var decoder = FrameDecoder(settings: smallSettings())
      var bytes = Bool.random(using: &generator) ? try encoded([]) : ByteBuffer()
      for _ in 0..<Int.random(in: 0..<60, using: &generator) {
        // Small numbers make plausible headers, so that the code behind them is reached.
        bytes.writeInteger(
          UInt8.random(in: Bool.random(using: &generator) ? 0...255 : 0...10, using: &generator))
      }
      do {
        while try decoder.next(from: &bytes) != nil {}
      } catch {
        refusals += 1
      }
      #expect(decoder.bufferedByteCount <= 2_048)
    }
    #expect(refusals > 1_000)
  }
}
