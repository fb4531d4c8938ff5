import Benchmark
import Bulk
import Core
import Envelope
import Sodium

/// Dealing and verifying, and what they are measured in: one multiplication in the group.
func envelopeBenchmarks() {
  let scalar = Scalar(hashing: { $0.append(string: "benchmark") })
  let point = Point(hashing: "benchmark")
  Benchmark("group multiplication", configuration: .init(scalingFactor: .kilo)) { benchmark in
    var product = point
    for _ in benchmark.scaledIterations { product = scalar * product }
    blackHole(product)
  }
  for memberCount in [10, 100, 1_000] {
    Benchmark("envelope deal, \(memberCount) leaves") { (benchmark: Benchmark, context: EnvelopeContext) in
      for _ in benchmark.scaledIterations { blackHole(Envelope.deal(context: context).transcript) }
    } setup: {
      try context(memberCount: memberCount)
    }
    Benchmark("envelope verify, \(memberCount) leaves") { (benchmark: Benchmark, dealt: Dealt) in
      for _ in benchmark.scaledIterations {
        blackHole(try Envelope(parsing: dealt.transcript, context: dealt.context).verify())
      }
    } setup: {
      let context = try context(memberCount: memberCount)
      return Dealt(context: context, transcript: Envelope.deal(context: context).transcript)
    }
  }
}

private struct Dealt {
  let context: EnvelopeContext
  let transcript: [UInt8]
}

/// A council of so many members, two thirds of whom open the door, and a KMS door beside it.
private func context(memberCount: Int) throws -> EnvelopeContext {
  let keys = try (0...memberCount).map { number in
    var secret = SHA256.hash(Array("member \(number)".utf8)).bytes
    return try MasterSecret(consuming: &secret).shardKey().publicKey
  }
  let gate = Gate(threshold: max(1, memberCount * 2 / 3), children: keys.dropLast().map { .member($0, weight: 1) })
  return try EnvelopeContext(
    app: SHA256.hash([1]), epoch: 7, charterDigest: SHA256.hash([2]), policy: try Policy(root: gate), kms: keys.last,
    generation: 3, veilCommit: SHA256.hash([3]))
}
