import Core
import Foundation
import GRPCCore
import NIOCore
import Testing
import Wire

/// The example in `Schema/wire.md`, against a real server.
@Suite(.timeLimit(.minutes(2))) struct TranscriptTests {
  /// The bytes of the lines that begin with `side`, in the document's example.
  private func bytes(of side: String) throws -> [UInt8] {
    let schema = URL(filePath: "../../../Schema/wire.md", relativeTo: URL(filePath: #filePath))
    let text = try String(contentsOf: schema, encoding: .utf8)
    let example = try #require(text.components(separatedBy: "```transcript\n").dropFirst().first)
    let lines = try #require(example.components(separatedBy: "```").first).split(separator: "\n")
    return try lines.filter { $0.hasPrefix(side) }.flatMap { line in
      let digits = line.dropFirst(side.count).prefix { $0 != "|" }.filter { $0 != " " }
      return try #require([UInt8](hex: digits), "\(line)")
    }
  }

  @Test func theExampleIsWhatAServerSays() async throws {
    let wanted = try bytes(of: "S ")
    let sent = try bytes(of: "C ")
    let transport = WireServerTransport(host: "127.0.0.1", port: 0, logger: quiet)
    var router = RPCRouter<WireServerTransport>()
    router.registerHandler(
      forMethod: Postern_V1_Log.Method.GetCheckpoint.descriptor, deserializer: BytesCoder(), serializer: BytesCoder()
    ) { request, _ in
      let question = try await ServerRequest(stream: request).message
      #expect(question.isEmpty)
      // Field 1, two bytes: the shortest answer that shows one.
      return StreamingServerResponse(single: ServerResponse(message: [0x0A, 2, 0x68, 0x69]))
    }
    let server = GRPCServer(transport: transport, router: router)
    let found = try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.serve() }
      let peer = try await RawPeer.connect(to: try await transport.boundAddress)
      await peer.send(ByteBuffer(bytes: sent))
      let found = try await peer.bytes(count: wanted.count)
      await peer.close()
      server.beginGracefulShutdown()
      try await group.waitForAll()
      return found
    }
    #expect(found.hex == wanted.hex)
  }
}
