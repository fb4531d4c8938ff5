import Bulk
import Core
package import Sodium

/// The check that a gate's commitments are the values of one polynomial of degree `t - 1`, in one sum.
///
/// A vector of values at 0…N belongs to such a polynomial exactly when it is orthogonal to the dual code, of
/// which the vectors `u_i · i^k`, k = 0…N - t, are a basis; a challenge drawn from the whole envelope folds them.
struct DualCheck {
  /// A summand: a commitment and its weight.
  struct Term: Sendable {
    let gate: Int
    let weight: Scalar
    let commitment: Point
  }

  /// The summands of one gate or of a part of it.
  struct PartialSum: Sendable {
    let gate: Int
    var sum: Point
  }

  /// Each gate's terms, in pre-order.
  static func terms(of envelope: Envelope) -> [Term] {
    envelope.context.layout.gates.enumerated().flatMap { index, gate in
      let weights = weights(
        positions: gate.positions.count, threshold: gate.threshold,
        challenge: envelope.dualChallenge(gate: index))
      let commitments = [envelope.gateCommitments[index]] + gate.positions.map { envelope.commitment(at: $0) }
      return zip(weights, commitments).map { Term(gate: index, weight: $0, commitment: $1) }
    }
  }

  /// Sums terms gate by gate.
  static func sums(_ terms: ArraySlice<Term>) -> [PartialSum] {
    terms.reduce(into: []) { sums, term in
      add(PartialSum(gate: term.gate, sum: term.weight * term.commitment), to: &sums)
    }
  }

  /// Adds one more sum to sums that are in the order of the gates.
  static func add(_ next: PartialSum, to sums: inout [PartialSum]) {
    if let last = sums.indices.last, sums[last].gate == next.gate {
      sums[last].sum = sums[last].sum + next.sum
    } else {
      sums.append(next)
    }
  }

  /// `u_i · f(i)` for i = 0…N, with one inversion in all.
  ///
  /// `u_i = (-1)^(N-i) / (i! (N-i)!)`; `f(i) = ((r·i)^(d+1) - 1) / (r·i - 1)`, or `d + 1` where `r·i = 1`.
  private static func weights(positions count: Int, threshold: Int, challenge: Scalar) -> [Scalar] {
    let terms = count - threshold + 1
    var factorials = [Scalar.one]
    var multiples = [Scalar.zero]
    for index in 1...count {
      factorials.append(factorials[index - 1] * Scalar(UInt64(index)))
      multiples.append(multiples[index - 1] + challenge)
    }
    let excess = multiples.map { $0 - .one }
    let inverses = Scalar.inverses(
      of: (0...count).map { index in
        let denominator = factorials[index] * factorials[count - index]
        return excess[index].isZero ? denominator : denominator * excess[index]
      })
    let powers = powers(of: challenge, upTo: count, exponent: terms)
    return (0...count).map { index in
      let numerator = excess[index].isZero ? Scalar(UInt64(terms)) : powers[index] - .one
      let weight = numerator * inverses[index]
      return (count - index).isMultiple(of: 2) ? weight : .zero - weight
    }
  }

  /// `(r·i)^e` for i = 0…N; a power is only raised for r and for primes, the others are products.
  private static func powers(of challenge: Scalar, upTo count: Int, exponent: Int) -> [Scalar] {
    var powers = [Scalar?](repeating: nil, count: count + 1)
    for index in stride(from: 2, through: count, by: 1) where powers[index] == nil {
      let prime = Scalar(UInt64(index)).power(exponent)
      powers[index] = prime
      for multiple in stride(from: 2 * index, through: count, by: index) where powers[multiple] == nil {
        if let cofactor = powers[multiple / index] { powers[multiple] = cofactor * prime }
      }
    }
    let scale = challenge.power(exponent)
    return powers.enumerated().map { index, power in index == 0 ? .zero : scale * (power ?? .one) }
  }
}

extension Envelope {
  /// The number that folds a gate's conditions into one: `HS(tag, ctx ‖ envelope digest ‖ u32(gate index))`.
  package func dualChallenge(gate: Int) -> Scalar {
    var number: [UInt8] = []
    number.append(bigEndian: UInt32(gate))
    return Scalar { hash in
      hash.append(Tag.dual.framed)
      hash.append(context.digest)
      hash.append(digest)
      hash.append(number)
    }
  }

  fileprivate func commitment(at position: PolicyLayout.Position) -> Point {
    switch position {
    case .leaf(let leaf): leaves[leaf].commitment
    case .gate(let gate): gateCommitments[gate]
    }
  }
}
