import Core
import Sodium
import Testing

@Suite struct PointTests {
  @Test func multiplesOfTheGenerator() {
    // RFC 9496, appendix A.1.
    let multiples = [
      "0000000000000000000000000000000000000000000000000000000000000000",
      "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
      "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
      "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259",
    ]
    var sum = Point.identity
    for (factor, expected) in multiples.enumerated() {
      #expect((Scalar(UInt64(factor)) * Point.generator).bytes.hex == expected)
      #expect(sum.bytes.hex == expected)
      sum = sum + .generator
    }
    #expect(Point.identity.isIdentity)
    #expect((Scalar.zero * Point.generator).isIdentity)
    #expect((Scalar.zero * Point(hashing: "x")).isIdentity)
    #expect((Scalar(5) * Point.identity).isIdentity)
  }

  @Test func theOneWayMap() {
    // RFC 9496, appendix A.3, whose inputs are SHA-512 of this text.
    let point = Point(hashing: "Ristretto is traditionally a short shot of espresso coffee")
    #expect(point.bytes.hex == "3066f82a1a747d45120d1740f14358531a8f04bbffe6a819f86dfe50f44a0a46")
  }

  @Test func onlyCanonicalPointsAreRead() {
    #expect(Point(Point.generator.bytes) == .generator)
    let refused = [
      // The identity.
      "0000000000000000000000000000000000000000000000000000000000000000",
      // p, p + 1 and 2^255 - 1: not below p.
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      // RFC 9496, appendix A.2: non-canonical, negative, no square, negative xy, s = -1 with y = 0.
      "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
      "3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]
    for hex in refused {
      guard let bytes = [UInt8](hex: hex) else {
        Issue.record("not hexadecimal")
        continue
      }
      #expect(Point(bytes) == nil, "\(hex)")
    }
    // libsodium 1.0.18 ignores bit 255, and would take this as the generator.
    var bytes = Point.generator.bytes
    bytes[31] |= 0x80
    #expect(Point(bytes) == nil)
    #expect(Point(Point.generator.bytes.dropLast()) == nil)
    #expect(Point(Point.generator.bytes + [0]) == nil)
  }
}
