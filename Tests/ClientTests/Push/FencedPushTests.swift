import Client
import Core
import Fixtures
import Foundation
import Glibc
import Synchronization
import Testing

/// Two processes that push with one key.
@Suite struct FencedPushTests {
  /// The older gives way for good, and is told why, instead of fencing the newer in its turn.
  @Test func theOlderOfTwoGivesWay() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let pipe = fixture.file("pipe")
      #expect(mkfifo(pipe, 0o600) == 0)
      let isOvertaken = Signal()
      write(sampleState(byteCount: 72 << 20), to: pipe, holdingUntil: isOvertaken)
      let begun = AsyncStream<Void>.makeStream()
      let older = Task {
        defer { begun.continuation.finish() }
        return await refusal {
          try await ArchiveConnection.open(fixture.address) { connection in
            try await Pusher.push(fixture.options(.file(path: pipe)), key: fixture.uploader(), over: connection) {
              if $0.sealedByteCount > 0 { begun.continuation.finish() }
            }
          }
        }
      }
      for await _ in begun.stream {}
      let path = fixture.file("small")
      try Data(sampleState(byteCount: 1 << 20)).write(to: URL(filePath: path))
      var options = fixture.options(.file(path: path))
      options.statePath += "-other"
      let report = try await Pusher.push(options, key: fixture.uploader(), over: archive)
      #expect(report.epoch == 1)
      isOvertaken.isGiven.store(true, ordering: .relaxed)
      let error = await older.value
      #expect(error?.code == "push.fenced", "\(String(describing: error))")
      #expect(error?.message.contains("Another process") == true)
      // Run again, it goes on.
      #expect(try await fixture.push(sampleState(byteCount: 1 << 20), over: archive).epoch == 2)
    }
  }

  /// A begin that the archive took up late, after the one that replaced it, was the push's own: it goes on.
  @Test(.timeLimit(.minutes(2))) func aLateBeginOfItsOwnDoesNotStopIt() async throws {
    try await ArchiveFixture.run { fixture, _ in
      let network = try LateNetwork(to: fixture.address.port)
      defer { network.close() }
      let pipe = fixture.file("pipe")
      #expect(mkfifo(pipe, 0o600) == 0)
      let isFenced = Signal()
      write(sampleState(byteCount: 72 << 20), to: pipe, holdingUntil: isFenced)
      let begun = AsyncStream<Void>.makeStream()
      let push = Task {
        defer { begun.continuation.finish() }
        let address = ArchiveAddress(host: "127.0.0.1", port: network.port)
        return try await ArchiveConnection.open(address) { connection in
          try await Pusher.push(fixture.options(.file(path: pipe)), key: fixture.uploader(), over: connection) {
            if $0.sealedByteCount > 0 { begun.continuation.finish() }
          }
        }
      }
      for await _ in begun.stream {}
      #expect(network.holdsABegin)
      try await network.deliver()
      isFenced.isGiven.store(true, ordering: .relaxed)
      #expect(try await push.value.epoch == 1)
    }
  }

  /// Fills half of a pipe, and the rest when it is told to; a pipe's writer blocks, which no task may.
  private func write(_ state: [UInt8], to pipe: String, holdingUntil signal: Signal) {
    Thread {
      // The reader may be gone by then: an error, and no end of the process.
      var broken = sigset_t()
      sigemptyset(&broken)
      sigaddset(&broken, SIGPIPE)
      pthread_sigmask(SIG_BLOCK, &broken, nil)
      guard let file = FileHandle(forWritingAtPath: pipe) else { return }
      try? file.write(contentsOf: Data(state[..<(state.count / 2)]))
      while !signal.isGiven.load(ordering: .relaxed) { usleep(1_000) }
      try? file.write(contentsOf: Data(state[(state.count / 2)...]))
      try? file.close()
    }.start()
  }
}

/// Tells a thread to go on.
private final class Signal: Sendable {
  let isGiven = Atomic(false)
}
