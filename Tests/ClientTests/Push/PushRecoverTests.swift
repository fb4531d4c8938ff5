import Client
import Core
import Envelope
import Fixtures
import Foundation
import Glibc
import Records
import Sodium
import Testing
import Trust

@Suite struct PushRecoverTests {
  @Test func bothDoorsGiveTheStateBack() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let state = sampleState(byteCount: 3_000_123)
      let report = try await fixture.push(state, over: archive)
      #expect(report.epoch == 1 && report.generation == 1 && report.openedGeneration && !report.isRepeat)
      #expect(report.stateVersion == 1 && report.traffic.readByteCount == state.count)
      let stored = try Data(contentsOf: URL(filePath: report.receiptPath))
      _ = try Receipt(parsing: Array(stored)).verify(log: fixture.charter.home)

      let (sealed, door) = try await fixture.open(over: archive)
      let kmsPath = fixture.file("kms.out")
      let recovered = try await Recoverer.recover(
        RecoverOptions(output: .file(path: kmsPath)), opening: door.opening, capsule: sealed.capsule, from: archive)
      #expect(Array(try Data(contentsOf: URL(filePath: kmsPath))) == state)
      #expect(recovered.traffic.writtenByteCount == state.count && recovered.epoch == 1)

      let asked = try await fixture.ask(of: sealed)
      let releases = try ["ana", "cy"].map { try asked.recovery.answer(with: fixture.key(.member, $0)) }
      var secret = asked.secret
      var tally = try RecoveryTally(asked.recovery, secret: RecoverySecret(consuming: &secret))
      for release in releases { _ = tally.add(release) }
      let councilPath = fixture.file("council.out")
      _ = try await Recoverer.recover(
        RecoverOptions(output: .file(path: councilPath)), opening: try tally.open(), capsule: sealed.capsule,
        from: archive)
      #expect(Array(try Data(contentsOf: URL(filePath: councilPath))) == state)
    }
  }

  @Test func everyLengthComesBack() async throws {
    try await ArchiveFixture.run { fixture, archive in
      for (number, byteCount) in [0, 1, 4_095, 4_096, 4_097, 1 << 20, (1 << 20) + 1, (5 << 20) - 1].enumerated() {
        let state = sampleState(byteCount: byteCount, seed: UInt64(number))
        let report = try await fixture.push(state, over: archive)
        #expect(report.epoch == UInt64(number + 1) && report.generation == 1)
        let (sealed, door) = try await fixture.open(over: archive)
        let path = fixture.file("out-\(byteCount)")
        _ = try await Recoverer.recover(
          RecoverOptions(output: .file(path: path)), opening: door.opening, capsule: sealed.capsule, from: archive)
        #expect(Array(try Data(contentsOf: URL(filePath: path))) == state, "\(byteCount) bytes")
      }
    }
  }

  @Test func aSecondPushSendsWhatChanged() async throws {
    try await ArchiveFixture.run { fixture, archive in
      var state = sampleState(byteCount: 40 << 20)
      let first = try await fixture.push(state, over: archive)
      // Zeros and repeats are sent once, even where windows are on their way side by side.
      #expect(first.traffic.deduplicatedShare > 0.35)
      let same = try await fixture.push(state, over: archive)
      #expect(same.epoch == 2 && same.root == first.root && same.traffic.sentByteCount == 0)
      state[20 << 20] ^= 1
      let changed = try await fixture.push(state, over: archive)
      #expect(changed.epoch == 3 && changed.generation == 1)
      // A chunk and its path to the root: five objects, more than twelve once in a million runs, than sixteen in 10^9.
      #expect((1...16).contains(changed.traffic.sentObjectCount))
    }
  }

  @Test func aRecoveredNodeGoesOnInTheSameGeneration() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let state = sampleState(byteCount: 2 << 20)
      try await fixture.push(state, over: archive)
      let (sealed, door) = try await fixture.open(over: archive)
      do {
        let successor = try Successor(
          of: door.opening, capsule: sealed.capsule, veil: sealed.veil.bytes, as: fixture.key(.uploader, "spare"),
          statePath: fixture.statePath + "-spare")
        _ = try await Recoverer.recover(
          RecoverOptions(output: .file(path: fixture.file("first"))), opening: door.opening, capsule: sealed.capsule,
          from: archive, for: successor)
        try successor.goOn()
      }
      let report = try await fixture.push(state, over: archive, as: "spare")
      #expect(report.epoch == 2 && report.generation == 1 && report.traffic.sentByteCount == 0)
      // It knows every chunk that it wrote.
      #expect(report.traffic.unchangedByteCount == state.count)

      // Without the state it opens the next generation, and the first uploader another one after it.
      try FileManager.default.removeItem(atPath: fixture.statePath + "-spare")
      let next = try await fixture.push(state, over: archive, as: "spare")
      #expect(next.generation == 2 && next.openedGeneration && next.traffic.sentByteCount > 0)
      let back = try await fixture.push(state, over: archive)
      #expect(back.epoch == 4 && back.generation == 3)
      let (newest, box) = try await fixture.open(over: archive)
      _ = try await Recoverer.recover(
        RecoverOptions(output: .file(path: fixture.file("last"))), opening: box.opening, capsule: newest.capsule,
        from: archive)
      #expect(Array(try Data(contentsOf: URL(filePath: fixture.file("last")))) == state)
    }
  }

  @Test func aPipeOfAnyLength() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let state = sampleState(byteCount: 5_000_001)
      let path = fixture.file("pipe")
      #expect(mkfifo(path, 0o600) == 0)
      // A pipe's writer blocks, which no task may.
      let writer = Thread {
        let file = open(path, O_WRONLY)
        var done = 0
        while done < state.count {
          let piece = state[done..<min(done + 70_000, state.count)]
          let count = piece.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
          guard count > 0 else { break }
          done += count
        }
        close(file)
      }
      writer.start()
      let report = try await Pusher.push(fixture.options(.file(path: path)), key: fixture.uploader(), over: archive)
      #expect(report.traffic.readByteCount == state.count && report.traffic.totalByteCount == nil)
      let (sealed, door) = try await fixture.open(over: archive)
      _ = try await Recoverer.recover(
        RecoverOptions(output: .file(path: fixture.file("out"))), opening: door.opening, capsule: sealed.capsule,
        from: archive)
      #expect(Array(try Data(contentsOf: URL(filePath: fixture.file("out")))) == state)
    }
  }

  /// A push that says nothing new publishes nothing; whatever differs makes an epoch.
  @Test func aRepeatIsNoEpoch() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let path = fixture.file("state")
      try Data(sampleState(byteCount: 100_000)).write(to: URL(filePath: path))
      var options = fixture.options(.file(path: path))
      options.stateVersion = 5
      options.commitment = Digest(randomBytes(32))
      let stated = options
      let first = try await Pusher.push(stated, key: fixture.uploader(), over: archive)
      let bytes = try Data(contentsOf: URL(filePath: first.receiptPath))
      let again = try await Pusher.push(stated, key: fixture.uploader(), over: archive)
      #expect(again.isRepeat && again.epoch == 1 && again.leafIndex == first.leafIndex && !again.openedGeneration)
      #expect(again.receiptPath == first.receiptPath && again.checkpointSize == first.checkpointSize)
      #expect(try Data(contentsOf: URL(filePath: again.receiptPath)) == bytes)

      // A receipt that is damaged or gone is made anew of what the archive shows.
      for damage in [Data([1]), nil] {
        try FileManager.default.removeItem(atPath: first.receiptPath)
        if let damage { try damage.write(to: URL(filePath: first.receiptPath)) }
        let repeated = try await Pusher.push(stated, key: fixture.uploader(), over: archive)
        #expect(repeated.isRepeat && repeated.epoch == 1)
        let receipt = try Receipt(parsing: Array(try Data(contentsOf: URL(filePath: repeated.receiptPath))))
        _ = try receipt.verify(log: fixture.charter.home)
      }

      var epoch: UInt64 = 1
      let changes: [(inout PushOptions) -> Void] = [
        { $0.commitment = nil }, { $0.stateVersion = nil }, { $0.stateVersion = 7 }, { $0.opensNextGeneration = true },
      ]
      for change in changes {
        change(&options)
        let other = options
        let report = try await Pusher.push(other, key: fixture.uploader(), over: archive)
        epoch += 1
        #expect(!report.isRepeat && report.epoch == epoch)
      }
      // Another uploader's epoch is its own, even of the same dump.
      let (sealed, door) = try await fixture.open(over: archive)
      try Successor(
        of: door.opening, capsule: sealed.capsule, veil: sealed.veil.bytes, as: fixture.key(.uploader, "spare"),
        statePath: fixture.statePath + "-spare"
      ).goOn()
      options.opensNextGeneration = false
      options.statePath += "-spare"
      let spare = options
      let report = try await Pusher.push(spare, key: fixture.key(.uploader, "spare"), over: archive)
      #expect(!report.isRepeat && report.epoch == epoch + 1 && report.traffic.sentByteCount == 0)
    }
  }

  @Test func versionsAreKept() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let path = fixture.file("state")
      try Data([1, 2, 3]).write(to: URL(filePath: path))
      var options = fixture.options(.file(path: path))
      options.stateVersion = 10
      options.commitment = Digest(randomBytes(32))
      let report = try await Pusher.push(options, key: fixture.uploader(), over: archive)
      #expect(report.stateVersion == 10 && report.commitment == options.commitment)
      options.stateVersion = 9
      let older = options
      #expect(
        await refusal { try await Pusher.push(older, key: fixture.uploader(), over: archive) }?.code == .epochVersion)
      let (sealed, door) = try await fixture.open(over: archive)
      let recover = RecoverOptions(output: .file(path: fixture.file("stale")), expectedVersion: 11)
      #expect(
        await refusal {
          _ = try await Recoverer.recover(recover, opening: door.opening, capsule: sealed.capsule, from: archive)
        }?.code == .recoverStale)
      options.opensNextGeneration = true
      options.stateVersion = nil
      let next = try await Pusher.push(options, key: fixture.uploader(), over: archive)
      #expect(next.stateVersion == 11 && next.generation == 2)
    }
  }
}

extension ArchiveFixture {
  /// A written request, and its secret.
  fileprivate func ask(of sealed: SealedEpoch) async throws -> (recovery: RecoveryCase, secret: [UInt8]) {
    let asking = try await EpochEvidence(sealed).request(by: key(.requester, "ops"), app: app)
    return (asking.recovery, asking.secret.withUnsafeBytes { Array($0) })
  }
}
