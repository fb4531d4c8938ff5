import Client
import Core
import Dump
import Fixtures
import FoundationEssentials
import Sodium
import Testing

/// The cache as a file, and the window of it that a push looks through.
@Suite struct FingerprintCacheTests {
  private let folder: TemporaryFolder
  private let key: FingerprintKeyBytes
  private static let epoch = SeenEpoch(number: 7, leafHash: Digest([UInt8](repeating: 7, count: 32)) ?? .zero)

  /// What stands for an uploader's key.
  private struct FingerprintKeyBytes {
    let bytes = randomBytes(32)

    func secret() -> SecretBytes {
      var copy = bytes
      return SecretBytes(consuming: &copy)
    }
  }

  init() throws {
    folder = try TemporaryFolder()
    key = FingerprintKeyBytes()
  }

  private func subject(_ generation: UInt64 = 1) throws -> FingerprintCache.Subject {
    FingerprintCache.Subject(generation: generation, veil: .zero, chunker: try ChunkerParameters(fixedByteCount: 4_096))
  }

  /// Chunk number n of a state: its fingerprint and its id say so.
  private static func entry(_ number: UInt64) -> FingerprintCache.Entry {
    let words = [number &* 0x9e37_79b9_7f4a_7c15, ~number, number, 1]
    let bytes = words.flatMap { word in withUnsafeBytes(of: word.bigEndian) { Array($0) } }
    guard let id = Digest(bytes), let key = ObjectKey(bytes) else { preconditionFailure("four words are 32 bytes") }
    return FingerprintCache.Entry(
      fingerprint: bytes.withUnsafeBytes { Fingerprint($0) },
      reference: ObjectReference(id: id, key: key, sealedByteCount: 4_117, plainByteCount: 4_096))
  }

  @discardableResult
  private func write(_ numbers: some Sequence<UInt64>) throws -> String {
    let path = folder.path("fingerprints")
    let writer = FingerprintCacheWriter(
      at: path, subject: try subject(), salt: [UInt8](repeating: 3, count: 32), key: key.secret())
    writer.append(numbers.lazy.map(Self.entry))
    writer.finish(Self.epoch)
    return path
  }

  private func open(_ path: String, _ subject: FingerprintCache.Subject) -> KnownChunks? {
    guard let reader = FingerprintCacheReader(at: path, subject: subject, derive: { _ in key.secret() }) else {
      return nil
    }
    #expect(reader.epoch == Self.epoch)
    return KnownChunks(reader)
  }

  /// How many chunks of a state are found, each of which has to be the right one.
  private func found(_ state: [UInt64], in known: KnownChunks) -> Int {
    var count = 0
    for start in stride(from: 0, to: state.count, by: 64) {
      let piece = state[start..<min(start + 64, state.count)]
      let questions = piece.map { KnownChunks.Question(fingerprint: Self.entry($0).fingerprint, plainByteCount: 4_096) }
      let references = known.references(of: questions, at: start * 4_096)
      for (number, reference) in zip(piece, references) {
        guard let reference else { continue }
        #expect(reference.id == Self.entry(number).reference.id)
        count += 1
      }
    }
    return count
  }

  @Test func findsEveryChunkOfTheSameState() throws {
    for count in [0, 1, 4_095, 4_096, 4_097, 60_000] {
      let state = (0..<UInt64(count)).map { $0 }
      let known = try #require(open(write(state), subject()))
      #expect(found(state, in: known) == count)
      #expect(found([1_000_000, 1_000_001], in: known) == 0)
    }
  }

  /// Whatever is inserted, removed, changed or repeated: what is found is right, and what stayed is found, as long as
  /// no change is longer than half of the window.
  @Test func findsWhatStayed() throws {
    var generator = SeededGenerator.printing()
    let before = (0..<UInt64(70_000)).map { $0 }
    for round in 0..<8 {
      var after = before
      var lost = 0
      for edit in 0..<6 {
        let length = Int(generator.next() % 3_000) + 1
        let place = Int(generator.next() % UInt64(after.count - length))
        let fresh = (0..<UInt64(length)).map { 1_000_000 + UInt64(round * 100_000 + edit * 10_000) + $0 }
        switch generator.next() % 4 {
        case 0: after.insert(contentsOf: fresh, at: place)
        case 1: after.removeSubrange(place..<place + length)
        case 2:
          after.replaceSubrange(place..<place + length, with: fresh)
        default:
          // A chunk that many places have, as zeros are.
          after.insert(contentsOf: [UInt64](repeating: after[place], count: length), at: place)
        }
        lost += length
      }
      let known = try #require(open(write(before), subject()))
      let stayed = after.count { $0 < 1_000_000 }
      let count = found(after, in: known)
      #expect(count <= stayed)
      #expect(count > stayed - lost, "round \(round): \(count) of \(stayed)")
    }
  }

  /// Where more changed than the window holds, it goes on behind the change.
  @Test func goesOnBehindALongChange() throws {
    let before = (0..<UInt64(120_000)).map { $0 }
    var after = before
    for place in 10_000..<70_000 { after[place] += 1_000_000 }
    let known = try #require(open(write(before), subject()))
    let count = found(after, in: known)
    #expect(count > 55_000 && count <= 60_000, "\(count) of 60,000")
  }

  /// Where the bytes are others than were written, nothing is found that is not right; mostly there is no cache at all.
  @Test func aDamagedFileHarmsNothing() throws {
    var generator = SeededGenerator.printing()
    let state = (0..<UInt64(10_000)).map { $0 }
    let path = try write(state)
    let bytes = try Data(contentsOf: URL(filePath: path))
    for _ in 0..<40 {
      var damaged = bytes
      let place = Int(generator.next() % UInt64(bytes.count))
      damaged[place] ^= UInt8(1 << (generator.next() % 8))
      try damaged.write(to: URL(filePath: path))
      if let known = open(path, try subject()) { #expect(found(state, in: known) < state.count) }
      try bytes.prefix(Int(generator.next() % UInt64(bytes.count))).write(to: URL(filePath: path))
      #expect(open(path, try subject()) == nil)
    }
    try (bytes + [0]).write(to: URL(filePath: path))
    #expect(open(path, try subject()) == nil)
  }

  @Test func isGoodForOneGenerationOnly() throws {
    let path = try write(0..<10)
    #expect(open(path, try subject()) != nil)
    #expect(open(path, try subject(2)) == nil)
    let chunker = try ChunkerParameters(fixedByteCount: 8_192)
    #expect(open(path, FingerprintCache.Subject(generation: 1, veil: .zero, chunker: chunker)) == nil)
    let other = FingerprintKeyBytes()
    #expect(FingerprintCacheReader(at: path, subject: try subject(), derive: { _ in other.secret() }) == nil)
  }

  /// One that was begun anew, after some chunks or some blocks of them, has what came since, sealed under another key.
  @Test func oneThatIsBegunAnewIsWhole() throws {
    let path = folder.path("fingerprints")
    for count in [100, 5_000] {
      let before = FingerprintKeyBytes()
      let writer = FingerprintCacheWriter(
        at: path, subject: try subject(), salt: [UInt8](repeating: 3, count: 32), key: before.secret())
      writer.append((0..<UInt64(count)).lazy.map(Self.entry))
      writer.restart(salt: [UInt8](repeating: 4, count: 32), key: key.secret())
      writer.append((7_000..<UInt64(12_000)).lazy.map(Self.entry))
      writer.finish(Self.epoch)
      #expect(found([0, 50, 7_000, 7_001, 11_999, 12_000], in: try #require(open(path, subject()))) == 3)
      #expect(FingerprintCacheReader(at: path, subject: try subject(), derive: { _ in before.secret() }) == nil)
      try FileManager.default.removeItem(atPath: path)
    }
  }

  /// One that is not brought to an end leaves nothing, nor does one that was begun anew.
  @Test func anUnfinishedOneLeavesNothing() throws {
    let path = folder.path("fingerprints")
    do {
      let writer = FingerprintCacheWriter(
        at: path, subject: try subject(), salt: [UInt8](repeating: 3, count: 32), key: key.secret())
      writer.append((0..<UInt64(9_000)).lazy.map(Self.entry))
      writer.restart(salt: [UInt8](repeating: 4, count: 32), key: key.secret())
      writer.append((0..<UInt64(9_000)).lazy.map(Self.entry))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("")) == [])
  }
}
