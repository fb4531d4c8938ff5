import GRPCCore
import NIOCore
import Testing
import Wire

@Suite struct FrameEncoderTests {
  @Test func aBulkMessageIsNotCopied() {
    var tail = ByteBuffer(repeating: 7, count: 100_000)
    let place = tail.withUnsafeMutableReadableBytes { $0.baseAddress }
    let (first, second) = FrameEncoder.encodeMessage(
      WireBytes(head: ByteBuffer(bytes: [1, 2]), tail: tail), stream: 3)
    #expect(Array(first.readableBytesView) == [0, 1, 0x86, 0xA2, 3, 0, 0, 0, 0, 3, 1, 2])
    #expect(second?.withUnsafeReadableBytes { $0.baseAddress } == UnsafeRawPointer(place))
  }

  @Test func aLongHeadIsNotCopiedEither() {
    let head = ByteBuffer(repeating: 7, count: 100_000)
    let (first, second) = FrameEncoder.encodeMessage(WireBytes(head), stream: 1)
    #expect(first.readableBytes == FrameHeader.byteCount)
    #expect(second == head)
  }

  @Test func metadataThatCannotBeSentIsTheCallersMistake() {
    let wrong: [Metadata] = [
      ["a": "line\nbreak"], ["a": "ä"], ["": "x"], ["sp ace": "x"],
      ["key-bin": "not base64!"], Metadata((0..<129).map { (key: "k\($0)", value: .string("v")) }),
    ]
    for metadata in wrong {
      #expect(throws: RPCError.self, "\(metadata)") { try FrameEncoder.encode(.response(1, metadata)) }
    }
    #expect(throws: RPCError.self) { try FrameEncoder.encode(.request(1, method: "no slash", [:])) }
    #expect(throws: RPCError.self) {
      try FrameEncoder.encode(.response(1, ["a": .string(String(repeating: "x", count: 2_000))]), headerLimit: 1_024)
    }
  }

  @Test func keysAreLoweredAndBase64IsUndone() throws {
    let bytes = try encoded([.response(1, ["Upper": "x", "data-bin": "AAEC"])])
    let found = try events(bytes, pieces: [bytes.readableBytes])
    #expect(found.last == .frame(.response(1, ["upper": "x", "data-bin": .binary([0, 1, 2])])))
  }

  @Test func longTextsAreCutAtACharacter() throws {
    let family = "👩‍👩‍👧‍👦"
    for text in [String(repeating: "é", count: 1_000), String(repeating: family, count: 200), family] {
      let bytes = try encoded([.status(1, Status(code: .aborted, message: text), [:])], preface: nil)
      var decoder = FrameDecoder(settings: Preface.largest)
      var all = Preface.largest.encoded
      all.writeImmutableBuffer(bytes)
      var message: String?
      while let event = try decoder.next(from: &all) {
        if case .frame(.status(_, let status, _)) = event { message = status.message }
      }
      let kept = try #require(message)
      #expect(text.hasPrefix(kept) && kept.utf8.count <= WireFormat.textLimit)
      #expect(kept.utf8.count > WireFormat.textLimit - 30 || kept == text)
    }
  }
}

extension Preface {
  /// Every setting at its most.
  static var largest: Preface {
    Preface(
      messageLimit: UInt32(WireFormat.messageCeiling), headerLimit: UInt32(WireFormat.headerCeiling),
      streamLimit: WireFormat.streamCeiling, streamCredit: WireFormat.creditCeiling,
      connectionCredit: WireFormat.creditCeiling, idleSeconds: .max)
  }
}
