import Archive
import Client
import Core
import Fixtures
import Foundation
import Glibc
import Logging
import Service
import Synchronization
import Testing
import Wire

@Suite struct RestartTests {
  /// The archive knows no token after a restart; the push begins again and goes on.
  @Test func aPushOutlivesARestart() async throws {
    try await ArchiveFixture.run { fixture, _ in try await fixture.pushAcrossARestart(losing: false) }
  }

  /// What a restart lost is noticed at the end, and the file is read once more.
  @Test func aFileIsSentAgainWhereTheArchiveLostIt() async throws {
    try await ArchiveFixture.run { fixture, _ in try await fixture.pushAcrossARestart(losing: true) }
  }

  @Test func aPipeIsNotReadTwice() async throws {
    try await ArchiveFixture.run { fixture, _ in
      let pipe = fixture.file("pipe")
      #expect(mkfifo(pipe, 0o600) == 0)
      let code = await refusal { try await fixture.pushAcrossARestart(losing: true, pipe: pipe) }?.code
      #expect(code == "push.incomplete")
    }
  }
}

extension ArchiveFixture {
  /// Pushes 80 MiB, restarts the archive after the first window, and compares what a recovery gives back.
  fileprivate func pushAcrossARestart(losing: Bool, pipe: String? = nil) async throws {
    let state = sampleState(byteCount: 80 << 20)
    let path = file("state")
    try Data(state).write(to: URL(filePath: path))
    let copy = "\(dataPath)-restarted"
    try FileManager.default.copyItem(atPath: dataPath, toPath: copy)
    let first = try await RunningArchive(at: copy, port: 0)
    let isBack = Flag()
    if let pipe { write(state, to: pipe, holdingUntil: isBack) }
    let gate = AsyncStream<Void>.makeStream()
    let address = ArchiveAddress(host: "127.0.0.1", port: first.port)
    let push = Task {
      defer { gate.continuation.finish() }
      return try await ArchiveConnection.open(address) { archive in
        let options = self.options(.file(path: pipe ?? path))
        return try await Pusher.push(options, key: self.uploader(), over: archive) { progress in
          if progress.sealedByteCount > 0 { gate.continuation.finish() }
        }
      }
    }
    for await _ in gate.stream {}
    let port = first.port
    try await first.stop()
    if losing { try FileManager.default.removeContents(ofFolder: "\(copy)/incoming") }
    let second = try await RunningArchive(at: copy, port: port)
    isBack.isSet.store(true, ordering: .relaxed)
    let result = await push.result
    if case .success = result {
      try await ArchiveConnection.open(address) { archive in
        try await self.expect(state, from: archive)
        // Whatever the restart cost, the next push knows every chunk.
        let next = try await Pusher.push(self.options(.file(path: path)), key: self.uploader(), over: archive)
        #expect(next.traffic.unchangedByteCount == state.count)
      }
    }
    try await second.stop()
    let report = try result.get()
    #expect(report.epoch == 1 && report.generation == 1)
  }

  /// Fills a pipe, the last quarter when the archive is back; a pipe's writer blocks, which no task may.
  private func write(_ state: [UInt8], to pipe: String, holdingUntil isBack: Flag) {
    Thread {
      guard let file = FileHandle(forWritingAtPath: pipe) else { return }
      try? file.write(contentsOf: Data(state[..<(state.count / 4 * 3)]))
      while !isBack.isSet.load(ordering: .relaxed) { usleep(1_000) }
      try? file.write(contentsOf: Data(state[(state.count / 4 * 3)...]))
      try? file.close()
    }.start()
  }

  private func expect(_ state: [UInt8], from archive: ArchiveConnection) async throws {
    let (sealed, door) = try await open(over: archive)
    let output = file("recovered")
    let options = RecoverOptions(output: .file(path: output))
    _ = try await Recoverer.recover(options, opening: door.opening, capsule: sealed.capsule, from: archive)
    #expect(try Array(Data(contentsOf: URL(filePath: output))) == state)
  }
}

/// Tells a thread to go on.
private final class Flag: Sendable {
  let isSet = Atomic(false)
}

/// An archive that a test stops itself.
private struct RunningArchive {
  let port: Int
  private let transport: WireServerTransport
  private let server: Task<Void, any Error>

  init(at path: String, port: Int) async throws {
    let archive = try await Archive.open(at: path) { fatalError("\($0)") }
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let transport = WireServerTransport(host: "127.0.0.1", port: port, logger: logger)
    self.transport = transport
    server = Task { try await ArchiveServer(archive, version: "test", logger: logger).serve(over: transport) }
    self.port = try await transport.boundAddress.port
  }

  func stop() async throws {
    transport.beginGracefulShutdown()
    try await server.value
  }
}

extension FileManager {
  fileprivate func removeContents(ofFolder path: String) throws {
    for name in try contentsOfDirectory(atPath: path) { try removeItem(atPath: "\(path)/\(name)") }
  }
}
