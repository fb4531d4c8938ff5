import Core
import Sodium
import Testing

/// `l` in little-endian order.
private let order = [UInt8](hex: "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010") ?? []

@Suite struct ScalarTests {
  @Test func onlyTheEncodingBelowTheOrderIsRead() {
    var below = order
    below[0] -= 1
    #expect(Scalar(below) != nil)
    #expect(Scalar(order) == nil)
    var above = order
    above[0] += 1
    #expect(Scalar(above) == nil)
    // libsodium masks these two bits; here they are another number, which is too large.
    for bit in [UInt8(0x80), 0x40, 0x20] {
      var masked = [UInt8](repeating: 0, count: 32)
      masked[0] = 7
      masked[31] = bit
      #expect(Scalar(masked) == nil)
    }
    #expect(Scalar([UInt8](repeating: 0xff, count: 32)) == nil)
    #expect(Scalar([UInt8](repeating: 0, count: 32)) == .zero)
    #expect(Scalar([UInt8](repeating: 0, count: 31)) == nil)
    #expect(Scalar([UInt8](repeating: 0, count: 33)) == nil)
  }

  @Test func arithmeticIsThatOfTheField() {
    let a = Scalar { $0.append([1]) }
    let b = Scalar { $0.append([2]) }
    #expect(a + b == b + a)
    #expect(a - a == .zero)
    #expect(.zero - .zero == Scalar.zero)
    #expect((a + b) * (a - b) == a * a - b * b)
    #expect(Scalar(6) * Scalar(7) == Scalar(42))
    #expect(Scalar(3).power(5) == Scalar(243))
    #expect(a.power(0) == .one)
    #expect(a.power(1) == a)
    // Fermat's: the order is prime, so the order's predecessor is -1.
    var minusOne = order
    minusOne[0] -= 1
    #expect((Scalar.zero - .one).bytes == minusOne)
  }

  @Test func inversesComeInBatches() {
    let scalars = (1...33).map { Scalar(UInt64($0)) } + [Scalar { $0.append([9]) }]
    for (scalar, inverse) in zip(scalars, Scalar.inverses(of: scalars)) { #expect(scalar * inverse == .one) }
    #expect(Scalar.inverses(of: []).isEmpty)
  }

  @Test func hashIsSHA512() {
    // FIPS 180-4's example for "abc".
    let expected =
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    #expect(WideHash.hash(Array("abc".utf8)).hex == expected)
    #expect(Scalar { $0.append(string: "ab") } == Scalar { $0.append([0, 2, 97, 98]) })
  }
}
