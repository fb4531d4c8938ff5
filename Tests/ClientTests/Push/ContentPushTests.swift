import Client
import Core
import Dump
import Fixtures
import Foundation
import Testing

/// Pushes of states that are cut by content.
@Suite struct ContentPushTests {
  private func recover(
    _ fixture: ArchiveFixture, over archive: ArchiveConnection, to name: String
  ) async throws -> Data {
    let (sealed, door) = try await fixture.open(over: archive)
    let path = fixture.file(name)
    _ = try await Recoverer.recover(
      RecoverOptions(output: .file(path: path)), opening: door.opening, capsule: sealed.capsule, from: archive)
    return try Data(contentsOf: URL(filePath: path))
  }

  /// Around the shortest and the longest chunk, and around what is read at once.
  @Test func everyLengthComesBack() async throws {
    let lengths = [0, 1, 4_096, 32_768, 32_769, 262_143, 262_144, 262_145, 1_000_000, (5 << 20) + 1]
    try await ArchiveFixture.run(chunker: .content(.kib8)) { fixture, archive in
      for (number, byteCount) in lengths.enumerated() {
        let state = sampleState(byteCount: byteCount, seed: UInt64(number))
        let report = try await fixture.push(state, over: archive)
        #expect(report.epoch == UInt64(number + 1) && report.generation == 1)
        #expect(try await recover(fixture, over: archive, to: "out-\(byteCount)") == Data(state), "\(byteCount) bytes")
      }
    }
  }

  /// All bytes behind an insertion move, and are in the archive already.
  @Test func anInsertionCostsWhatIsAroundIt() async throws {
    try await ArchiveFixture.run(chunker: .standard) { fixture, archive in
      var random = SeededGenerator.printing()
      var state = random.bytes(12 << 20)
      let first = try await fixture.push(state, over: archive)
      #expect(first.traffic.sentByteCount > state.count)
      let same = try await fixture.push(state, over: archive)
      #expect(same.root == first.root && same.traffic.sentByteCount == 0)
      state.insert(contentsOf: random.bytes(3), at: 100_000)
      let changed = try await fixture.push(state, over: archive)
      #expect(changed.generation == 1 && (1...20).contains(changed.traffic.sentObjectCount))
      #expect(try await recover(fixture, over: archive, to: "out") == Data(state))
    }
  }
}
