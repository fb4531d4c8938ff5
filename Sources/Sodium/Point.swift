import CSodium

/// An element of the group ristretto255 (RFC 9496), as its canonical 32 bytes.
///
/// A value is always a valid encoding, so arithmetic on it cannot fail.
public struct Point: Hashable, Sendable {
  /// How many bytes a point has.
  public static let byteCount = 32
  /// The neutral element, whose encoding is 32 zero bytes.
  public static let identity = Point(octets: Octets())
  /// RFC 9496's base point; multiplying it is three times cheaper than multiplying any other.
  public static let generator = {
    Library.ready
    var result = Octets()
    result.withUnsafeMutableBytes { result in
      Scalar.one.octets.withUnsafeBytes {
        _ = crypto_scalarmult_ristretto255_base(result.octets, $0.octets)
      }
    }
    return Point(octets: result)
  }()

  /// `p` = 2^255 - 19, below which an encoding has to be.
  private static let fieldPrime = Octets(
    littleEndian: (0xffff_ffff_ffff_ffed, UInt64.max, UInt64.max, 0x7fff_ffff_ffff_ffff))

  let octets: Octets

  init(octets: Octets) {
    self.octets = octets
  }

  /// A point from its one encoding; nil for anything else, and for the identity.
  ///
  /// The comparison with `p` comes before libsodium's own check because libsodium 1.0.18 ignores bit 255,
  /// and would take two encodings of one point.
  public init?(_ bytes: some Collection<UInt8>) {
    Library.ready
    guard let octets = Octets(bytes), octets.isBelow(Point.fieldPrime), !octets.isZero,
      octets.withUnsafeBytes({ crypto_core_ristretto255_is_valid_point($0.octets) }) == 1
    else { return nil }
    self.octets = octets
  }

  /// RFC 9496's one-way map of SHA-512 of a label: a point whose logarithm nobody knows.
  public init(hashing label: String) {
    let absorb = { (hash: inout WideHash) in hash.append(Array(label.utf8)) }
    octets = WideHash.compute(absorb) { wide in
      var result = Octets()
      result.withUnsafeMutableBytes { _ = crypto_core_ristretto255_from_hash($0.octets, wide.octets) }
      return result
    }
  }

  /// The 32 bytes.
  public var bytes: [UInt8] { octets.array }

  /// Calls `body` with the 32 bytes, for a point that is secret and must not leave copies behind.
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    octets.withUnsafeBytes(body)
  }

  /// Whether it is the neutral element.
  public var isIdentity: Bool { octets.isZero }

  /// The sum.
  public static func + (left: Point, right: Point) -> Point {
    Point(octets: combine(left.octets, right.octets) { _ = crypto_core_ristretto255_add($0, $1, $2) })
  }

  /// A point multiplied by a scalar, by the table of multiples when it is the generator.
  public static func * (scalar: Scalar, point: Point) -> Point {
    scalar.octets.withUnsafeBytes { point.multiplied(by: $0) }
  }

  /// The multiple by 32 bytes that are a scalar.
  func multiplied(by scalar: UnsafeRawBufferPointer) -> Point {
    Library.ready
    var result = Octets()
    result.withUnsafeMutableBytes { result in
      // Both functions return -1 when the product is the identity, whose encoding they have written by then.
      if self == .generator {
        _ = crypto_scalarmult_ristretto255_base(result.octets, scalar.octets)
      } else {
        octets.withUnsafeBytes { point in
          _ = crypto_scalarmult_ristretto255(result.octets, scalar.octets, point.octets)
        }
      }
    }
    return Point(octets: result)
  }
}
