import Core
import Fixtures
import Testing

@Suite struct DigestTests {
  @Test func roundTripsThroughBytesAndHex() throws {
    let bytes = (0..<32).map { UInt8($0 * 7 & 0xFF) }
    let digest = try #require(Digest(bytes))
    #expect(digest.bytes == bytes)
    #expect(Digest(hex: digest.hex) == digest)
    #expect(Digest(hex: digest.hex.uppercased()) == digest)
    #expect(digest.withUnsafeBytes { Array($0) } == bytes)
    #expect(digest.prefix == 0x0007_0E15_1C23_2A31)
  }

  @Test func refusesOtherLengthsAndDigits() {
    #expect(Digest([UInt8](repeating: 0, count: 31)) == nil)
    #expect(Digest(hex: String(repeating: "0", count: 63)) == nil)
    #expect(Digest(hex: String(repeating: "g", count: 64)) == nil)
  }

  @Test func sortsAsItsBytesDo() {
    var generator = SeededGenerator.printing()
    for _ in 0..<1_000 {
      let left = generator.bytes(Digest.byteCount)
      // Equal bytes in front, so that each word decides often enough.
      let equalCount = Int.random(in: 0...Digest.byteCount, using: &generator)
      let right = left[..<equalCount] + generator.bytes(Digest.byteCount - equalCount)
      let expected = left.lexicographicallyPrecedes(right)
      #expect(Digest(left).flatMap { l in Digest(right).map { l < $0 } } == expected)
    }
  }
}
