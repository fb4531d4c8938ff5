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

  @Test func everyAverageHasFiveBytesThatReadBack() throws {
    for average in ChunkerParameters.ContentAverage.allCases {
      let parameters = ChunkerParameters.content(average)
      #expect(try parse(parameters.encoding) == parameters)
      #expect(try ChunkerParameters(contentByteCount: Int(average.rawValue)) == parameters)
    }
    #expect(ChunkerParameters.standard.encoding == [2, 0, 0, 0x40, 0])
  }

  @Test func refusesOtherKindsAndSizes() {
    let refused: [[UInt8]] = [
      [], [1], [1, 0, 0, 16], [0, 0, 0, 16, 0], [1, 0, 0, 16, 1], [1, 0, 2, 0, 0], [2, 0, 0, 64], [2, 0, 0, 16, 0],
      [2, 0, 1, 0, 0], [3, 0, 0, 64, 0],
    ]
    for bytes in refused {
      #expect(code { _ = try parse(bytes) } == .dumpChunker)
    }
    for size in [-1, 0, 2_048, 4_095, 8_193, 131_072, Int.max] {
      #expect(code { _ = try ChunkerParameters(fixedByteCount: size) } == .dumpChunker)
      #expect(code { _ = try ChunkerParameters(contentByteCount: size) } == .dumpChunker)
    }
  }

  private func parse(_ bytes: [UInt8]) throws -> ChunkerParameters {
    var reader = ByteReader(bytes)
    return try ChunkerParameters(reading: &reader)
  }

  @Test func aSealedFixedChunkHasOneOfEightLengths() {
    for size in ChunkerParameters.FixedSize.allCases {
      let parameters = ChunkerParameters.fixed(size)
      let lengths = (0...70_000).filter { parameters.isSealedByteCount($0) }
      #expect(lengths == (1...8).map { 21 + $0 * Int(size.rawValue) / 8 })
      #expect(lengths.last == parameters.sealedChunkByteCount)
      #expect(lengths.allSatisfy { DumpLimits.childByteCounts(ofNodeAt: 1).contains($0) })
    }
  }

  @Test func aSealedContentChunkHasOneOfFewLengths() {
    for (average, count) in [(ChunkerParameters.ContentAverage.kib8, 64), (.kib16, 64), (.kib32, 32)] {
      let parameters = ChunkerParameters.content(average)
      let lengths = (0...70_000).filter { parameters.isSealedByteCount($0) }
      #expect(lengths == (1...count).map { 21 + $0 * Int(average.rawValue) / 16 })
      #expect(lengths.last == parameters.sealedChunkByteCount)
      #expect(lengths.allSatisfy { DumpLimits.childByteCounts(ofNodeAt: 1).contains($0) })
    }
  }

  /// However long a stretch of state is, its chunks and their bytes stay below what is planned for them.
  @Test func limitsHoldForTheMostAndTheLongestChunks() {
    for parameters in everyChunker {
      let (shortest, longest) = (parameters.chunkByteCountMinimum, parameters.chunkByteCount)
      for length in Set([shortest, min(shortest + 1, longest), longest]) {
        for count in [0, 1, length - 1, length, length + 1, 5 * length, 262_144] {
          let whole = count / length
          let lengths = [Int](repeating: length, count: whole) + (count % length > 0 ? [count % length] : [])
          let step = parameters.paddingStepByteCount
          let sealed = lengths.reduce(0) { $0 + 21 + ($1 + step - 1) / step * step }
          #expect(lengths.count <= parameters.chunkCountLimit(stateByteCount: count))
          #expect(sealed <= parameters.sealedByteCountLimit(stateByteCount: count))
        }
      }
    }
  }

  /// Cuts a stream that comes in buffers, as a push does: what is left over begins the next one.
  ///
  /// - Parameter next: where the next buffer ends, from where it starts and where the one before ended.
  private func cut(
    _ state: [UInt8], _ parameters: ChunkerParameters, next: (_ start: Int, _ end: Int) -> Int = { _, _ in .max }
  ) -> [Range<Int>] {
    var chunker = Chunker(parameters, secret: secret())
    var all: [Range<Int>] = []
    var (start, end) = (0, 0)
    repeat {
      end = min(state.count, next(start, end))
      var cuts: [Range<Int>] = []
      let count = state[start..<end].withUnsafeBytes { chunker.cut($0, isEnd: end == state.count, into: &cuts) }
      #expect(count == cuts.last?.upperBound ?? 0 && end - start - count < parameters.chunkByteCount)
      all += cuts.map { $0.lowerBound + start..<$0.upperBound + start }
      start += count
    } while end < state.count
    return all
  }

  /// However the stream arrives, the cuts are the same, cover it, and are as long as they may be.
  @Test func cutsAStreamThatComesInBuffers() {
    var random = SeededGenerator.printing()
    for parameters in everyChunker {
      let (shortest, longest) = (parameters.chunkByteCountMinimum, parameters.chunkByteCount)
      for count in [0, 1, shortest - 1, shortest, shortest + 1, longest - 1, longest, longest + 1, 300_000, 1_000_000] {
        let state = count % 2 == 0 ? random.state(count) : random.bytes(count)
        let whole = cut(state, parameters)
        #expect(whole.map(\.lowerBound) == starts(whole.map(\.count)) && whole.last?.upperBound ?? 0 == count)
        #expect(whole.allSatisfy { !$0.isEmpty && $0.count <= longest })
        #expect(whole.dropLast().allSatisfy { $0.count >= shortest })
        #expect(cut(state, parameters) { start, _ in start + (256 << 10) } == whole)
        #expect(cut(state, parameters) { $1 + 1 + Int(random.next() % 100_000) } == whole)
        #expect(cut(state, parameters) { $1 + Int(random.next() % 3_000) } == whole)
      }
    }
  }

  /// Noise is cut at the averages that are promised.
  ///
  /// A chunk's length has a standard deviation of half the average, or less: that the mean of 2,000 chunks is off by
  /// 6.7 %, six of its own deviations, happens once in 10^8 runs.
  @Test func chunksOfNoiseAreAsLongAsPromised() {
    var random = SeededGenerator.printing()
    for (average, expected) in [(ChunkerParameters.ContentAverage.kib8, 8_188.0), (.kib16, 16_377), (.kib32, 31_953)] {
      let state = random.bytes(2_000 * Int(average.rawValue))
      let cuts = cut(state, .content(average))
      let mean = Double(state.count) / Double(cuts.count)
      print("content, \(average.rawValue) on average: \(mean)")
      #expect(abs(mean / expected - 1) < 6 * 0.5 / 2_000.0.squareRoot())
    }
  }

  /// Pages of one byte: every position is nominated or none, and the cuts are the shortest or the longest.
  @Test func statesOfOneByteAreCutTheSameThroughout() {
    for byte in UInt8.min...UInt8.max {
      let state = [UInt8](repeating: byte, count: 200_000)
      let lengths = Set(cut(state, .content(.kib16)) { start, _ in start + (256 << 10) }.dropLast().map(\.count))
      #expect(lengths == [8_192] || lengths == [65_536])
    }
  }

  /// Another key cuts elsewhere, in any generation.
  @Test func theSecretDecides() {
    var random = SeededGenerator.printing()
    let state = random.bytes(1 << 20)
    let ends = [UInt8(1), 2].map { byte in
      var chunker = Chunker(.content(.kib8), secret: secret(byte))
      var cuts: [Range<Int>] = []
      _ = state.withUnsafeBytes { chunker.cut($0, isEnd: true, into: &cuts) }
      return Set(cuts.map(\.upperBound)).subtracting([state.count])
    }
    // Both keys choose among the same nominated positions, one in 32: by chance, a cut is one of the other key's once
    // in some 256, 0.5 of all; that 8 are happens once in 10^7 runs.
    #expect(ends[0].count > 60 && ends[0].intersection(ends[1]).count < 8)
  }

  /// Bytes that are inserted move the cuts about them and no others.
  @Test func cutsComeBackAfterAnInsertion() {
    var random = SeededGenerator.printing()
    let state = random.bytes(4 << 20)
    let place = Int(random.next() % UInt64(state.count))
    let inserted = random.bytes(1 + Int(random.next() % 100))
    let changed = Array(state[..<place] + inserted + state[place...])
    let chunks = [state, changed].map { state in
      Set(cut(state, .standard) { start, _ in start + (256 << 10) }.map { Array(state[$0]) })
    }
    let added = chunks[1].subtracting(chunks[0])
    print("an insertion changed \(added.count) of \(chunks[1].count) chunks")
    #expect(added.count < 20)
  }
}
