import Bulk
import Core
import Testing

@Suite struct AES128Tests {
  private func cipher(_ key: [UInt8]) -> AES128 {
    withUnsafeTemporaryAllocation(byteCount: key.count, alignment: 1) { memory in
      memory.copyBytes(from: key)
      return AES128(key: UnsafeRawBufferPointer(memory))
    }
  }

  private func encrypt(_ blocks: String, under key: String) throws -> [UInt8] {
    var cipher = cipher(try #require([UInt8](hex: key)))
    var blocks = try #require([UInt8](hex: blocks))
    blocks.withUnsafeMutableBytes { cipher.encrypt($0) }
    return blocks
  }

  /// FIPS 197, appendix B and C.1.
  @Test func encryptsTheStandardsBlocks() throws {
    #expect(
      try encrypt("3243f6a8885a308d313198a2e0370734", under: "2b7e151628aed2a6abf7158809cf4f3c").hex
        == "3925841d02dc09fbdc118597196a0b32")
    #expect(
      try encrypt("00112233445566778899aabbccddeeff", under: "000102030405060708090a0b0c0d0e0f").hex
        == "69c4e0d86a7b0430d8cdb78070b4c55a")
  }

  /// NIST SP 800-38A, F.1.1: four blocks in one call are four blocks each by itself.
  @Test func encryptsBlocksEachByItself() throws {
    let key = "2b7e151628aed2a6abf7158809cf4f3c"
    let blocks = [
      "6bc1bee22e409f96e93d7e117393172a", "ae2d8a571e03ac9c9eb76fac45af8e51", "30c81c46a35ce411e5fbc1191a0a52ef",
      "f69f2445df4f9b17ad2b417be66c3710",
    ]
    let encrypted = [
      "3ad77bb40d7a3660a89ecaf32466ef97", "f5d3d58503b9699de785895a96fdbaaf", "43b1cd7f598ece23881b00e3ed030688",
      "7b0c785e27e8ad3f8223207104725dd4",
    ]
    #expect(try encrypt(blocks.joined(), under: key).hex == encrypted.joined())
    for (block, expected) in zip(blocks, encrypted) { #expect(try encrypt(block, under: key).hex == expected) }
    #expect(try encrypt("", under: key).isEmpty)
  }

  /// A cipher is used again and again, and keeps nothing from one call to the next.
  @Test func keepsNothing() throws {
    var cipher = cipher([UInt8](repeating: 7, count: AES128.keyByteCount))
    var results: Set<[UInt8]> = []
    for first in [16, 32, 48] {
      var blocks = (0..<UInt8(64)).map { $0 }
      blocks.withUnsafeMutableBytes { blocks in
        cipher.encrypt(UnsafeMutableRawBufferPointer(rebasing: blocks[..<first]))
        cipher.encrypt(UnsafeMutableRawBufferPointer(rebasing: blocks[first...]))
      }
      results.insert(blocks)
    }
    #expect(results.count == 1)
  }
}
