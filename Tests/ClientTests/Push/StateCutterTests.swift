import Client
import Core
import Dump
import Fixtures
import Sodium
import Testing

/// What is foreseen is what would have been cut: a cache changes the work and never the dump.
@Suite struct StateCutterTests {
  private static let pieceByteCount = 256 << 10

  private let folder: TemporaryFolder
  private let secret = randomBytes(32)
  private let fingerprintSecret = randomBytes(32)
  private let chunker = ChunkerParameters.content(.kib8)

  init() throws { folder = try TemporaryFolder() }

  private static func secret(_ bytes: [UInt8]) -> SecretBytes {
    var copy = bytes
    return SecretBytes(consuming: &copy)
  }

  private func fingerprintKey() -> FingerprintKey { FingerprintKey(Self.secret(fingerprintSecret)) }

  /// The chunks of a state that comes in pieces, by the places where they end.
  private func cut(
    _ state: [UInt8], _ known: KnownChunks?
  ) throws -> (ends: [Int], answers: [KnownChunks.Answer]) {
    var cutter = StateCutter(
      chunker, secret: try GenerationSecret(Self.secret(secret)), fingerprintKey: fingerprintKey(),
      known: known)
    var ends: [Int] = []
    var answers: [KnownChunks.Answer] = []
    var start = 0
    var isEnd = false
    while !isEnd {
      let end = min(start + Self.pieceByteCount, state.count)
      isEnd = end - start < Self.pieceByteCount
      let cuts = state[start..<end].withUnsafeBytes { cutter.cut($0, isEnd: isEnd, at: start) }
      ends += cuts.ranges.map { start + $0.upperBound }
      answers += cuts.answers ?? []
      start += cuts.ranges.last?.upperBound ?? 0
    }
    return (ends, answers)
  }

  private func entries(_ state: [UInt8], _ ends: [Int]) throws -> [FingerprintCache.Entry] {
    var fingerprinter = Fingerprinter(key: fingerprintKey())
    return try zip([0] + ends, ends).map { start, end in
      let bytes = randomBytes(32)
      return FingerprintCache.Entry(
        fingerprint: state[start..<end].withUnsafeBytes { fingerprinter.fingerprint($0) },
        reference: ObjectReference(
          id: try #require(Digest(bytes)), key: try #require(ObjectKey(bytes)),
          sealedByteCount: chunker.sealedChunkByteCount, plainByteCount: end - start))
    }
  }

  private func known(_ entries: [FingerprintCache.Entry]) throws -> KnownChunks {
    let subject = FingerprintCache.Subject(generation: 1, veil: .zero, chunker: chunker)
    let path = folder.path("fingerprints")
    let writer = FingerprintCacheWriter(
      at: path, subject: subject, salt: [UInt8](repeating: 3, count: 32), key: Self.secret(fingerprintSecret))
    writer.append(entries)
    writer.finish(SeenEpoch(number: 1, leafHash: .zero))
    let reader = FingerprintCacheReader(at: path, subject: subject) { _ in Self.secret(fingerprintSecret) }
    guard let reader else { throw PosternError("test.no-cache", "The cache does not open.", advice: "") }
    return KnownChunks(reader)
  }

  /// Noise, with runs of one byte and a part that repeats.
  private static func state(_ generator: inout SeededGenerator) -> [UInt8] {
    var state = sampleState(byteCount: (2 << 20) + Int(generator.next() % 100_000), seed: generator.next())
    for _ in 0..<3 {
      let place = Int(generator.next() % UInt64(state.count - 200_000))
      let run = Int(generator.next() % 100_000)
      state.replaceSubrange(place..<place + run, with: repeatElement(UInt8(truncatingIfNeeded: place), count: run))
    }
    return state + state[(1 << 20)..<(1 << 20) + 300_000]
  }

  private static func edit(_ state: inout [UInt8], _ generator: inout SeededGenerator) {
    let length = Int(generator.next() % 30_000) + 1
    let place = Int(generator.next() % UInt64(state.count - length))
    let fresh = sampleState(byteCount: length, seed: generator.next())
    switch generator.next() % 6 {
    case 0: state.insert(contentsOf: fresh, at: place)
    case 1: state.removeSubrange(place..<place + length)
    case 2: state.replaceSubrange(place..<place + length, with: fresh)
    case 3: state[place] ^= 1
    case 4: state.removeLast(length)
    default: state += fresh
    }
  }

  @Test func aCacheChangesNoCut() throws {
    var generator = SeededGenerator.printing()
    for round in 0..<24 {
      let before = Self.state(&generator)
      let old = try cut(before, nil).ends
      let entries = try entries(before, old)
      let known = try known(entries)
      var after = before
      for _ in 0..<round % 6 { Self.edit(&after, &generator) }
      let plain = try cut(after, nil).ends
      let foreseen = try cut(after, known)
      #expect(foreseen.ends == plain, "round \(round)")
      let fingerprints = try self.entries(after, plain).map(\.fingerprint)
      #expect(foreseen.answers.map(\.fingerprint) == fingerprints, "round \(round)")
      // What is known of a chunk is of one with the same bytes.
      let ids = Dictionary(grouping: entries, by: \.fingerprint).mapValues { Set($0.map(\.reference.id)) }
      for answer in foreseen.answers {
        guard let reference = answer.reference else { continue }
        #expect(ids[answer.fingerprint]?.contains(reference.id) == true, "round \(round)")
      }
      let foundCount = foreseen.answers.count { $0.reference != nil }
      #expect(foundCount >= plain.count - 90, "round \(round)")
      if after == before { #expect(foundCount == plain.count) }
    }
  }

  /// The last chunk of the epoch before ended with its state; a longer state does not end there.
  @Test func aStateGoesOnBehindTheOldEnd() throws {
    let state = sampleState(byteCount: 900_000)
    for byteCount in [1, 5_000, 100_000, 899_999] {
      let before = Array(state[..<byteCount])
      let known = try known(entries(before, cut(before, nil).ends))
      #expect(try cut(state, known).ends == cut(state, nil).ends)
    }
  }
}
