import Bulk
import Core
import Envelope
import Testing

@Suite struct EnvelopeTests {
  @Test func satisfyingSetsOpenAndOthersDoNot() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var random = SeededRandom(seed: seed)
    let council = try Council(5)
    for round in 0..<25 {
      let policy = try randomPolicy(council.keys, &random)
      let context = try council.context(policy, kms: round.isMultiple(of: 3) ? nil : council.kms)
      let dealing = Envelope.deal(context: context)
      let secret = bytes(dealing.secret)
      let envelope = try Envelope(parsing: dealing.transcript, context: context).verify()
      let digest = dealing.digest
      #expect(envelope.digest == digest)
      let releases = try council.releases(envelope)
      for mask in 0..<32 {
        let members = Set(council.keys.enumerated().filter { mask >> $0.offset & 1 == 1 }.map(\.element))
        let chosen = releases.filter { members.contains(policy.leaves[$0.leaf]) }.shuffled(using: &random)
        let opens = isMet(policy.root, by: members)
        #expect(policy.isSatisfied(by: members) == opens)
        #expect(policy.isSatisfied(byLeaves: Set(chosen.map(\.leaf))) == opens)
        var opened: [UInt8]?
        let outcome = refusal { opened = bytes(try envelope.combine(chosen)) }
        #expect(outcome == (opens ? nil : "envelope.unsatisfied"))
        #expect(opened == (opens ? secret : nil))
      }
      if context.kms != nil {
        #expect(bytes(try envelope.openKMSDoor(with: Council.kmsMaster().shardKey())) == secret)
      }
    }
  }

  /// The policy's meaning, written down once more and without numbers.
  private func isMet(_ gate: Gate, by members: Set<ShardPublicKey>) -> Bool {
    gate.threshold
      <= gate.children.reduce(0) { sum, child in
        switch child {
        case .gate(let nested): sum + (isMet(nested, by: members) ? 1 : 0)
        case .member(let key, let weight): sum + (members.contains(key) ? weight : 0)
        }
      }
  }

  @Test func aCharterWithoutACouncilDoor() throws {
    let council = try Council(1)
    let context = try council.context(nil, kms: council.kms)
    let dealing = Envelope.deal(context: context)
    let transcript = dealing.transcript
    #expect(transcript.count == 2 + 32 + 96)
    let envelope = try Envelope(parsing: transcript, context: context).verify()
    let opened = try envelope.openKMSDoor(with: Council.kmsMaster().shardKey())
    #expect(bytes(opened) == bytes(dealing.secret))
    #expect(refusal { _ = try envelope.combine([]) } == "envelope.unsatisfied")
    #expect(refusal { _ = try envelope.openKMSDoor(with: Council.master(0).shardKey()) } == "envelope.key")
    #expect(refusal { _ = try Envelope(parsing: transcript + [0], context: context) } == "envelope.trailing")
    let withCouncil = try council.context(try council.flat(1), kms: council.kms)
    #expect(refusal { _ = try Envelope(parsing: transcript, context: withCouncil) } == "envelope.truncated")
    let otherKMS = try council.context(nil, kms: council.keys[0])
    #expect(refusal { _ = try Envelope(parsing: transcript, context: otherKMS).verify() } == "envelope.kms")
    #expect(refusal { _ = try council.context(nil, kms: nil) } == "envelope.no-door")
  }

  @Test func everyByteOfATranscriptCounts() throws {
    let council = try Council(3)
    let nested = Gate(threshold: 1, children: [.member(council.keys[2], weight: 1)])
    let policy = try Policy(
      root: Gate(
        threshold: 2,
        children: [.member(council.keys[0], weight: 1), .gate(nested), .member(council.keys[1], weight: 2)]))
    let context = try council.context(policy, kms: council.kms)
    let transcript = Envelope.deal(context: context).transcript
    for length in 0..<transcript.count {
      let code = refusal { _ = try Envelope(parsing: Array(transcript[..<length]), context: context) }
      #expect(code == "envelope.truncated", "\(length) bytes")
    }
    for index in transcript.indices {
      var bytes = transcript
      bytes[index] ^= 1
      #expect(refusal { _ = try Envelope(parsing: bytes, context: context).verify() } != nil, "byte \(index)")
      bytes = transcript
      bytes[index] ^= 0x80
      #expect(refusal { _ = try Envelope(parsing: bytes, context: context).verify() } != nil, "byte \(index)")
    }
    #expect(refusal { _ = try Envelope(parsing: transcript + [0], context: context) } == "envelope.trailing")
    var bytes = transcript
    bytes[0] = 2
    #expect(refusal { _ = try Envelope(parsing: bytes, context: context) } == "envelope.version")
    bytes = transcript
    bytes[1] = 2
    #expect(refusal { _ = try Envelope(parsing: bytes, context: context) } == "envelope.kms-presence")
    let withoutKMS = try council.context(policy, kms: nil)
    #expect(refusal { _ = try Envelope(parsing: transcript, context: withoutKMS) } == "envelope.kms-presence")
  }

  /// A transcript whose points and scalars could be written in two ways would have two names: every other form is
  /// refused as it is read, before any proof is looked at.
  @Test func pointsAndScalarsHaveOneForm() throws {
    let council = try Council(2)
    let context = try council.context(try council.flat(1), kms: council.kms)
    let transcript = Envelope.deal(context: context).transcript
    // Root; KMS share and proof; and a leaf's commitment, share and proof, twice.
    let fields = "PPSSPPSSPPSS"
    #expect(transcript.count == 2 + fields.count * 32)
    let order: [UInt8] = [
      0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ]
    for (number, field) in fields.enumerated() {
      let range = 2 + number * 32..<34 + number * 32
      var others: [[UInt8]] = []
      // libsodium ignores bit 255 of a point and masks a scalar.
      others.append(Array(transcript[range]))
      others[0][31] |= 0x80
      if field == "S" {
        var carry = 0
        others.append(
          zip(transcript[range], order).map { one, other in
            let sum = Int(one) + Int(other) + carry
            carry = sum >> 8
            return UInt8(sum & 255)
          })
        others.append(order)
      } else {
        others += [[UInt8](repeating: 0, count: 32), [UInt8](repeating: 255, count: 31) + [0x7f]]
      }
      for other in others {
        var bytes = transcript
        bytes.replaceSubrange(range, with: other)
        #expect(
          refusal { _ = try Envelope(parsing: bytes, context: context) } == "envelope.encoding", "field \(number)")
      }
    }
  }

  @Test func anotherContextIsRefused() throws {
    let council = try Council(2)
    let policy = try council.flat(1)
    let transcript = Envelope.deal(context: try council.context(policy, kms: nil)).transcript
    let zero = Digest.zero
    let one = SHA256.hash([1])
    let two = SHA256.hash([2])
    let three = SHA256.hash([3])
    let contexts = [
      try EnvelopeContext(
        app: zero, epoch: 7, charterDigest: two, policy: policy, kms: nil, generation: 3, veilCommit: three),
      try EnvelopeContext(
        app: one, epoch: 8, charterDigest: two, policy: policy, kms: nil, generation: 3, veilCommit: three),
      try EnvelopeContext(
        app: one, epoch: 7, charterDigest: zero, policy: policy, kms: nil, generation: 3, veilCommit: three),
      try EnvelopeContext(
        app: one, epoch: 7, charterDigest: two, policy: policy, kms: nil, generation: 4, veilCommit: three),
      try EnvelopeContext(
        app: one, epoch: 7, charterDigest: two, policy: policy, kms: nil, generation: 3, veilCommit: zero),
    ]
    for context in contexts {
      #expect(refusal { _ = try Envelope(parsing: transcript, context: context).verify() } == "envelope.leaf 0")
    }
    // The same shape under another threshold: the shares are no longer of that degree.
    let all = try council.context(try council.flat(2), kms: nil)
    #expect(refusal { _ = try Envelope(parsing: transcript, context: all).verify() } == "envelope.leaf 0")
    let opposite = Envelope.deal(context: all).transcript
    let any = try council.context(policy, kms: nil)
    #expect(refusal { _ = try Envelope(parsing: opposite, context: any).verify() } == "envelope.gate 0")
  }

  @Test func allCoresReachTheSameVerdict() async throws {
    let council = try Council(5)
    let inner = Gate(threshold: 30, children: council.keys.map { .member($0, weight: 13) })
    let root = Gate(threshold: 25, children: council.keys.map { .member($0, weight: 11) } + [.gate(inner)])
    let policy = try Policy(root: root)
    let context = try council.context(policy, kms: council.kms)
    let transcript = Envelope.deal(context: context).transcript
    _ = try await Envelope(parsing: transcript, context: context).verifyOnAllCores()
    // A leaf is 128 bytes; the child gate's commitment stands before leaf 55.
    func proof(_ leaf: Int) -> Int { 2 + 32 + 96 + leaf * 128 + 64 + (leaf >= 55 ? 32 : 0) }
    for leaves in [[119, 70], [54], [0, 1], [55], [113]] {
      var bytes = transcript
      for leaf in leaves { bytes[proof(leaf)] ^= 1 }
      let envelope = try Envelope(parsing: bytes, context: context)
      let expected = leaves.min().map { "envelope.leaf \($0)" }
      #expect(refusal { _ = try envelope.verify() } == expected)
      #expect(await parallelRefusal(envelope) == expected)
    }
    // A commitment moved to another place breaks the gate that it moves to, which comes first.
    for (leaf, gate) in [(3, 0), (80, 1)] {
      var bytes = transcript
      let start = proof(leaf) - 64
      bytes.replaceSubrange(start..<start + 32, with: transcript[2..<34])
      let envelope = try Envelope(parsing: bytes, context: context)
      #expect(refusal { _ = try envelope.verify() } == "envelope.gate \(gate)")
      #expect(await parallelRefusal(envelope) == "envelope.gate \(gate)")
    }
    var bytes = transcript
    bytes[2 + 32 + 32] ^= 1
    #expect(await parallelRefusal(try Envelope(parsing: bytes, context: context)) == "envelope.kms")
  }

  private func parallelRefusal(_ envelope: Envelope) async -> String? {
    do {
      _ = try await envelope.verifyOnAllCores()
      return nil
    } catch {
      return error.index.map { "\(error.code.rawValue) \($0)" } ?? error.code.rawValue
    }
  }

  @Test func theLargestPolicy() async throws {
    let council = try Council(2)
    let small = Gate(threshold: 1, children: [.member(council.keys[0], weight: 1)])
    let root = Gate(
      threshold: 900,
      children: [.member(council.keys[1], weight: 961)] + Array(repeating: .gate(small), count: 63))
    let context = try council.context(try Policy(root: root), kms: council.kms)
    let dealing = Envelope.deal(context: context)
    let count = dealing.transcript.count
    #expect(count == Envelope.byteLimit)
    let envelope = try await Envelope(parsing: dealing.transcript, context: context).verifyOnAllCores()
    let releases = try council.releases(envelope)
    #expect(bytes(try envelope.combine(releases.reversed())) == bytes(dealing.secret))
  }
}
