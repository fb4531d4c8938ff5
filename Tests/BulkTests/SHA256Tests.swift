import Bulk
import Core
import Testing

@Suite struct SHA256Tests {
  /// FIPS 180-4's examples, and the empty message.
  private static let cases: [(message: [UInt8], digest: String)] = [
    ([], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (Array("abc".utf8), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000),
      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    ),
  ]

  @Test func matchesThePublishedExamples() {
    for (message, digest) in Self.cases {
      #expect(SHA256.hash(message).hex == digest)
      #expect(SHA256.hash(([1] + message)[1...]).hex == digest)
    }
  }

  @Test func startsAnewAfterEveryDigest() {
    var hash = SHA256()
    for (message, digest) in Self.cases + Self.cases.reversed() {
      let middle = message.count / 3
      hash.update(Array(message[..<middle]))
      hash.update(Array(message[middle...]))
      #expect(hash.finish().hex == digest)
    }
  }
}
