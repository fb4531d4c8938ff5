import Core
import Dump
import Testing

@Suite struct ChunkerTests {
  @Test func everySizeHasFiveBytesThatReadBack() throws {
    for size in ChunkerParameters.FixedSize.allCases {
      let parameters = ChunkerParameters.fixed(size)
      #expect(parameters.encoding.count == ChunkerParameters.byteCount)
      var reader = ByteReader(parameters.encoding + [9])
      #expect(try ChunkerParameters(reading: &reader) == parameters)
      #expect(reader.remaining == 1)
      #expect(try ChunkerParameters(fixedByteCount: Int(size.rawValue)) == parameters)
    }
    #expect(ChunkerParameters.fixed(.kib16).encoding == [1, 0, 0, 0x40, 0])
  }

  @Test func refusesOtherKindsAndSizes() {
    for bytes in [[], [1], [1, 0, 0, 16], [0, 0, 0, 16, 0], [2, 0, 0, 64, 0], [1, 0, 0, 16, 1], [1, 0, 2, 0, 0]]
      as [[UInt8]]
    {
      #expect(code { _ = try parse(bytes) } == .dumpChunker)
    }
    for size in [-1, 0, 4_095, 2_048, 131_072, Int.max] {
      #expect(code { _ = try ChunkerParameters(fixedByteCount: size) } == .dumpChunker)
    }
  }

  private func parse(_ bytes: [UInt8]) throws -> ChunkerParameters {
    var reader = ByteReader(bytes)
    return try ChunkerParameters(reading: &reader)
  }

  @Test func aSealedChunkHasOneOfEightLengths() {
    for size in ChunkerParameters.FixedSize.allCases {
      let parameters = ChunkerParameters.fixed(size)
      let lengths = (0...70_000).filter { parameters.isSealedByteCount($0) }
      #expect(lengths == (1...8).map { 21 + $0 * Int(size.rawValue) / 8 })
      #expect(lengths.last == parameters.sealedChunkByteCount)
      #expect(lengths.allSatisfy { DumpLimits.childByteCounts(ofNodeAt: 1).contains($0) })
    }
  }

  /// However the stream arrives, the cuts are the same.
  @Test func cutsAStreamThatComesInPieces() {
    var random = SeededGenerator.printing()
    for size in ChunkerParameters.FixedSize.allCases {
      for count in [0, 1, Int(size.rawValue) - 1, Int(size.rawValue), Int(size.rawValue) + 1, 300_000] {
        let state = random.bytes(count)
        var chunker = FixedChunker(size)
        var pieces: [[UInt8]] = []
        var (start, end) = (0, 0)
        repeat {
          end = min(count, end + Int(random.next() % 100_000))
          let buffer = Array(state[start..<end])
          var cuts: [Range<Int>] = []
          start += buffer.withUnsafeBytes { chunker.cut($0, isEnd: end == count, into: &cuts) }
          pieces += cuts.map { Array(buffer[$0]) }
        } while end < count
        #expect(pieces.dropLast().allSatisfy { $0.count == Int(size.rawValue) })
        #expect(pieces.allSatisfy { !$0.isEmpty })
        #expect(Array(pieces.joined()) == state)
        #expect(pieces.count == (count + Int(size.rawValue) - 1) / Int(size.rawValue))
      }
    }
  }
}
