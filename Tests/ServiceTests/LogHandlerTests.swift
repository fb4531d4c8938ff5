import Archive
import Core
import Fixtures
import Logging
import Service
import Testing
import Wire

/// What the log answers to questions that no client of this program asks.
@Suite struct LogHandlerTests {
  /// A tile or bundle that no log can have is told as a wrong field: by `log.*` a client judges a log.
  @Test func whatNoLogHasIsAWrongField() async throws {
    let folder = try TemporaryFolder()
    _ = try Archive.create(at: folder.path("data"), origin: "example.org/log")
    let archive = try await Archive.open(at: folder.path("data")) { Issue.record("stopped: \($0)") }
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let transport = WireServerTransport(host: "127.0.0.1", port: 0, logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await ArchiveServer(archive, version: "test", logger: logger).serve(over: transport)
      }
      let bound = try await transport.boundAddress
      try await withPosternClient(
        transport: WireClientTransport(host: bound.host, port: bound.port, logger: logger)
      ) { client in
        for (level, width) in [(UInt32(64), UInt32(1)), (0, 0), (0, 257), (.max, .max)] {
          var request = Postern_V1_GetTileRequest()
          request.level = level
          request.width = width
          let error = await refusal { [request] in try await client.getTile(request) }
          #expect(error?.code == .requestField)
        }
        for width in [UInt32(0), 257, .max] {
          var request = Postern_V1_GetEntriesRequest()
          request.width = width
          let error = await refusal { [request] in try await client.getEntries(request, byteLimit: 1_000) }
          #expect(error?.code == .requestField)
        }
      }
      transport.beginGracefulShutdown()
      try await group.waitForAll()
    }
    await archive.finish()
  }
}
