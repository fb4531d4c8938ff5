import Core
import Envelope
import Fixtures
import Records
import Sodium
import Testing

@Suite struct CharterRulesTests {
  private let setting: Setting

  init() throws { setting = try Setting() }

  /// What a charter is refused with once it was changed.
  private func refusal(_ change: (inout Charter) throws -> Void) throws -> PosternError? {
    var charter = setting.charter
    try change(&charter)
    return Fixtures.refusal { try charter.validate() }
  }

  private func renamed(_ member: Charter.Member, _ name: String) -> Charter.Member {
    Charter.Member(
      name: name, signing: member.signing, shard: member.shard, veil: member.veil, possession: member.possession)
  }

  @Test func aGoodCharterPasses() throws {
    #expect(try refusal { _ in } == nil)
    #expect(try refusal { $0.kms = nil } == nil)
    #expect(
      try refusal {
        $0.recovery = nil
        $0.requesters = []
      } == nil)
  }

  @Test func aDoorIsNeeded() throws {
    let error = try refusal {
      $0.recovery = nil
      $0.kms = nil
    }
    #expect(error?.code == .charterNoDoor)
  }

  @Test func somebodyHasToPushAndToAsk() throws {
    #expect(try refusal { $0.uploaders = [] }?.code == .charterNobody)
    #expect(try refusal { $0.requesters = [] }?.code == .charterNobody)
  }

  @Test func countsHaveLimits() throws {
    #expect(try refusal { $0.members = [] }?.code == .charterCount)
    let member = setting.charter.members[0]
    let tooMany = Charter.Limits.members + 1
    #expect(
      try refusal { $0.members = (0..<tooMany).map { renamed(member, "member-\($0)") } }?.code == .charterCount)
    let node = setting.charter.uploaders[0]
    let nodes = (0...Charter.Limits.nodes).map { Charter.Node(name: "node-\($0)", key: node.key) }
    #expect(try refusal { $0.uploaders = nodes }?.code == .charterCount)
    #expect(try refusal { $0.requesters = nodes }?.code == .charterCount)
  }

  @Test func namesAreShortPrintableAndTheirHoldersOwn() throws {
    let bad = [
      "", String(repeating: "x", count: 65), String(repeating: "é", count: 33), "a\nb", "a\u{0}", "\u{7F}", "\u{85}",
    ]
    for name in bad {
      #expect(try refusal { $0.name = name }?.code == .charterName, "\(name)")
      let member = try refusal { $0.members[1] = renamed($0.members[1], name) }
      #expect(member?.code == .charterName && member?.index == 1, "\(name)")
      let uploader = try refusal { $0.uploaders[1] = Charter.Node(name: name, key: $0.uploaders[1].key) }
      #expect(uploader?.code == .charterName && uploader?.index == 1, "\(name)")
      let requester = try refusal { $0.requesters[0] = Charter.Node(name: name, key: $0.requesters[0].key) }
      #expect(requester?.code == .charterName && requester?.index == 0, "\(name)")
    }
    let twice = try refusal { $0.members[2] = renamed($0.members[2], "member-0") }
    #expect(twice?.code == .charterName && twice?.index == 2)
    let nodeTwice = try refusal { $0.uploaders[1] = Charter.Node(name: "enclave-0", key: $0.uploaders[1].key) }
    #expect(nodeTwice?.code == .charterName && nodeTwice?.index == 1)
    // The same name in two lists is two holders' own.
    #expect(try refusal { $0.requesters[0] = Charter.Node(name: "enclave-0", key: $0.requesters[0].key) } == nil)
    for path in ["", String(repeating: "p", count: 256), "a\u{1}"] {
      let error = try refusal { charter in
        charter.kms = charter.kms.map {
          Charter.KMSDoor(path: path, shard: $0.shard, veil: $0.veil, possession: $0.possession)
        }
      }
      #expect(error?.code == .charterName, "\(path)")
    }
  }

  @Test func aKeyServesOneHolderInOneRole() throws {
    let door = setting.council.door
    func with(
      _ number: Int, signing: VerificationKey? = nil, shard: ShardPublicKey? = nil, veil: VeilPublicKey? = nil
    ) -> (inout Charter) -> Void {
      { charter in
        let old = charter.members[number]
        charter.members[number] = Charter.Member(
          name: old.name, signing: signing ?? old.signing, shard: shard ?? old.shard, veil: veil ?? old.veil,
          possession: old.possession)
      }
    }
    let first = setting.charter.members[0]
    #expect(try refusal(with(1, signing: first.signing))?.code == .charterKeyTwice)
    #expect(try refusal(with(1, shard: first.shard))?.code == .charterKeyTwice)
    #expect(try refusal(with(1, veil: first.veil))?.code == .charterKeyTwice)
    #expect(try refusal(with(1, shard: door.shard))?.code == .charterKeyTwice)
    #expect(try refusal(with(1, veil: door.veil))?.code == .charterKeyTwice)
    let uploader = setting.charter.uploaders[0].key
    #expect(try refusal(with(2, signing: uploader))?.code == .charterKeyTwice)
    #expect(try refusal { $0.requesters[0] = Charter.Node(name: "r", key: uploader) }?.code == .charterKeyTwice)
    #expect(try refusal { $0.requesters[0] = Charter.Node(name: "r", key: first.signing) }?.code == .charterKeyTwice)
    #expect(try refusal { $0.uploaders[1] = Charter.Node(name: "u", key: uploader) }?.code == .charterKeyTwice)
  }

  @Test func policiesNameMembersOnly() throws {
    let stranger = try Council(memberCount: 1, seed: 99).members[0].shard
    let policy = try Policy(
      root: Gate(
        threshold: 1, children: [.member(setting.charter.members[0].shard, weight: 1), .member(stranger, weight: 1)]))
    #expect(try refusal { $0.recovery = policy }?.code == .charterStranger)
    #expect(try refusal { $0.governance = policy }?.code == .charterStranger)
    // A member that no policy names is none of a policy's business.
    let one = try Policy(root: Gate(threshold: 1, children: [.member(setting.charter.members[0].shard, weight: 1)]))
    #expect(try refusal { $0.recovery = one } == nil)
  }

  @Test func everyHolderProvesItsShardKey() throws {
    for number in 0..<3 {
      // Made for another name, so of no use here.
      let error = try refusal { $0.members[number] = renamed($0.members[number], "someone-\(number)") }
      #expect(error?.code == .charterPossession && error?.index == number)
    }
    let first = setting.charter.members[0]
    let error = try refusal { charter in
      charter.members[1] = Charter.Member(
        name: charter.members[1].name, signing: charter.members[1].signing, shard: charter.members[1].shard,
        veil: charter.members[1].veil, possession: first.possession)
    }
    #expect(error?.code == .charterPossession && error?.index == 1)
    let kms = try refusal { charter in
      charter.kms = charter.kms.map {
        Charter.KMSDoor(path: $0.path, shard: $0.shard, veil: $0.veil, possession: first.possession)
      }
    }
    #expect(kms?.code == .charterPossession && kms?.index == nil)
  }

  @Test func aLossThatWouldFreezeIsTold() throws {
    func indispensable(_ council: Council, threshold: Int, kms: Bool, recovery: Int? = nil) throws -> [String] {
      var charter = try council.charter(home: setting.home, threshold: threshold)
      if !kms { charter.kms = nil }
      if let recovery { charter.recovery = try council.charter(home: setting.home, threshold: recovery).recovery }
      let names = charter.indispensableMembers.map(\.name)
      #expect((Fixtures.refusal { try charter.requireRedundancy() }?.code == .charterFragile) == !names.isEmpty)
      return names
    }
    let three = setting.council
    #expect(try indispensable(three, threshold: 2, kms: true).isEmpty)
    #expect(try indispensable(three, threshold: 2, kms: false).isEmpty)
    #expect(try indispensable(three, threshold: 3, kms: true).count == 3)
    // With a KMS door a council door that needs everybody freezes nothing.
    #expect(try indispensable(three, threshold: 2, kms: true, recovery: 3).isEmpty)
    #expect(try indispensable(three, threshold: 2, kms: false, recovery: 3).count == 3)
    let solo = try Council(memberCount: 1, seed: 5)
    #expect(try indispensable(solo, threshold: 1, kms: true) == ["member-0"])
  }
}
