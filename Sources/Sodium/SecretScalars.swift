import CSodium

/// Secret numbers modulo the order of ristretto255, side by side in one piece of memory that wipes itself.
///
/// One allocation holds all shares of a dealing; a key is a row of one. Everything here takes the same time
/// whatever the numbers are. `index` counts from 0 and must be below ``count``.
public struct SecretScalars: ~Copyable, Sendable {
  /// How many numbers there are.
  public let count: Int
  private var memory: SecretBytes

  /// Zeros.
  ///
  /// - Parameter count: how many, at least one.
  public init(count: Int) {
    self.count = count
    memory = SecretBytes(count: count * Scalar.byteCount) { _ in }
  }

  /// One number: SHA-512 of what `absorb` appends, modulo the order.
  public init(hashing absorb: (inout WideHash) -> Void) {
    self.init(count: 1)
    setHash(at: 0, absorb)
  }

  /// Sets a number to SHA-512 of what `absorb` appends, modulo the order.
  public mutating func setHash(at index: Int, _ absorb: (inout WideHash) -> Void) {
    withUnsafeMutableBytes(at: index) { target in
      WideHash.compute(absorb) { crypto_core_ristretto255_scalar_reduce(target.octets, $0.octets) }
    }
  }

  /// Sets a number to one of another row.
  public mutating func set(at index: Int, to other: borrowing SecretScalars, at otherIndex: Int) {
    withUnsafeMutableBytes(at: index) { target in
      other.withUnsafeBytes(at: otherIndex) { target.copyMemory(from: $0) }
    }
  }

  /// Sets a number to a polynomial's value, by Horner's rule.
  ///
  /// - Parameters:
  ///   - index: which number of this row to set.
  ///   - coefficients: the polynomial's coefficients, the constant one first.
  ///   - termCount: how many of them count, at least one.
  ///   - argument: where to evaluate it; public.
  public mutating func setValue(
    at index: Int, of coefficients: borrowing SecretScalars, termCount: Int, argument: UInt64
  ) {
    precondition(termCount >= 1 && termCount <= coefficients.count)
    set(at: index, to: coefficients, at: termCount - 1)
    let argument = Scalar(argument)
    withUnsafeMutableBytes(at: index) { target in
      argument.octets.withUnsafeBytes { argument in
        for term in stride(from: termCount - 2, through: 0, by: -1) {
          crypto_core_ristretto255_scalar_mul(target.octets, target.octets, argument.octets)
          coefficients.withUnsafeBytes(at: term) {
            crypto_core_ristretto255_scalar_add(target.octets, target.octets, $0.octets)
          }
        }
      }
    }
  }

  /// A row of one: the inverse of a number.
  ///
  /// - Precondition: the number is not zero.
  public borrowing func inverse(at index: Int) -> SecretScalars {
    var result = SecretScalars(count: 1)
    let status = result.withUnsafeMutableBytes(at: 0) { target in
      withUnsafeBytes(at: index) { crypto_core_ristretto255_scalar_invert(target.octets, $0.octets) }
    }
    precondition(status == 0, "zero has no inverse")
    return result
  }

  /// The multiple of a point by a number.
  public borrowing func multiple(of point: Point, at index: Int) -> Point {
    withUnsafeBytes(at: index) { point.multiplied(by: $0) }
  }

  /// Row number `index`, as a nonce, less `challenge` times a secret: the response of a Schnorr proof.
  public borrowing func response(
    at index: Int, to challenge: Scalar, for secret: borrowing SecretScalars, at secretIndex: Int
  ) -> Scalar {
    var result = Octets()
    result.withUnsafeMutableBytes { result in
      withUnsafeBytes(at: index) { nonce in
        secret.withUnsafeBytes(at: secretIndex) { secret in
          challenge.octets.withUnsafeBytes { challenge in
            crypto_core_ristretto255_scalar_mul(result.octets, challenge.octets, secret.octets)
            crypto_core_ristretto255_scalar_sub(result.octets, nonce.octets, result.octets)
          }
        }
      }
    }
    return Scalar(octets: result)
  }

  /// Whether a number is zero.
  public borrowing func isZero(at index: Int) -> Bool {
    withUnsafeBytes(at: index) { sodium_is_zero($0.octets, Scalar.byteCount) } == 1
  }

  /// Calls `body` with a number's 32 bytes, which must not leave it.
  public borrowing func withUnsafeBytes<Result>(
    at index: Int, _ body: (UnsafeRawBufferPointer) -> Result
  ) -> Result {
    precondition(index >= 0 && index < count)
    return memory.withUnsafeBytes { all in
      body(UnsafeRawBufferPointer(rebasing: all[index * Scalar.byteCount..<(index + 1) * Scalar.byteCount]))
    }
  }

  private mutating func withUnsafeMutableBytes<Result>(
    at index: Int, _ body: (UnsafeMutableRawBufferPointer) -> Result
  ) -> Result {
    precondition(index >= 0 && index < count)
    return memory.withUnsafeMutableBytes { all in
      body(UnsafeMutableRawBufferPointer(rebasing: all[index * Scalar.byteCount..<(index + 1) * Scalar.byteCount]))
    }
  }
}
