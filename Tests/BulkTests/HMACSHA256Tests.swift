import Bulk
import Core
import Testing

@Suite struct HMACSHA256Tests {
  private struct Case {
    let key: [UInt8]
    let message: [UInt8]
    /// Test case 5 publishes only the first 16 bytes.
    let code: String
  }

  /// RFC 4231, test cases 1 to 7.
  private static let cases = [
    Case(
      key: [UInt8](repeating: 0x0B, count: 20), message: Array("Hi There".utf8),
      code: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    Case(
      key: Array("Jefe".utf8), message: Array("what do ya want for nothing?".utf8),
      code: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    Case(
      key: [UInt8](repeating: 0xAA, count: 20), message: [UInt8](repeating: 0xDD, count: 50),
      code: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    Case(
      key: (1...25).map { UInt8($0) }, message: [UInt8](repeating: 0xCD, count: 50),
      code: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    Case(
      key: [UInt8](repeating: 0x0C, count: 20), message: Array("Test With Truncation".utf8),
      code: "a3b6167473100ee06e0c796c2955552b"),
    Case(
      key: [UInt8](repeating: 0xAA, count: 131),
      message: Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
      code: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
    Case(
      key: [UInt8](repeating: 0xAA, count: 131),
      message: Array(
        ("This is a test using a larger than block-size key and a larger than block-size data. "
          + "The key needs to be hashed before being used by the HMAC algorithm.").utf8),
      code: "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
  ]

  /// The code of a message in two pieces, once for every cut, all in one context.
  private func codes(_ message: [UInt8], key: [UInt8], cuts: [Int]) -> [String] {
    key.withUnsafeBytes { key in
      var context = HMACSHA256(key: key)
      return cuts.map { cut in
        message[..<cut].withUnsafeBytes { context.update($0) }
        message[cut...].withUnsafeBytes { context.update($0) }
        var code = [UInt8](repeating: 0, count: HMACSHA256.byteCount)
        code.withUnsafeMutableBytes { context.finish(into: $0) }
        return code.hex
      }
    }
  }

  @Test func matchesThePublishedExamplesEachTimeTheContextIsUsed() {
    for example in Self.cases {
      let count = example.message.count
      for code in codes(example.message, key: example.key, cuts: [0, 1, count / 2, count]) {
        #expect(code.hasPrefix(example.code))
      }
    }
  }

  @Test func takesAnEmptyMessage() {
    let expected = "2f8738164025afdddbc18665c6e8f37de9498db7fd194873c61ee30c22192a9a"
    #expect(codes([], key: [1], cuts: [0, 0]) == [expected, expected])
  }
}
