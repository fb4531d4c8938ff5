import Core
import Sodium
import Testing

@Suite struct X25519Tests {
  @Test func lowOrderKeysAreTold() throws {
    // All encodings of the points of order 1, 2, 4 and 8 that RFC 7748 reads, bit 255 being ignored.
    let lowOrder = [
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ]
    for hex in lowOrder {
      var bytes = try #require([UInt8](hex: hex))
      #expect(X25519.isLowOrder(bytes), "\(hex)")
      bytes[31] |= 0x80
      #expect(X25519.isLowOrder(bytes), "\(hex) with bit 255 set")
    }
    var base = [UInt8](repeating: 0, count: 32)
    base[0] = 9
    #expect(!X25519.isLowOrder(base))
    for _ in 0..<50 { #expect(!X25519.isLowOrder(randomBytes(32))) }
  }
}
