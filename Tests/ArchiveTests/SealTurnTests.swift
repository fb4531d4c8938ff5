import Archive
import Core
import Fixtures
import Packs
import Testing

/// Who waits for whose seal.
@Suite struct SealTurnTests {
  /// What a large push writes after its tree was looked through holds up no other.
  @Test func oneSealsDiskHoldsUpNoOther() async throws {
    let folder = try TemporaryFolder(inMemory: true)
    let path = folder.path("archive")
    let home = try Archive.create(at: path, origin: "example.org/log")
    let files = FaultyFiles()
    let archive = try await Archive.open(at: path, files: files) { Issue.record("stopped: \($0)") }
    var pushes: [(application: Application, epoch: EpochFixture, token: PushToken)] = []
    for seed in UInt64(1)...2 {
      let application = try Application(home: home, seed: seed)
      _ = try await application.register(in: archive)
      // More objects than a push may have whose tree is looked through beside others.
      let epoch = try application.epoch(1, state: Application.state(seed, chunkCount: 4_200))
      let token = try await application.begin(epoch, in: archive)
      for start in stride(from: 0, to: epoch.state.objects.count, by: 1_000) {
        let objects = epoch.state.objects[start..<min(start + 1_000, epoch.state.objects.count)]
        try await archive.upload(MemoryBatch(objects), to: token)
      }
      pushes.append((application, epoch, token))
    }
    let (slow, other) = (pushes[0], pushes[1])
    files.pause(atNext: .syncData)
    let seal = Task {
      try await archive.seal(leaf: slow.epoch.leaf, bodies: slow.epoch.epochBodies, token: slow.token)
    }
    for _ in 0..<10_000 where !files.isPaused { try await Task.sleep(for: .milliseconds(1)) }
    try #require(files.isPaused, "the first seal does not write")
    let outcome = Task {
      try await archive.seal(leaf: other.epoch.leaf, bodies: other.epoch.epochBodies, token: other.token)
    }
    // Only if it waits for the other's disk: then the test fails, and does not hang.
    let limit = Task {
      try await Task.sleep(for: .seconds(60))
      Issue.record("a seal waits for another's disk")
      files.goOn()
    }
    _ = try await outcome.value
    limit.cancel()
    #expect(files.isPaused)
    files.goOn()
    _ = try await seal.value
    await archive.finish()
    for push in pushes {
      let objects = Array(push.epoch.state.objects.suffix(1_000))
      #expect(try archive.storedObjects(objects.map(\.id), app: push.application.app, generation: 1) == objects)
    }
  }
}
