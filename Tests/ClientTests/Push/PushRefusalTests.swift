import Client
import Core
import Envelope
import Fixtures
import FoundationEssentials
import Glibc
import Records
import Sodium
import Synchronization
import Testing
import Trust

@Suite struct PushRefusalTests {
  @Test func anInterruptedPushIsRunAgain() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let state = sampleState(byteCount: 80 << 20)
      let path = fixture.file("state")
      try Data(state).write(to: URL(filePath: path))
      let options = fixture.options(.file(path: path))
      // Cancelled as soon as a window was sent.
      let gate = AsyncStream<Void>.makeStream()
      let first = Task {
        defer { gate.continuation.finish() }
        return try await Pusher.push(options, key: fixture.uploader(), over: archive) { progress in
          if progress.sealedByteCount > 0 { gate.continuation.finish() }
        }
      }
      for await _ in gate.stream {}
      first.cancel()
      _ = await first.result
      let again = try await Pusher.push(options, key: fixture.uploader(), over: archive)
      #expect(again.epoch == 1 && again.generation == 1)
      let whole = try await fixture.push(Array(state.reversed()), over: archive).traffic.sentByteCount
      #expect(again.traffic.sentByteCount < whole / 4 * 3)
    }
  }

  /// The record went out, and the answer was lost: the next run finds the epoch, and publishes nothing new.
  @Test func aLostReceiptIsFetched() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let state = sampleState(byteCount: 100_000)
      let path = fixture.file("state")
      try Data(state).write(to: URL(filePath: path))
      let options = fixture.options(.file(path: path))
      let first = try await Pusher.push(options, key: fixture.uploader(), over: archive)
      let pending = try await fixture.pending(over: archive)
      do {
        let folder = try StateFolder.open(at: fixture.statePath, app: fixture.app, key: fixture.uploader())
        try folder.keep(pending)
      }
      let again = try await Pusher.push(options, key: fixture.uploader(), over: archive)
      #expect(again.isRepeat && again.epoch == 1 && again.root == first.root && again.leafIndex == first.leafIndex)
      let third = try await Pusher.push(options, key: fixture.uploader(), over: archive)
      #expect(!third.isRepeat && third.epoch == 2)
    }
  }

  /// The signed record was kept, and never reached the archive: it is forgotten, and the state pushed anew.
  @Test func anEpochThatNeverArrivedIsForgotten() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push([1], over: archive)
      var pending = try await fixture.pending(over: archive)
      pending = try fixture.renumbered(pending, to: 7)
      do {
        let folder = try StateFolder.open(at: fixture.statePath, app: fixture.app, key: fixture.uploader())
        try folder.keep(pending)
      }
      #expect(try await fixture.push([1, 2], over: archive).epoch == 2)
      let folder = try StateFolder.open(at: fixture.statePath, app: fixture.app, key: fixture.uploader())
      #expect(try folder.pending() == nil)
    }
  }

  @Test func refusesWhoMayNotPush() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let path = fixture.file("state")
      try Data([1]).write(to: URL(filePath: path))
      let options = fixture.options(.file(path: path))
      let endless = fixture.options(.file(path: "/dev/zero"))
      #expect(
        await refusal { try await Pusher.push(endless, key: fixture.uploader(), over: archive) }?.code == .pushInput)
      #expect(
        await refusal {
          _ = try await Pusher.push(options, key: fixture.key(.uploader, "stranger"), over: archive)
        }?.code == .beginAuthor)
      #expect(
        await refusal { try await Pusher.push(options, key: fixture.key(.member, "ana"), over: archive) }?.code
          == "key.role")
      var foreign = options
      foreign.app = Digest(randomBytes(32)) ?? .zero
      let other = foreign
      #expect(await refusal { try await Pusher.push(other, key: fixture.uploader(), over: archive) } != nil)
      #expect(
        await refusal {
          let missing = fixture.options(.file(path: fixture.file("nothing")))
          _ = try await Pusher.push(missing, key: fixture.uploader(), over: archive)
        }?.code == .pushInput)
      let held = try StateFolder.open(at: fixture.statePath, app: fixture.app, key: fixture.uploader())
      #expect(
        await refusal { try await Pusher.push(options, key: fixture.uploader(), over: archive) }?.code == .stateInUse)
      _ = consume held
    }
  }

  @Test func refusesAStateThatChanges() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let path = fixture.file("state")
      let state = sampleState(byteCount: 6 << 20)
      let options = fixture.options(.file(path: path))
      let changes: [(String, @Sendable (Int32) -> Void)] = [
        ("shorter", { ftruncate($0, 5 << 20) }),
        ("longer", { pwrite($0, [1], 1, 6 << 20) }),
        ("of the same length, where it was read", { pwrite($0, [1], 1, 0) }),
        ("of the same length, at its end", { pwrite($0, [1], 1, (6 << 20) - 1) }),
        (
          "emptied, and as long again",
          {
            ftruncate($0, 0)
            ftruncate($0, 6 << 20)
          }
        ),
        (
          "of the same length, and its time set back",
          {
            // Longer than the clock's steps, since the time of change is all that tells.
            usleep(50_000)
            pwrite($0, [1], 1, 0)
            futimens($0, [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 0)])
          }
        ),
        (
          "of the same length, with other permissions",
          {
            pwrite($0, [1], 1, 0)
            fchmod($0, 0o600)
          }
        ),
      ]
      for (what, change) in changes {
        try Data(state).write(to: URL(filePath: path))
        // Whatever the clock's steps, a change shows.
        var times = [timespec(tv_sec: 1, tv_nsec: 0), timespec(tv_sec: 1, tv_nsec: 0)]
        #expect(utimensat(AT_FDCWD, path, &times, 0) == 0)
        let isTouched = Mutex(false)
        let error = await refusal {
          _ = try await Pusher.push(options, key: fixture.uploader(), over: archive) { _ in
            guard !isTouched.withLock({ isTouched in exchange(&isTouched, with: true) }) else { return }
            let descriptor = open(path, O_WRONLY)
            change(descriptor)
            close(descriptor)
          }
        }
        #expect(error?.code == .pushChanged, "\(what)")
        #expect(error?.advice.contains("nothing was published") == true)
        #expect(try await archive.verified(app: fixture.app, memory: nil).epoch == nil, "\(what)")
      }
      // At rest it is a state, and what was refused before does not stand in its way.
      try Data(state).write(to: URL(filePath: path))
      #expect(try await Pusher.push(options, key: fixture.uploader(), over: archive).epoch == 1)
    }
  }

  /// Who writes a state beside the old one and renames it over that does not write to the one that is being read.
  @Test func aFileThatIsReplacedOrLinkedDidNotChange() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let (path, other) = (fixture.file("state"), fixture.file("other"))
      let options = fixture.options(.file(path: path))
      let changes: [(String, @Sendable () -> Int32)] = [
        ("replaced", { rename(other, path) }), ("removed", { unlink(path) }),
        ("linked", { link(path, fixture.file("link")) }), ("of other permissions", { chmod(path, 0o600) }),
      ]
      for (index, (what, change)) in changes.enumerated() {
        let state = sampleState(byteCount: 6 << 20, seed: UInt64(index))
        try Data(state).write(to: URL(filePath: path))
        try Data([1]).write(to: URL(filePath: other))
        #expect(chmod(path, 0o644) == 0)
        var times = (before: stat(), after: stat())
        let descriptor = Descriptor(open(path, O_RDONLY | O_CLOEXEC))
        #expect(fstat(descriptor.number, &times.before) == 0)
        let result = Mutex<Int32?>(nil)
        let report = try await Pusher.push(options, key: fixture.uploader(), over: archive) { _ in
          result.withLock { result in
            guard result == nil else { return }
            // Longer than the clock's steps: the time of change differs.
            usleep(50_000)
            result = change()
          }
        }
        #expect(fstat(descriptor.number, &times.after) == 0)
        #expect(result.withLock { $0 } == 0 && report.epoch == UInt64(index) + 1, "\(what)")
        #expect(times.before.st_ctim.tv_nsec != times.after.st_ctim.tv_nsec, "\(what)")
        let (sealed, door) = try await fixture.open(over: archive)
        let output = fixture.file("out-\(index)")
        _ = try await Recoverer.recover(
          RecoverOptions(output: .file(path: output)), opening: door.opening, capsule: sealed.capsule, from: archive)
        #expect(try Array(Data(contentsOf: URL(filePath: output))) == state, "\(what)")
      }
    }
  }

  @Test func anotherUploaderWins() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push([1], over: archive)
      let path = fixture.file("state")
      try Data(sampleState(byteCount: 3 << 20)).write(to: URL(filePath: path))
      let options = fixture.options(.file(path: path))
      let gate = AsyncStream<Void>.makeStream()
      try Data().write(to: URL(filePath: path + ".wait"))
      let isWaiting = Mutex(true)
      // The slower one is held up until the other has its epoch.
      let slower = Task {
        defer { gate.continuation.finish() }
        return try await Pusher.push(options, key: fixture.uploader(), over: archive) { _ in
          guard isWaiting.withLock({ isWaiting in exchange(&isWaiting, with: false) }) else { return }
          gate.continuation.finish()
          while FileManager.default.fileExists(atPath: path + ".wait") { usleep(1_000) }
        }
      }
      for await _ in gate.stream {}
      let faster = try await fixture.push([2], over: archive, as: "spare")
      try FileManager.default.removeItem(atPath: path + ".wait")
      #expect(faster.epoch == 2)
      #expect(await refusal { try await slower.value }?.code == .epochTaken)
      #expect(try await fixture.push([3], over: archive).epoch == 3)
    }
  }
}

/// Puts a value in place of another, which it returns.
private func exchange(_ value: inout Bool, with other: Bool) -> Bool {
  defer { value = other }
  return value
}

extension ArchiveFixture {
  /// The newest epoch as its uploader kept it before it was sent.
  fileprivate func pending(over archive: ArchiveConnection) async throws -> PendingEpoch {
    let sealed = try await archive.sealedEpoch(of: archive.verified(app: app, memory: nil))
    return PendingEpoch(
      record: sealed.epoch.record, fields: sealed.epoch.fields, envelope: sealed.envelopeBody,
      veil: sealed.veil.bytes, capsule: sealed.capsule)
  }

  /// The same with another number, signed again.
  fileprivate func renumbered(_ pending: PendingEpoch, to number: UInt64) throws -> PendingEpoch {
    let old = pending.fields
    let fields = EpochFields(
      number: number, previous: old.previous, charter: old.charter, generation: old.generation,
      stateVersion: old.stateVersion, commitment: old.commitment, root: old.root, rootByteCount: old.rootByteCount,
      envelope: old.envelope, veil: old.veil, capsule: old.capsule)
    let record = Record(app: app, role: .uploader, fields: .epoch(fields), signedBy: try uploader().signingKey())
    return PendingEpoch(
      record: record, fields: fields, envelope: pending.envelope, veil: pending.veil, capsule: pending.capsule)
  }
}
