import Core
import Merkle
import Testing

@Suite struct EntryBundleTests {
  @Test func roundTrips() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SeededGenerator(seed: seed)
    for width in 1...256 {
      let entries = (0..<width).map { _ in
        [UInt8](repeating: .random(in: 0...255, using: &generator), count: .random(in: 0...300, using: &generator))
      }
      let bundle = try EntryBundle(entries)
      #expect(try EntryBundle(parsing: bundle.bytes, width: width) == bundle, "seed \(seed)")
      #expect(bundle.leafHashes == entries.map(TreeHash.leaf), "seed \(seed)")
    }
    let longest = try EntryBundle([[UInt8](repeating: 7, count: 65_535)])
    #expect(longest.bytes.count == 65_537)
    #expect(try BundleCoordinate(index: 0, width: 1).maximumByteCount == 65_537)
    #expect(try EntryBundle(parsing: longest.bytes, width: 1) == longest)
    #expect(try EntryBundle([[1], [], [2, 3]]).bytes == [0, 1, 1, 0, 0, 0, 2, 2, 3])
  }

  @Test func refusesOtherBytes() {
    let refused: [([UInt8], Int)] = [
      ([], 1), ([0], 1), ([0, 1], 1), ([0, 0, 0], 1), ([0, 0], 2), ([0, 0, 0, 0], 1), ([255, 255, 1], 1),
      ([], 0), ([0, 0], 0), (.init(repeating: 0, count: 514), 257), ([0, 0], .max),
    ]
    for (bytes, width) in refused {
      #expect(code { _ = try EntryBundle(parsing: bytes, width: width) } == .logBundle, "\(bytes) \(width)")
    }
    #expect(code { _ = try EntryBundle([]) } == .logBundle)
    #expect(code { _ = try EntryBundle(.init(repeating: [], count: 257)) } == .logBundle)
    #expect(code { _ = try EntryBundle([[], .init(repeating: 0, count: 65_536)]) } == .logEntryLength)
  }

  /// The entry's bundle is the one that has its number, up to the last that a log can have.
  @Test func numbersItsEntries() throws {
    for (index, width, numbers) in [
      (0, 1, 0..<1), (0, 256, 0..<256), (1, 17, 256..<273), (UInt64.max >> 8, 255, (UInt64.max - 255)..<UInt64.max),
    ] {
      let bundle = try BundleCoordinate(index: index, width: width)
      #expect(bundle.entryNumbers == numbers)
      #expect(numbers.allSatisfy { BundleCoordinate.index(ofEntry: $0) == index })
    }
    for (index, width) in [(UInt64.max >> 8, 256), (UInt64.max >> 8 + 1, 1), (UInt64.max, 1)] {
      #expect(try BundleCoordinate(index: index, width: width).entryNumbers.isEmpty)
    }
  }
}
