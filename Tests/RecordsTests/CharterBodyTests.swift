import Bulk
import Core
import Dump
import Envelope
import Fixtures
import Merkle
import Records
import Sodium
import Testing

@Suite struct CharterBodyTests {
  private let setting: Setting

  init() throws { setting = try Setting() }

  /// A charter with everything, and those that lack a door or lists.
  private func charters() throws -> [Charter] {
    let full = setting.charter
    var noKMS = full
    noKMS.kms = nil
    var noCouncil = full
    noCouncil.recovery = nil
    noCouncil.requesters = []
    var other = full
    other.chunker = .content(.kib32)
    other.retentionEpochs = .max
    other.name = "Läger 账本"
    other.governance = try Policy(
      root: Gate(
        threshold: 2,
        children: [
          .member(full.members[0].shard, weight: 2),
          .gate(
            Gate(
              threshold: 1,
              children: [.member(full.members[1].shard, weight: 1), .member(full.members[2].shard, weight: 1)]
            )),
        ]))
    return [full, noKMS, noCouncil, other]
  }

  @Test func everyCharterIsReadAsItWasWritten() throws {
    for charter in try charters() {
      let read = try Charter(parsing: charter.body)
      #expect(read == charter)
      #expect(read.body == charter.body)
      #expect(read.digest == SHA256.hash(charter.body))
      #expect(read.policyDigest == SHA256.hash(Policy.encode(charter.recovery)))
      try read.validate()
    }
  }

  @Test func membersAreNumberedInTheCharter() throws {
    let charter = setting.charter
    #expect(try charter.memberNumber(signing: setting.council.member(2).signingKey().verificationKey) == 2)
    #expect(try charter.memberNumber(signing: setting.council.uploader().verificationKey) == nil)
    #expect(charter.members[1].identity.name == "member-1")
    #expect(Charter.Member(charter.members[1].identity) == charter.members[1])
  }

  @Test func everyFlippedBitGivesAnotherCharterOrNone() throws {
    for (number, charter) in try charters().enumerated() {
      let body = charter.body
      // Most of a charter are keys, whose bytes are all alike to a reader.
      for position in body.indices where position % (number == 0 ? 3 : 13) == 0 || position < 100 {
        var flipped = body
        flipped[position] ^= 1 << UInt8(position % 8)
        guard let read = try? Charter(parsing: flipped) else { continue }
        // One encoding: else the charter's digest would not be that of the body that it was read from.
        #expect(read.body == flipped, "\(position)")
        #expect(read != charter, "\(position)")
      }
    }
  }

  @Test func cutOrLongerBodiesAreRefused() throws {
    let body = setting.charter.body
    for count in 0..<body.count where count % 3 == 0 || count > body.count - 200 {
      #expect(refusal { try Charter(parsing: Array(body.prefix(count))) } != nil, "\(count)")
    }
    #expect(refusal { try Charter(parsing: body + [0]) }?.code == .charterMalformed)
    let huge = body + [UInt8](repeating: 0, count: Charter.Limits.byteCount + 1 - body.count)
    #expect(refusal { try Charter(parsing: huge) }?.code == .charterMalformed)
  }

  @Test func hostileLengthsAreRefused() throws {
    let body = setting.charter.body
    let nameAt = 33
    let membersAt = nameAt + 2 + "ledger".utf8.count
    for (position, value) in [
      (0, [2]), (nameAt, [0xFF, 0xFF]), (nameAt, [0, 65]), (membersAt, [0xFF, 0xFF]), (membersAt, [0x04, 0x01]),
      (membersAt, [0, 4]), (membersAt + 2, [0xFF, 0xFF]),
    ] {
      var changed = body
      changed.replaceSubrange(position..<position + value.count, with: value.map(UInt8.init))
      #expect(refusal { try Charter(parsing: changed) }?.code == .charterMalformed, "\(position) \(value)")
    }
    var notUTF8 = body
    notUTF8[nameAt + 2] = 0xFF
    #expect(refusal { try Charter(parsing: notUTF8) }?.code == .charterMalformed)
  }

  @Test func partsAreRefusedWithTheirOwnCodes() throws {
    let charter = setting.charter
    let body = charter.body
    // The chunker and the retention are the last thirteen bytes.
    var chunker = body
    chunker[body.count - 13] = 9
    #expect(refusal { try Charter(parsing: chunker) }?.code == .dumpChunker)
    let home = Array(charter.home.text.utf8)
    let homeAt = body.count - 13 - home.count
    var key = body
    key[homeAt + home.count - 1] = UInt8(ascii: "!")
    let refused = refusal { try Charter(parsing: key) }
    // No code of a log's, which an archive may not refuse with.
    #expect(refused?.code == .charterMalformed && refused?.message.contains("home") == true)
    // Above the positions: a policy that nobody could meet.
    let encoding = Policy.encode(charter.recovery)
    let policyAt = try #require(body.indices.first { body[$0...].starts(with: encoding) })
    var threshold = body
    threshold[policyAt + 2] = 9
    #expect(refusal { try Charter(parsing: threshold) }?.code == "policy.threshold")
  }

  @Test func aCharterNeedsAGovernancePolicy() throws {
    let charter = setting.charter
    let encoding = Policy.encode(charter.recovery)
    let body = charter.body
    let policyAt = try #require(body.indices.first { body[$0...].starts(with: encoding) })
    let without = body[..<(policyAt + encoding.count)] + [0] + body[(policyAt + 2 * encoding.count)...]
    #expect(refusal { try Charter(parsing: Array(without)) }?.code == .charterMalformed)
  }
}
