public import Core
import Sodium

extension VerifiedEnvelope {
  /// Opens the KMS door.
  ///
  /// - Throws: `envelope.key` when there is no KMS door, or another key's.
  public func openKMSDoor(with key: borrowing ShardKey) throws(PosternError) -> DoorSecret {
    guard let door = envelope.kmsDoor, context.kms == key.publicKey else {
      throw PosternError(
        .envelopeKey, "The KMS door was not dealt to this key.", advice: "Use the key that the charter names.")
    }
    return DoorSecret(key.secret.inverse(at: 0).multiple(of: door.share, at: 0))
  }

  /// Opens the council door.
  ///
  /// At every gate the first `t` positions that have values are interpolated at 0.
  ///
  /// - Parameter releases: verified releases, in any order; one of a leaf suffices.
  /// - Throws: `release.foreign` for a release of another envelope, `envelope.unsatisfied` when they do not
  ///   satisfy the policy.
  public func combine(_ releases: [VerifiedRelease]) throws(PosternError) -> DoorSecret {
    let layout = context.layout
    var leaves = SecretPoints(count: layout.leaves.count)
    for release in releases {
      guard release.envelope == digest, release.context == context.digest else {
        throw PosternError(
          .releaseForeign, "A release is of another envelope.", advice: "Verify releases against this envelope.",
          index: release.leaf)
      }
      leaves[release.leaf] = release.release.opened
    }
    var gates = SecretPoints(count: layout.gates.count)
    for (index, gate) in layout.gates.enumerated().reversed() {
      var values: [(position: Int, point: Point)] = []
      // Reserved, so that growing leaves no copy behind that nothing wipes.
      values.reserveCapacity(gate.threshold)
      for (offset, position) in gate.positions.enumerated() where values.count < gate.threshold {
        let value =
          switch position {
          case .leaf(let leaf): leaves[leaf]
          case .gate(let child): gates[child]
          }
        if let value { values.append((offset + 1, value)) }
      }
      if values.count == gate.threshold { gates[index] = Interpolation.atZero(&values) }
    }
    guard let secret = gates[0] else {
      throw PosternError(
        .envelopeUnsatisfied, "The releases do not satisfy the policy.", advice: "Ask more members.")
    }
    return DoorSecret(secret)
  }
}

/// Points that may be missing, in memory that wipes itself: shares, and what gates combine to.
///
/// A missing one is 32 zero bytes; no share of a verified envelope is the identity.
private struct SecretPoints: ~Copyable {
  private var memory: SecretBytes

  init(count: Int) {
    memory = SecretBytes(count: max(1, count) * Point.byteCount) { _ in }
  }

  subscript(index: Int) -> Point? {
    get { memory.withUnsafeBytes { Point($0[index * Point.byteCount..<(index + 1) * Point.byteCount]) } }
    set {
      memory.withUnsafeMutableBytes { memory in
        let slot = memory[index * Point.byteCount..<(index + 1) * Point.byteCount]
        (newValue ?? .identity).withUnsafeBytes {
          UnsafeMutableRawBufferPointer(rebasing: slot).copyMemory(from: $0)
        }
      }
    }
  }
}

/// Lagrange's interpolation in the exponent.
private enum Interpolation {
  /// The value at 0 of the polynomial with these values; wipes them.
  static func atZero(_ values: inout [(position: Int, point: Point)]) -> Point {
    defer { values.withUnsafeMutableBytes { wipe($0) } }
    let weights = weights(of: values.map(\.position))
    return zip(weights, values).reduce(.identity) { sum, term in sum + term.0 * term.1.point }
  }

  /// `Π_{j≠i} j / (j - i)` for each position i, with one inversion: `Π_j j / (i · Π_{j≠i} (j - i))`.
  private static func weights(of positions: [Int]) -> [Scalar] {
    let numerator = positions.reduce(.one) { $0 * Scalar(UInt64($1)) }
    let denominators = positions.map { position in
      positions.reduce(into: SmallProduct(position)) { product, other in
        if other != position { product.multiply(by: other - position) }
      }.value
    }
    return Scalar.inverses(of: denominators).map { numerator * $0 }
  }

  /// A product of small numbers, several of which fit one word before a scalar has to be multiplied.
  private struct SmallProduct {
    private var word: UInt64 = 1
    private var scalar = Scalar.one
    private var isNegative = false

    init(_ factor: Int) { multiply(by: factor) }

    mutating func multiply(by factor: Int) {
      if factor < 0 { isNegative.toggle() }
      let (product, overflow) = word.multipliedReportingOverflow(by: UInt64(factor.magnitude))
      if overflow { scalar = scalar * Scalar(word) }
      word = overflow ? UInt64(factor.magnitude) : product
    }

    var value: Scalar {
      let product = scalar * Scalar(word)
      return isNegative ? .zero - product : product
    }
  }
}
