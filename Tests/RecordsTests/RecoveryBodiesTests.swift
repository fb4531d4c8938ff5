import Core
import Envelope
import Fixtures
import Records
import Sodium
import Testing

@Suite struct RecoveryBodiesTests {
  private let setting: Setting
  private let request: RecoveryRequest

  init() throws {
    setting = try Setting()
    request = try Self.request(setting, nextUploader: false)
  }

  static func request(_ setting: Setting, nextUploader: Bool) throws -> RecoveryRequest {
    var generator = SeededGenerator(seed: 11)
    var bytes = generator.bytes(32)
    let secret = try RecoverySecret(consuming: &bytes)
    let recipients = secret.recipients(memberCount: 3)
    return RecoveryRequest(
      app: setting.app, epoch: 4, epochLeafHash: generator.digest(), charter: setting.app,
      envelope: generator.digest(), veilCommit: generator.digest(), memberRecipients: recipients.members,
      veilRecipient: recipients.veil, nextUploader: nextUploader ? try setting.council.uploader(5).verificationKey : nil
    )
  }

  @Test func aRequestIsReadAsItWasWritten() throws {
    for request in [request, try Self.request(setting, nextUploader: true)] {
      #expect(try RecoveryRequest(parsing: request.body) == request)
      #expect(request.body.count == 1 + 32 + 8 + 4 * 32 + 2 + 4 * 1_216 + 32)
    }
    #expect(try Self.request(setting, nextUploader: true).recovery != request.recovery)
  }

  @Test func everyFlippedBitGivesAnotherRequestOrNone() {
    let body = request.body
    for position in body.indices where position < 200 || position % 17 == 0 {
      var flipped = body
      flipped[position] ^= 1 << UInt8(position % 8)
      guard let read = try? RecoveryRequest(parsing: flipped) else { continue }
      #expect(read.body == flipped && read.recovery != request.recovery, "\(position)")
    }
  }

  @Test func keysOfARequestAreAllDistinct() {
    let body = request.body
    let firstKey = 1 + 32 + 8 + 4 * 32 + 2
    for other in 1...3 {
      var twice = body
      let start = firstKey + other * 1_216
      twice.replaceSubrange(start..<start + 1_216, with: body[firstKey..<firstKey + 1_216])
      #expect(refusal { try RecoveryRequest(parsing: twice) }?.code == .requestMalformed)
    }
  }

  @Test func cutLongerAndHostileRequestsAreRefused() {
    let body = request.body
    for count in stride(from: 0, to: body.count, by: 61) {
      #expect(refusal { try RecoveryRequest(parsing: Array(body.prefix(count))) }?.code == .requestMalformed)
    }
    let membersAt = 1 + 32 + 8 + 4 * 32
    for count in [[0xFF, 0xFF], [0, 2], [0, 4]] {
      var changed = body
      changed.replaceSubrange(membersAt..<membersAt + 2, with: count.map(UInt8.init))
      #expect(refusal { try RecoveryRequest(parsing: changed) }?.code == .requestMalformed)
    }
    let huge = [UInt8](repeating: 1, count: RecoveryRequest.byteCountLimit + 1)
    #expect(refusal { try RecoveryRequest(parsing: huge) }?.code == .requestMalformed)
    #expect(refusal { try RecoveryRequest(parsing: body + [0]) }?.code == .requestMalformed)
  }

  @Test func answersAreReadAsTheyWereWritten() throws {
    var generator = SeededGenerator.printing()
    for (releases, veil) in [(0, 0), (1, 0), (1_200, 1_168), (100_000, 1_168)] {
      let answer = RecoveryAnswer(
        recovery: generator.digest(), member: 1_023, envelope: generator.digest(),
        sealedReleases: generator.bytes(releases), sealedVeilSecret: generator.bytes(veil))
      #expect(try RecoveryAnswer(parsing: answer.body) == answer)
    }
  }

  @Test func hostileAnswersAreRefused() throws {
    var generator = SeededGenerator(seed: 12)
    let body = RecoveryAnswer(
      recovery: generator.digest(), member: 1, envelope: generator.digest(), sealedReleases: generator.bytes(9),
      sealedVeilSecret: generator.bytes(5)
    ).body
    for count in body.indices {
      #expect(refusal { try RecoveryAnswer(parsing: Array(body.prefix(count))) }?.code == .answerMalformed)
    }
    let lengthAt = 1 + 32 + 2 + 32
    for (position, value) in [(0, 2), (lengthAt, 0xFF), (lengthAt, 0x7F), (lengthAt + 3, 10), (lengthAt + 4 + 9, 0xFF)]
    {
      var changed = body
      changed[position] = UInt8(value)
      #expect(refusal { try RecoveryAnswer(parsing: changed) }?.code == .answerMalformed, "\(position)")
    }
    let huge = [UInt8](repeating: 1, count: RecoveryAnswer.byteCountLimit + 1)
    #expect(refusal { try RecoveryAnswer(parsing: huge) }?.code == .answerMalformed)
    #expect(refusal { try RecoveryAnswer(parsing: body + [0]) }?.code == .answerMalformed)
  }
}
