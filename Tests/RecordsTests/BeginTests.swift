import Core
import Fixtures
import Records
import Sodium
import Testing

@Suite struct BeginTests {
  private let setting: Setting
  private let begin: Begin

  init() throws {
    setting = try Setting()
    var generator = SeededGenerator(seed: 3)
    begin = Begin(
      app: setting.app, epoch: 5, previous: generator.digest(), generation: 2, budgetByteCount: .max,
      nonce: generator.digest(), signedBy: try setting.council.uploader())
  }

  @Test func aBeginIsReadAsItWasWritten() throws {
    #expect(begin.bytes.count == Begin.byteCount)
    #expect(try Begin(verifying: begin.bytes) == begin)
    #expect(begin.uploader.verifies(begin.signature, over: message("begin", begin.bytes.dropLast(64))))
  }

  @Test func everyFlippedBitIsRefused() {
    for position in begin.bytes.indices {
      var flipped = begin.bytes
      flipped[position] ^= 1 << UInt8(position % 8)
      let code = refusal { try Begin(verifying: flipped) }?.code
      #expect(code == (position == 0 ? .beginMalformed : .beginSignature), "\(position)")
    }
  }

  @Test func otherLengthsAreRefused() {
    for bytes in [[], Array(begin.bytes.dropLast()), begin.bytes + [0]] {
      #expect(refusal { try Begin(verifying: bytes) }?.code == .beginMalformed)
    }
  }
}
