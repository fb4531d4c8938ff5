import Core
import Envelope
import Testing

@Suite struct PolicyTests {
  private let council: Council

  init() throws {
    council = try Council(6)
  }

  private func member(_ number: Int, weight: Int = 1) -> Gate.Child {
    .member(council.keys[number], weight: weight)
  }

  private func nested(_ depth: Int) -> Gate {
    (1..<depth).reduce(Gate(threshold: 1, children: [member(0)])) { gate, _ in
      Gate(threshold: 1, children: [.gate(gate)])
    }
  }

  @Test func everyRuleIsNamedWithItsGate() {
    let one = Gate.Child.gate(Gate(threshold: 1, children: [member(0)]))
    let cases: [(expected: String, gate: Gate)] = [
      ("policy.depth 8", nested(9)),
      ("policy.gates 64", Gate(threshold: 1, children: Array(repeating: one, count: 64))),
      ("policy.weight 0", Gate(threshold: 1, children: [member(0, weight: 0)])),
      ("policy.weight 0", Gate(threshold: 1, children: [member(0, weight: -1)])),
      (
        "policy.weight 1",
        Gate(threshold: 1, children: [.gate(Gate(threshold: 1, children: [member(0, weight: 1_025)]))])
      ),
      ("policy.twice 0", Gate(threshold: 1, children: [member(0), one, member(0)])),
      ("policy.positions 0", Gate(threshold: 1, children: [member(0, weight: 1_024), member(1)])),
      (
        "policy.positions 1",
        Gate(threshold: 1, children: [.gate(Gate(threshold: 1, children: [member(0, weight: 256)]))])
      ),
      (
        "policy.leaves 1",
        Gate(
          threshold: 1,
          children: [member(0, weight: 1_023), .gate(Gate(threshold: 1, children: [member(0), member(1)]))])
      ),
      ("policy.threshold 0", Gate(threshold: 0, children: [member(0)])),
      ("policy.threshold 0", Gate(threshold: -5, children: [member(0)])),
      ("policy.threshold 0", Gate(threshold: 3, children: [member(0), one])),
      ("policy.threshold 1", Gate(threshold: 1, children: [.gate(Gate(threshold: 1, children: []))])),
      // Several rules broken: first by gate in pre-order, then by the order of the rules.
      ("policy.weight 0", Gate(threshold: 9, children: [member(0), member(0), member(1, weight: 0)])),
      ("policy.threshold 0", Gate(threshold: 9, children: [.gate(Gate(threshold: 0, children: []))])),
      (
        "policy.twice 1",
        Gate(threshold: 1, children: [.gate(Gate(threshold: 0, children: [member(0), member(0)])), .gate(nested(9))])
      ),
    ]
    for (expected, gate) in cases {
      #expect(refusal { _ = try Policy(root: gate) } == expected)
    }
    #expect(refusal { _ = try Policy(root: nested(8)) } == nil)
  }

  @Test func leavesAndGatesAreNumberedAsTheyAppear() throws {
    let policy = try Policy(
      root: Gate(
        threshold: 2,
        children: [
          member(0, weight: 2), .gate(Gate(threshold: 1, children: [member(1), member(0)])), member(2),
        ]))
    let keys = council.keys
    #expect(policy.leaves == [keys[0], keys[0], keys[1], keys[0], keys[2]])
    #expect(policy.leaves(of: keys[0]) == [0, 1, 3])
    #expect(policy.leaves(of: keys[5]).isEmpty)
    #expect(policy.members == [keys[0], keys[1], keys[2]])
    #expect(policy.leafCount == 5)
    #expect(policy.gateCount == 2)
    #expect(policy.isSatisfied(by: [keys[0]]))
    #expect(!policy.isSatisfied(by: [keys[1]]))
    #expect(policy.isSatisfied(by: [keys[1], keys[2]]))
    #expect(!policy.isSatisfied(by: []))
    #expect(policy.isSatisfied(byLeaves: [0, 3]))
    #expect(!policy.isSatisfied(byLeaves: [2, 3]))
  }

  @Test func encodingsRoundTrip() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var random = SeededRandom(seed: seed)
    for _ in 0..<200 {
      let policy = try randomPolicy(council.keys, &random)
      var reader = ByteReader(policy.bytes + [7])
      let decoded = try #require(try Policy.read(from: &reader))
      #expect(reader.remaining == 1)
      #expect(decoded == policy)
      #expect(decoded.root == policy.root)
      #expect(decoded.hashValue == policy.hashValue)
    }
  }

  @Test func anAbsentPolicyIsOneZeroByte() throws {
    #expect(Policy.encode(nil) == [0])
    var reader = ByteReader([0])
    #expect(try Policy.read(from: &reader) == nil)
    let policy = try council.flat(2)
    #expect(Policy.encode(policy) == policy.bytes)
  }

  @Test func hostileEncodingsAreRefused() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var random = SeededRandom(seed: seed)
    for _ in 0..<20 {
      let policy = try randomPolicy(council.keys, &random)
      for length in 0..<policy.bytes.count {
        var reader = ByteReader(policy.bytes[..<length])
        #expect(refusal { _ = try Policy.read(from: &reader) } == "policy.encoding", "\(length) bytes")
      }
      for _ in 0..<100 {
        var bytes = policy.bytes
        bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        var reader = ByteReader(bytes)
        // Whatever is still read has no second encoding.
        guard let decoded = try? Policy.read(from: &reader) else { continue }
        #expect(decoded.bytes == Array(bytes[..<reader.offset]))
      }
    }
    let key = council.keys[0].bytes
    let cases: [(expected: String, bytes: [UInt8])] = [
      ("policy.encoding", []),
      ("policy.encoding", [2, 0, 1] + key),
      ("policy.encoding", [3]),
      ("policy.encoding", [1, 0, 1, 0, 1, 2, 0, 1] + [UInt8](repeating: 0, count: 32)),
      ("policy.encoding", [1, 0, 1, 0, 1, 4]),
      ("policy.threshold 0", [1, 0, 0, 0, 0]),
      ("policy.positions 0", [1, 0, 1, 0xff, 0xff]),
      ("policy.depth 8", Array(repeating: [1, 0, 1, 0, 1], count: 10_000).flatMap { $0 }),
      ("policy.gates 64", [1, 0, 1, 1, 0] + Array(repeating: [1, 0, 1, 0, 0], count: 300).flatMap { $0 }),
      ("policy.weight 0", [1, 0, 1, 0, 1, 2, 0, 0] + key),
    ]
    for (expected, bytes) in cases {
      var reader = ByteReader(bytes)
      #expect(refusal { _ = try Policy.read(from: &reader) } == expected)
    }
  }
}

/// A random tree of at most three levels over some members.
func randomPolicy(_ keys: [ShardPublicKey], _ random: inout SeededRandom) throws -> Policy {
  try Policy(root: randomGate(keys, depth: 1, &random))
}

private func randomGate(_ keys: [ShardPublicKey], depth: Int, _ random: inout SeededRandom) -> Gate {
  let members = keys.shuffled(using: &random).prefix(Int.random(in: 1...keys.count, using: &random))
  var children = members.map { Gate.Child.member($0, weight: Int.random(in: 1...3, using: &random)) }
  if depth < 3 {
    for _ in 0..<Int.random(in: 0...2, using: &random) {
      children.append(.gate(randomGate(keys, depth: depth + 1, &random)))
    }
  }
  let positions = children.reduce(0) { sum, child in
    guard case .member(_, let weight) = child else { return sum + 1 }
    return sum + weight
  }
  return Gate(
    threshold: Int.random(in: 1...positions, using: &random), children: children.shuffled(using: &random))
}
