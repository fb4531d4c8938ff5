import Bulk
import Core
import Envelope
import Fixtures
import Records
import Sodium
import Testing

@Suite struct CharterSignaturesTests {
  private let setting: Setting
  private let signatures: CharterSignatures

  init() throws {
    setting = try Setting()
    signatures = try CharterSignatures(parsing: setting.council.registration(of: setting.charter).signatures)
  }

  @Test func allMembersSigned() throws {
    try signatures.verify(setting.charter)
    #expect(try CharterSignatures(parsing: signatures.body) == signatures)
    #expect(signatures.body.count == 3 + 3 * 64)
    for (signature, member) in zip(signatures.signatures, setting.charter.members) {
      #expect(CharterSignatures.verifies(signature, charter: setting.app, by: member.signing))
      #expect(member.signing.verifies(signature, over: message("charter-body", setting.app.bytes)))
    }
  }

  @Test func whoHasNotSignedIsNamed() throws {
    let good = signatures.signatures
    let strange = try CharterSignatures.sign(charter: .zero, with: setting.council.member(1).signingKey())
    for (signatures, index) in [
      ([], 0), (Array(good.prefix(2)), 2), ([good[0], strange, good[2]], 1), ([good[1], good[0], good[2]], 0),
    ] {
      let error = refusal { try CharterSignatures(signatures).verify(setting.charter) }
      #expect(error?.code == .charterSignature && error?.index == index)
    }
    #expect(refusal { try CharterSignatures(good + [good[0]]).verify(setting.charter) }?.code == .charterMalformed)
    var changed = setting.charter
    changed.retentionEpochs = 7
    #expect(refusal { try signatures.verify(changed) }?.index == 0)
  }

  @Test func otherBytesAreRefused() throws {
    let body = signatures.body
    for count in 0..<body.count {
      #expect(refusal { try CharterSignatures(parsing: Array(body.prefix(count))) }?.code == .charterMalformed)
    }
    #expect(refusal { try CharterSignatures(parsing: body + [0]) }?.code == .charterMalformed)
    for (position, value) in [(0, 2), (1, 0xFF), (2, 2), (2, 4)] {
      var changed = body
      changed[position] = UInt8(value)
      #expect(refusal { try CharterSignatures(parsing: changed) }?.code == .charterMalformed, "\(position)")
    }
    for position in 3..<body.count where position % 5 == 0 {
      var changed = body
      changed[position] ^= 1
      #expect(refusal { try CharterSignatures(parsing: changed).verify(setting.charter) }?.code == .charterSignature)
    }
  }
}
