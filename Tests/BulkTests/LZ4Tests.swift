import Bulk
import Testing

@Suite struct LZ4Tests {
  private func compress(_ input: [UInt8], capacity: Int, with compressor: inout LZ4Compressor) -> [UInt8]? {
    var output = [UInt8](repeating: 0, count: capacity)
    let count = input.withUnsafeBytes { input in
      output.withUnsafeMutableBytes { compressor.compress(input, into: $0) }
    }
    return count.map { Array(output[..<$0]) }
  }

  private func decompress(_ block: [UInt8], count: Int) -> [UInt8]? {
    var output = [UInt8](repeating: 0xEE, count: count)
    let isWhole = block.withUnsafeBytes { block in
      output.withUnsafeMutableBytes { LZ4.decompress(block, into: $0) }
    }
    return isWhole ? output : nil
  }

  /// A block written by hand after the format: one literal, a match over it, eight literals.
  @Test func opensABlockOfTheFormat() {
    let block: [UInt8] = [0x1F, 7, 1, 0, 12, 0x80] + [UInt8](repeating: 7, count: 8)
    #expect(decompress(block, count: 40) == [UInt8](repeating: 7, count: 40))
  }

  @Test func roundTripsAndAsksForTheExactLength() {
    var compressor = LZ4Compressor()
    var random = SystemRandomNumberGenerator()
    for count in [1, 12, 13, 100, 4_096, 65_536, 100_000] {
      for alphabet in [1, 2, 16, 256] as [UInt16] {
        let input = (0..<count).map { _ in UInt8(truncatingIfNeeded: UInt16.random(in: 0..<alphabet, using: &random)) }
        guard let block = compress(input, capacity: count + count / 255 + 16, with: &compressor) else {
          Issue.record("\(count) bytes did not fit into the bound")
          continue
        }
        #expect(decompress(block, count: count) == input)
        #expect(decompress(block, count: count + 1) == nil)
        #expect(count == 1 || decompress(block, count: count - 1) == nil)
        #expect(decompress(Array(block.dropLast()), count: count) == nil)
        let again = compress(input, capacity: block.count, with: &compressor)
        #expect(again == block)
      }
    }
  }

  @Test func saysWhenABlockDoesNotFit() {
    var compressor = LZ4Compressor()
    var random = SystemRandomNumberGenerator()
    let noise = (0..<16_384).map { _ in UInt8.random(in: 0...255, using: &random) }
    let blocks = [
      compress(noise, capacity: noise.count - 1, with: &compressor),
      compress([1, 2, 3], capacity: 0, with: &compressor),
      compress(noise.map { _ in 0 }, capacity: 100, with: &compressor),
    ]
    #expect(blocks.map { $0 != nil } == [false, false, true])
  }

  @Test func refusesBlocksThatAreNone() {
    #expect(decompress([], count: 10) == nil)
    #expect(decompress([0x10, 1], count: 0) == nil)
    #expect(decompress([0xFF, 0xFF], count: 10) == nil)
    // A match from before the output's beginning.
    #expect(decompress([0x14, 7, 9, 0, 0x50, 1, 1, 1, 1, 1], count: 14) == nil)
  }
}
