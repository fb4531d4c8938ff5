import CSodium

/// A public number modulo the order `l` of ristretto255 (RFC 9496): a challenge, a response, a weight.
///
/// Thirty-two bytes, little-endian, always below `l`. Secret numbers are ``SecretScalars``.
public struct Scalar: Hashable, Sendable {
  /// How many bytes a scalar has.
  public static let byteCount = 32
  /// Zero.
  public static let zero = Scalar(octets: Octets())
  /// One.
  public static let one = Scalar(1)

  /// `l` = 2^252 + 27742317777372353535851937790883648493.
  private static let order = Octets(
    littleEndian: (0x5812_631a_5cf5_d3ed, 0x14de_f9de_a2f7_9cd6, 0, 0x1000_0000_0000_0000))

  let octets: Octets

  init(octets: Octets) {
    self.octets = octets
  }

  /// A small number.
  public init(_ value: UInt64) {
    octets = Octets(littleEndian: value)
  }

  /// A scalar from its one encoding; nil unless it is 32 bytes, and below `l`.
  ///
  /// libsodium would mask the bytes instead, so that one number would have several encodings.
  public init?(_ bytes: some Collection<UInt8>) {
    guard let octets = Octets(bytes), octets.isBelow(Scalar.order) else { return nil }
    self.octets = octets
  }

  /// SHA-512 of what `absorb` appends, as a little-endian number modulo `l`.
  public init(hashing absorb: (inout WideHash) -> Void) {
    octets = WideHash.compute(absorb) { wide in
      var reduced = Octets()
      reduced.withUnsafeMutableBytes { crypto_core_ristretto255_scalar_reduce($0.octets, wide.octets) }
      return reduced
    }
  }

  /// The 32 bytes.
  public var bytes: [UInt8] { octets.array }

  /// Whether it is zero.
  public var isZero: Bool { octets.isZero }

  /// The sum.
  public static func + (left: Scalar, right: Scalar) -> Scalar {
    Scalar(octets: combine(left.octets, right.octets) { crypto_core_ristretto255_scalar_add($0, $1, $2) })
  }

  /// The difference.
  public static func - (left: Scalar, right: Scalar) -> Scalar {
    Scalar(octets: combine(left.octets, right.octets) { crypto_core_ristretto255_scalar_sub($0, $1, $2) })
  }

  /// The product.
  public static func * (left: Scalar, right: Scalar) -> Scalar {
    Scalar(octets: combine(left.octets, right.octets) { crypto_core_ristretto255_scalar_mul($0, $1, $2) })
  }

  /// The scalar multiplied by itself `exponent` times; one when that is 0.
  public func power(_ exponent: Int) -> Scalar {
    precondition(exponent >= 0)
    var result = Scalar.one
    var square = self
    var rest = exponent
    while rest > 0 {
      if rest & 1 == 1 { result = result * square }
      rest >>= 1
      if rest > 0 { square = square * square }
    }
    return result
  }

  /// The inverse of each, at the cost of one inversion and three multiplications for every further one.
  ///
  /// - Precondition: none is zero.
  public static func inverses(of scalars: [Scalar]) -> [Scalar] {
    Library.ready
    var products: [Scalar] = []
    products.reserveCapacity(scalars.count)
    var product = Scalar.one
    for scalar in scalars {
      products.append(product)
      product = product * scalar
    }
    var inverse = Octets()
    let status = inverse.withUnsafeMutableBytes { inverse in
      product.octets.withUnsafeBytes { crypto_core_ristretto255_scalar_invert(inverse.octets, $0.octets) }
    }
    precondition(status == 0, "zero has no inverse")
    var tail = Scalar(octets: inverse)
    for index in scalars.indices.reversed() {
      products[index] = products[index] * tail
      tail = tail * scalars[index]
    }
    return products
  }
}
