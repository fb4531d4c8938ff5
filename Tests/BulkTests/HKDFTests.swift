import Bulk
import Core
import Testing

@Suite struct HKDFTests {
  private struct Case {
    let inputKey: String
    let salt: String
    let info: String
    let output: String
  }

  /// RFC 5869, A.1 to A.3.
  private static let cases = [
    Case(
      inputKey: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", salt: "000102030405060708090a0b0c",
      info: "f0f1f2f3f4f5f6f7f8f9",
      output: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
    Case(
      inputKey: (0x00...0x4F).map { UInt8($0) }.hex, salt: (0x60...0xAF).map { UInt8($0) }.hex,
      info: (0xB0...0xFF).map { UInt8($0) }.hex,
      output: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        + "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"),
    Case(
      inputKey: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", salt: "", info: "",
      output: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
  ]

  @Test func matchesThePublishedExamples() throws {
    for example in Self.cases {
      let inputKey = try #require([UInt8](hex: example.inputKey))
      let salt = try #require([UInt8](hex: example.salt))
      let info = try #require([UInt8](hex: example.info))
      var output = [UInt8](repeating: 0, count: example.output.utf8.count / 2)
      inputKey.withUnsafeBytes { inputKey in
        output.withUnsafeMutableBytes { HKDF.derive(inputKey: inputKey, salt: salt, info: info, into: $0) }
      }
      #expect(output.hex == example.output)
    }
  }
}
