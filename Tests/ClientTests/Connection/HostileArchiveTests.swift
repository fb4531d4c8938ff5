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
  /// By these a command says that a log shows two histories, or less than before.
  private static let verdicts: [PosternError.Code] = [.logFork, .logRollback, .viewRolledBack]

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

  /// No code of the list, told instead of a tile or a body, is taken for what this side found.
  @Test func noRefusalIsAJudgement() async throws {
    let schema = URL(filePath: "../../../Schema/errors.md", relativeTo: URL(filePath: #filePath))
    let codes = try String(contentsOf: schema, encoding: .utf8).split(separator: "\n")
      .filter { $0.hasPrefix("| `") }.map { String($0.split(separator: "`")[1]) }
    #expect(codes.count > 200 && Self.verdicts.allSatisfy { codes.contains($0.rawValue) })
    try await run { fixture, memory, relay, relayed in
      // What cannot be reached is tried again for a minute.
      for code in codes where code != PosternError.Code.wireUnavailable.rawValue {
        let told = PosternError(.init(rawValue: code), "The log forked.", advice: "Tell everybody.")
        for method in [Relay.Method.tile, .body] {
          relay.orders.withLock { $0.refusals = [method: told] }
          let error = await refusal { try await relayed.verified(app: fixture.app, memory: memory) }
          if method == .body, told.code == .archiveNotFound {
            #expect(error?.code == .epochUnknownApplication)
          } else {
            #expect(error?.code == told.code || error?.code == .wireRefusal, "\(code)")
            #expect(error?.message.hasPrefix("The archive ") == true, "\(code)")
          }
          #expect(error.map { !Self.verdicts.contains($0.code) } == true, "\(code)")
          try expectNothingKept(fixture, memory, "\(code)")
        }
      }
      for code in Self.verdicts {
        relay.orders.withLock { $0.refusals = [.admission: PosternError(code, "It forked.", advice: "Tell.")] }
        #expect(await refusal { try await fixture.push([4], over: relayed) }?.code == .wireRefusal)
      }
    }
  }

  /// A list ends, whatever an archive says: an empty page is the last, and none has more rows than were asked for.
  @Test func aListEnds() async throws {
    try await run { fixture, _, relay, relayed in
      let honest = try await relayed.list(app: fixture.app)
      #expect(honest.epochs.count == 1 && honest.next == nil)
      relay.orders.withLock { orders in
        orders.page = { _ in
          var page = Postern_V1_ListResponse()
          page.next = Data([0, 0, 0, 0, 0, 0, 0, 1])
          return page
        }
      }
      #expect(await refusal { try await relayed.list(app: fixture.app) }?.code == .answerShape)
      relay.orders.withLock { orders in
        orders.page = { page in
          var page = page
          page.epochs += page.epochs
          return page
        }
      }
      #expect(await refusal { try await relayed.list(app: fixture.app, limit: 1) }?.code == .answerShape)
      let twice = try await relayed.list(app: fixture.app, limit: 2)
      #expect(twice.epochs.count == 2)
    }
  }
}
