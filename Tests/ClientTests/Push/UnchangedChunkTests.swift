import Client
import Core
import Dump
import Fixtures
import FoundationEssentials
import Glibc
import Records
import Sodium
import Testing

/// What did not change since the last epoch is neither sealed nor asked for; and losing what tells so harms nothing.
@Suite struct UnchangedChunkTests {
  private func cachePath(_ fixture: ArchiveFixture) -> String { fixture.statePath + "/fingerprints" }

  private func recovers(
    _ state: [UInt8], _ fixture: ArchiveFixture, over archive: ArchiveConnection
  ) async throws -> Bool {
    let (sealed, door) = try await fixture.open(over: archive)
    let path = fixture.file("out-\(randomBytes(4).hex)")
    _ = try await Recoverer.recover(
      RecoverOptions(output: .file(path: path)), opening: door.opening, capsule: sealed.capsule, from: archive)
    return Array(try Data(contentsOf: URL(filePath: path))) == state
  }

  @Test func onlyWhatChangedIsSealed() async throws {
    try await ArchiveFixture.run { fixture, archive in
      var generator = SeededGenerator.printing()
      var state = sampleState(byteCount: (6 << 20) + 123)
      #expect(try await fixture.push(state, over: archive).traffic.unchangedByteCount == 0)
      for _ in 0..<3 {
        var places: Set<Int> = []
        for _ in 0..<5 {
          let place = Int(generator.next() % UInt64(state.count))
          state[place] ^= 1
          places.insert(place / 4_096)
        }
        let report = try await fixture.push(state, over: archive)
        let changed = places.reduce(0) { $0 + min(4_096, state.count - $1 * 4_096) }
        #expect(report.traffic.unchangedByteCount == state.count - changed)
        // A chunk, and two nodes of each of two levels where a node ends elsewhere now; and the top.
        #expect(report.traffic.lackedObjectCount <= places.count * 5 + 4)
        #expect(try await recovers(state, fixture, over: archive))
      }
      // Shorter, longer, empty and back.
      for byteCount in [state.count - 5_000, state.count, 0, state.count] {
        let report = try await fixture.push(Array(state[..<byteCount]), over: archive)
        #expect(byteCount == 0 || report.traffic.unchangedByteCount > 0 || report.epoch > 7)
        #expect(try await recovers(Array(state[..<byteCount]), fixture, over: archive))
      }
    }
  }

  /// A lost cache, one of rubbish, and one in a folder's place cost time and nothing else.
  @Test func aLostCacheHarmsNothing() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let state = sampleState(byteCount: 1 << 20)
      let first = try await fixture.push(state, over: archive)
      try FileManager.default.removeItem(atPath: cachePath(fixture))
      let second = try await fixture.push(state, over: archive)
      #expect(second.root == first.root && second.traffic.unchangedByteCount == 0 && second.traffic.sentByteCount == 0)
      #expect(try await fixture.push(state, over: archive).traffic.unchangedByteCount == state.count)
      try Data(sampleState(byteCount: 100_000)).write(to: URL(filePath: cachePath(fixture)))
      #expect(try await fixture.push(state, over: archive).traffic.unchangedByteCount == 0)
      try FileManager.default.removeItem(atPath: cachePath(fixture))
      for path in [cachePath(fixture), cachePath(fixture) + ".new"] { #expect(mkdir(path, 0o700) == 0) }
      let last = try await fixture.push(state, over: archive)
      #expect(last.root == first.root && last.traffic.unchangedByteCount == 0)
    }
  }

  /// A cache whose epoch is not the archive's, or of which the archive lacks chunks, is given up, and the state is read
  /// once more.
  @Test func whatTheArchiveLacksIsSentAllTheSame() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let state = sampleState(byteCount: 200_000)
      let first = try await fixture.push(state, over: archive)
      let newest = try await archive.verified(app: fixture.app, memory: nil)
      let changed = sampleState(byteCount: 200_000, seed: 2)
      try forgeCache(of: changed, fixture, newest)
      let report = try await fixture.push(changed, over: archive)
      #expect(report.epoch == 2 && report.root != first.root && report.traffic.unchangedByteCount == 0)
      #expect(try await recovers(changed, fixture, over: archive))
      #expect(try await fixture.push(changed, over: archive).traffic.unchangedByteCount == changed.count)
    }
  }

  /// Writes a cache that takes the archive to hold chunks of a state that nobody sent, under made-up ids.
  private func forgeCache(
    of state: [UInt8], _ fixture: ArchiveFixture, _ application: VerifiedApplication
  ) throws {
    let folder = try StateFolder.open(at: fixture.statePath, app: fixture.app, key: fixture.uploader())
    guard let generation = try folder.generation(), let epoch = application.epoch else {
      throw PosternError(.stateMalformed, "There is no generation.", advice: "Push before.")
    }
    let cache = folder.newCache(of: generation, chunker: application.charter.chunker)
    var fingerprinter = Fingerprinter(key: folder.fingerprintKey(of: generation))
    let entries = try stride(from: 0, to: state.count, by: 4_096).map { start in
      let chunk = Array(state[start..<min(start + 4_096, state.count)])
      let bytes = randomBytes(32)
      return FingerprintCache.Entry(
        fingerprint: chunk.withUnsafeBytes { fingerprinter.fingerprint($0) },
        reference: ObjectReference(
          id: try #require(Digest(bytes)), key: try #require(ObjectKey(bytes)), sealedByteCount: 4_117,
          plainByteCount: chunk.count))
    }
    cache.append(entries)
    cache.finish(SeenEpoch(number: epoch.fields.number, leafHash: epoch.leafHash))
  }
}
