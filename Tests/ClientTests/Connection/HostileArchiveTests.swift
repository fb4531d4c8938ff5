import Client
import Core
import Fixtures
import FoundationEssentials
import Merkle
import Records
import Synchronization
import Testing
import Wire

/// What an archive, or whoever stands before it, can make a client believe of others: nothing.
@Suite struct HostileArchiveTests {
  /// Remembers the log at one entry, and has it go on to two.
  private func run(
    _ body: @Sendable @escaping (ArchiveFixture, CheckpointMemory, Relay, ArchiveConnection) async throws -> Void
  ) async throws {
    try await ArchiveFixture.run { fixture, archive in
      let memory = CheckpointMemory(folder: fixture.file("memory"))
      _ = try await archive.verified(app: fixture.app, memory: memory)
      try await fixture.push([1, 2, 3], over: archive)
      try await Relay.run(before: fixture.address) { relay, relayed in
        try await body(fixture, memory, relay, relayed)
      }
    }
  }

  private func expectNothingKept(_ fixture: ArchiveFixture, _ memory: CheckpointMemory, _ comment: Comment) throws {
    #expect(try memory.newest(of: fixture.charter.home)?.checkpoint.size == 1, comment)
    let names = try FileManager.default.contentsOfDirectory(atPath: fixture.file("memory"))
    #expect(!names.contains { $0.contains("refused") }, comment)
  }

  /// Whoever alters a tile has the log blamed for nothing, and the log is accepted when the tiles are its own.
  @Test func anAlteredTileIsNoFork() async throws {
    try await run { fixture, memory, relay, relayed in
      for byte in [0, 31, 32, 63] {
        relay.orders.withLock { $0.alteredByte = byte }
        let error = await refusal { try await relayed.verified(app: fixture.app, memory: memory) }
        #expect(error?.code == .logRoot && error?.advice.contains("nothing against the log") == true, "\(byte)")
        try expectNothingKept(fixture, memory, "\(byte)")
      }
      relay.orders.withLock { $0.alteredByte = nil }
      _ = try await relayed.verified(app: fixture.app, memory: memory)
      #expect(try memory.newest(of: fixture.charter.home)?.checkpoint.size == 2)
    }
  }

  /// A pull holds the log against what the copy has of it.
  @Test func anAlteredTileIsNoForkOfACopy() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let options = PullOptions(app: fixture.app, path: fixture.file("copy"))
      try await fixture.push([1], over: archive)
      _ = try await Puller.pull(options, from: archive)
      try await fixture.push([2], over: archive)
      try await Relay.run(before: fixture.address) { relay, relayed in
        for byte in [0, 32, 64] {
          relay.orders.withLock { $0.alteredByte = byte }
          #expect(await refusal { try await Puller.pull(options, from: relayed) }?.code == .logRoot, "\(byte)")
          let fresh = PullOptions(app: fixture.app, path: fixture.file("fresh-\(byte)"))
          #expect(await refusal { try await Puller.pull(fresh, from: relayed) }?.code == .logRoot, "\(byte)")
        }
        relay.orders.withLock { $0.alteredByte = nil }
        _ = try await Puller.pull(options, from: relayed)
        let copy = try await FolderCatalog.open(options.path).verified(app: fixture.app, memory: nil)
        #expect(copy.epoch?.fields.number == 2)
      }
    }
  }
}
