import Bulk
public import Core
import Sodium

/// What a dealer gets: the public transcript, and the secret that both doors open.
public struct Dealing: ~Copyable, Sendable {
  /// The envelope's bytes.
  public let transcript: [UInt8]
  /// The envelope's digest.
  public let digest: Digest
  /// What seals the capsule, with the veil's secret.
  public let secret: DoorSecret
}

extension Envelope {
  /// Deals a fresh secret to the doors of a context.
  public static func deal(context: EnvelopeContext) -> Dealing {
    var draws = SystemDraws()
    return deal(context: context, draws: &draws)
  }

  /// The same from given draws.
  package static func deal(context: EnvelopeContext, draws: inout some DrawSource) -> Dealing {
    Dealer(context: context, draws: &draws).deal(draws: &draws)
  }
}

/// One dealing: the value of every gate, then of every leaf, in one piece of locked memory.
private struct Dealer: ~Copyable {
  private let context: EnvelopeContext
  private let layout: PolicyLayout
  /// Gates first, the root's value being the secret's exponent; then leaves.
  private var values: SecretScalars
  /// How many values are gates'; one where there is no council door.
  private let gateCount: Int
  private var drawCount: UInt32 = 0

  init(context: EnvelopeContext, draws: inout some DrawSource) {
    self.context = context
    layout = context.layout
    gateCount = max(1, layout.gates.count)
    values = SecretScalars(count: gateCount + layout.leaves.count)
    // A zero share would have the identity as its commitment, which no reader accepts.
    repeat { share(draws: &draws) } while (0..<values.count).contains { values.isZero(at: $0) }
  }

  /// Draws the secret, then each gate's coefficients in pre-order, and evaluates at every position.
  private mutating func share(draws: inout some DrawSource) {
    var coefficients = SecretScalars(count: max(1, layout.gates.map(\.threshold).max() ?? 1))
    draw(into: &coefficients, at: 0, from: &draws)
    values.set(at: 0, to: coefficients, at: 0)
    for (index, gate) in layout.gates.enumerated() {
      coefficients.set(at: 0, to: values, at: index)
      for power in 1..<max(1, gate.threshold) { draw(into: &coefficients, at: power, from: &draws) }
      for (offset, position) in gate.positions.enumerated() {
        values.setValue(
          at: valueIndex(of: position), of: coefficients, termCount: gate.threshold, argument: UInt64(offset + 1))
      }
    }
  }

  private mutating func draw(
    into coefficients: inout SecretScalars, at power: Int, from draws: inout some DrawSource
  ) {
    var number: [UInt8] = []
    number.append(bigEndian: drawCount)
    drawCount += 1
    withDraw(byteCount: 64, fill: { draws.fillCoefficient($0) }) { fresh in
      coefficients.setHash(at: power) { hash in
        hash.append(Tag.coefficient.framed)
        hash.append(fresh)
        hash.append(context.digest)
        hash.append(number)
      }
    }
  }

  private func valueIndex(of position: PolicyLayout.Position) -> Int {
    switch position {
    case .gate(let gate): gate
    case .leaf(let leaf): gateCount + leaf
    }
  }

  /// Commits, encrypts, proves and writes the transcript.
  consuming func deal(draws: inout some DrawSource) -> Dealing {
    let root = values.multiple(of: .generator, at: 0)
    let commitments = layout.transcriptOrder.map { values.multiple(of: .generator, at: valueIndex(of: $0)) }
    var hash = CommitmentHash(context: context, root: root)
    for commitment in commitments { hash.append(commitment) }
    let bound = hash.finish()
    var prover = Prover()
    var body: [UInt8] = []
    for (position, commitment) in zip(layout.transcriptOrder, commitments) {
      body.append(contentsOf: commitment.bytes)
      guard case .leaf(let leaf) = position else { continue }
      let key = layout.leaves[leaf].point
      let share = values.multiple(of: key, at: gateCount + leaf)
      let statement = EqualityStatement.share(leaf, of: key, commitment, share, bound: bound)
      let proof = prover.prove(statement, secret: values, at: gateCount + leaf, draws: &draws)
      body.append(contentsOf: share.bytes + proof.bytes)
    }
    var transcript = [Envelope.version, context.kms == nil ? 0 : 1] + root.bytes
    if let kms = context.kms {
      let share = values.multiple(of: kms.point, at: 0)
      let statement = EqualityStatement.kms(of: kms.point, root, share, bound: bound)
      transcript += share.bytes + prover.prove(statement, secret: values, at: 0, draws: &draws).bytes
    }
    transcript += body
    let secret = DoorSecret(values.multiple(of: .generatorH, at: 0))
    return Dealing(transcript: transcript, digest: SHA256.hash(transcript), secret: secret)
  }
}
