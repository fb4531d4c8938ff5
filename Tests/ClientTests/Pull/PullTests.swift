import Bulk
import Client
import Core
import Dump
import Envelope
import Fixtures
import Foundation
import Merkle
import Packs
import Records
import Sodium
import Synchronization
import Testing
import Trust

@Suite struct PullTests {
  /// A copy alone gives the state back through both doors, and what a later epoch adds is all that is fetched for it.
  @Test func aCopyIsEnough() async throws {
    try await ArchiveFixture.run { fixture, archive in
      var state = sampleState(byteCount: 3_000_123)
      let first = try await fixture.push(state, over: archive)
      let path = fixture.file("copy")
      let pulled = try await Puller.pull(PullOptions(app: fixture.app, path: path), from: archive)
      #expect(pulled.epoch.fields.number == 1 && pulled.traffic.heldObjectCount == 0)
      let bodyCount = 5
      #expect(pulled.traffic.fetchedObjectCount == first.traffic.sentObjectCount + bodyCount)
      let told = Mutex<PullProgress?>(nil)
      let again = try await Puller.pull(PullOptions(app: fixture.app, path: path), from: archive) { progress in
        told.withLock { $0 = progress }
      }
      // Whoever watches hears of everything, the capsule included, which comes last.
      let last = try #require(told.withLock { $0 })
      #expect(last.heldObjectCount == again.traffic.heldObjectCount)
      #expect(last.heldByteCount == again.traffic.heldByteCount)
      #expect(again.traffic.fetchedObjectCount == 0)
      #expect(again.traffic.heldObjectCount == pulled.traffic.fetchedObjectCount)
      #expect(again.traffic.heldByteCount == pulled.traffic.fetchedByteCount)

      let before = state
      state[1 << 20] ^= 1
      let second = try await fixture.push(state, over: archive)
      let later = try await Puller.pull(PullOptions(app: fixture.app, path: path), from: archive)
      // Envelope and capsule are the epoch's own; veil, charter and signatures were there.
      #expect(later.traffic.fetchedObjectCount == second.traffic.sentObjectCount + 2)
      #expect(try await fixture.recover(from: path) == state)
      #expect(try await fixture.recover(1, from: path) == before)

      let folder = try await FolderCatalog.open(path)
      let held = try await fixture.held(in: folder)
      #expect(held.epochs == [2, 1] && held.absentCount == 0)
      let sealed = try await folder.sealedEpoch(of: folder.verified(app: fixture.app, memory: nil))
      let asked = try await EpochEvidence(sealed).request(by: fixture.key(.requester, "ops"), app: fixture.app)
      #expect(asked.recovery.statement.epoch.number == 2)
      // The archive's own folder does as well, whatever becomes of its index.
      #expect(try await fixture.recover(from: fixture.dataPath) == state)
      #expect(try await fixture.held(in: .open(fixture.dataPath)).epochs == [2, 1])
    }
  }

  /// A folder whose log shows an epoch says whether it has the dump.
  @Test func aCopySaysWhatItHolds() async throws {
    try await ArchiveFixture.run { fixture, archive in
      for byte in 1...3 { try await fixture.push([UInt8(byte)], over: archive) }
      let path = fixture.file("copy")
      _ = try await Puller.pull(PullOptions(app: fixture.app, epoch: 2, path: path), from: archive)
      let folder = try await FolderCatalog.open(path)
      let held = try await fixture.held(in: folder)
      #expect(held.epochs == [2] && held.absentCount == 2)
      for number in 1...UInt64(3) {
        let epoch = try await folder.verified(app: fixture.app, epoch: number, memory: nil).epoch
        #expect(try await folder.holdsDump(of: #require(epoch)) == (number == 2))
      }
      // One with a rotten capsule opens no more.
      let epoch = try #require(try await folder.verified(app: fixture.app, epoch: 2, memory: nil).epoch)
      try fixture.damage(.body, epoch.fields.capsule, in: path)
      let damaged = try await FolderCatalog.open(path)
      #expect(try await fixture.held(in: damaged).epochs == [])
      #expect(try await !damaged.holdsDump(of: epoch))
    }
  }

  /// Cut off after each number of objects, a pull claims nothing, and run again it fetches what the folder lacks.
  @Test func everyPrefixIsTakenUp() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let state = sampleState(byteCount: 130_000)
      let objectCount = try await fixture.push(state, over: archive).traffic.sentObjectCount
      #expect(objectCount > 15)
      for count in 0..<objectCount {
        let path = fixture.file("copy-\(count)")
        let options = PullOptions(app: fixture.app, path: path)
        let limited = InterruptedCatalog(archive, after: count)
        #expect(await refusal { try await Puller.pull(options, from: limited) }?.code == "test.interrupted")
        let unfinished = await refusal { try await FolderCatalog.open(path) }
        #expect(unfinished?.code == .folderNone && unfinished?.message.contains("not finished") == true)
        let held = try fixture.heldObjects(in: path)
        // A question that was cut off is asked again; what came for those before it is there.
        #expect(held <= count)
        let done = try await Puller.pull(options, from: archive)
        let bodyCount = 3
        #expect(done.traffic.fetchedObjectCount == objectCount + bodyCount - held, "\(count)")
        #expect(try await fixture.recover(from: path) == state, "\(count)")
      }
      // All but the capsule is there, and the folder says so although its log shows the epoch.
      let path = fixture.file("copy-0")
      try await fixture.push(sampleState(byteCount: 200_000, seed: 2), over: archive)
      let limited = InterruptedCatalog(archive, after: 5)
      let options = PullOptions(app: fixture.app, path: path)
      #expect(await refusal { try await Puller.pull(options, from: limited) } != nil)
      #expect(try await fixture.recover(from: path) == state)
    }
  }

  /// What rotted or was deleted comes anew: nodes are looked at each time, chunks when it is asked for.
  @Test func aDamagedCopyIsMended() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let state = sampleState(byteCount: 1_000_000)
      try await fixture.push(state, over: archive)
      let path = fixture.file("copy")
      var options = PullOptions(app: fixture.app, path: path)
      let whole = try await Puller.pull(options, from: archive).traffic.fetchedObjectCount

      try fixture.damage(.node, in: path)
      #expect(await refusal { try await fixture.recover(from: path) }?.code == .folderDamaged)
      let mended = try await Puller.pull(options, from: archive)
      #expect(mended.traffic.damagedObjectCount == 1 && mended.traffic.fetchedObjectCount == 1)
      #expect(try await fixture.recover(from: path) == state)

      try fixture.damage(.chunk, in: path)
      let damaged = await refusal { try await fixture.recover(from: path) }
      #expect(damaged?.code == .folderDamaged && damaged?.message.contains("“\(path)”") == true)
      #expect(damaged?.advice.contains("pull --check") == true)
      #expect(try await Puller.pull(options, from: archive).traffic.fetchedObjectCount == 0)
      options.checksHeld = true
      let checked = try await Puller.pull(options, from: archive)
      #expect(checked.traffic.damagedObjectCount == 1 && checked.traffic.fetchedObjectCount == 1)
      #expect(try await fixture.recover(from: path) == state)
      options.checksHeld = false

      // A body that rotted is fetched anew as well; so is all of a pack that is gone or cut short.
      try fixture.damage(.body, in: path)
      #expect(await refusal { try await fixture.recover(from: path) }?.code == .folderDamaged)
      _ = try await Puller.pull(options, from: archive)
      #expect(try await fixture.recover(from: path) == state)
      for pack in try fixture.packs(in: path) { truncate(pack, 1_000) }
      #expect(await refusal { try await fixture.recover(from: path) }?.code == .epochUnknownApplication)
      #expect(try await Puller.pull(options, from: archive).traffic.fetchedObjectCount == whole)
      #expect(try await fixture.recover(from: path) == state)

      // A damaged log is mended, too.
      for name in ["log/tile/0/000.p/2", "log/tile/entries/000.p/2"] {
        try Data([1, 2, 3]).write(to: URL(filePath: "\(path)/\(name)"))
        let log = await refusal { try await fixture.recover(from: path) }
        #expect(log?.code == .folderDamaged && log?.message.contains("log/tile") == true, "\(String(describing: log))")
        #expect(log?.advice.contains("pull --check") == true)
        _ = try await Puller.pull(options, from: archive)
        #expect(try await fixture.recover(from: path) == state)
      }
    }
  }

  /// A checkpoint that rotted is named with what helps, which is another thing in an archive's own folder.
  @Test func aDamagedCheckpointIsNamed() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push([1, 2, 3], over: archive)
      let path = fixture.file("copy")
      _ = try await Puller.pull(PullOptions(app: fixture.app, path: path), from: archive)
      for (path, advice) in [(path, "“postern pull”"), (fixture.dataPath, "publishes it anew")] {
        let checkpoint = URL(filePath: "\(path)/log/checkpoint")
        let sound = try Data(contentsOf: checkpoint)
        for place in [0, sound.count / 2, sound.count - 3] {
          var rotten = sound
          rotten[place] ^= 0x80
          try rotten.write(to: checkpoint)
          let error = await refusal { try await fixture.recover(from: path) }
          #expect(error?.code == .folderDamaged, "\(place): \(String(describing: error))")
          #expect(error?.message.contains("“\(path)”") == true && error?.message.contains("log/checkpoint") == true)
          #expect(error?.advice.contains(advice) == true)
        }
        try sound.write(to: checkpoint)
      }
      unlink("\(path)/log/checkpoint")
      let again = try await Puller.pull(PullOptions(app: fixture.app, path: path), from: archive)
      #expect(again.traffic.fetchedObjectCount == 0)
      #expect(try await fixture.recover(from: path) == [1, 2, 3])
    }
  }

  /// A copy with an object of another length is named as one with other bytes is.
  @Test func aCopyWithAShortObjectIsNamed() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push(sampleState(byteCount: 100_000), over: archive)
      let path = fixture.file("copy")
      _ = try await Puller.pull(PullOptions(app: fixture.app, path: path), from: archive)
      let error = await refusal {
        try await FolderCatalog.open(path).reading { folder in
          let sealed = try await folder.sealedEpoch(of: folder.verified(app: fixture.app, memory: nil))
          let door = DoorBox(try KMSDoorOpener.open(sealed, key: fixture.key(.kms, "kms")))
          return try await Recoverer.recover(
            RecoverOptions(output: .file(path: fixture.file("out"))), opening: door.opening, capsule: sealed.capsule,
            from: ShorteningSource(origin: folder))
        }
      }
      #expect(error?.code == .folderDamaged, "\(String(describing: error))")
      #expect(error?.message.contains("“\(path)”") == true && error?.message.contains("length") == true)
    }
  }

  /// An archive that lies is told so, and nothing of what it made up stays.
  @Test func nothingIsTakenOnTrust() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push(sampleState(byteCount: 300_000), over: archive)
      for (lie, code) in [
        (LyingCatalog.Lie.bytes, PosternError.Code.sourceMismatch), (.absence, .sourceAbsent), (.twice, .sourceUnasked),
        (.entries, .logInclusion),
      ] {
        let path = fixture.file("copy-\(lie)")
        let options = PullOptions(app: fixture.app, path: path)
        let liar = LyingCatalog(origin: archive, lie: lie)
        #expect(await refusal { try await Puller.pull(options, from: liar) }?.code == code, "\(lie)")
        #expect(await refusal { try await FolderCatalog.open(path) }?.code == .folderNone, "\(lie)")
        _ = try await Puller.pull(options, from: archive)
        _ = try await fixture.recover(from: path)
      }
    }
  }

  /// A copy has the parts of a long log that prove its leaves; it goes on with the log, and is judged by what was seen.
  @Test func aCopyOfALongLog() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let state = sampleState(byteCount: 50_000)
      try await fixture.push(state, over: archive)
      let (old, new, copied) = (fixture.file("old"), fixture.file("new"), fixture.file("copied"))
      _ = try await Puller.pull(PullOptions(app: fixture.app, path: old), from: archive)
      try FileManager.default.copyItem(atPath: old, toPath: copied)
      let memories = try ["early", "middle", "late"].map { name in
        try FileManager.default.createDirectory(atPath: fixture.file(name), withIntermediateDirectories: true)
        return CheckpointMemory(folder: fixture.file(name))
      }
      let home = fixture.charter.home
      _ = try await archive.verified(app: fixture.app, memory: memories[0])
      try await fixture.registerOthers(298, over: archive)
      let middle = try await archive.verified(app: fixture.app, memory: memories[1])
      #expect(middle.checkpoint.checkpoint.size == 300)
      try await fixture.registerOthers(230, over: archive)
      try await fixture.push(state + [1], over: archive)
      _ = try await archive.verified(app: fixture.app, memory: memories[2])

      // The newest epoch of an older copy is not the newest; whoever names an epoch means it.
      let older = try await FolderCatalog.open(copied)
      for memory in memories.dropFirst() {
        let before = try memory.newest(of: home)
        #expect(await refusal { try await older.verified(app: fixture.app, memory: memory) }?.code == .folderOlder)
        _ = try await older.verified(app: fixture.app, epoch: 1, memory: memory)
        #expect(try memory.newest(of: home) == before)
      }
      _ = try await older.verified(app: fixture.app, memory: memories[0])

      _ = try await Puller.pull(PullOptions(app: fixture.app, path: new), from: archive)
      let newer = try await FolderCatalog.open(new)
      #expect(try await newer.folder.bundles() == [0, 2])
      // Nothing in it leads from 300 entries to 531.
      #expect(
        await refusal { try await newer.verified(app: fixture.app, memory: memories[1]) }?.code == .folderUnproven)
      _ = try await newer.verified(app: fixture.app, epoch: 2, memory: memories[1])
      #expect(try memories[1].newest(of: home)?.checkpoint.size == 300)
      // Nor does a tile that is not the log's, which shows no fork either.
      try Data(count: 8_192).write(to: URL(filePath: "\(new)/log/tile/0/001"))
      #expect(
        await refusal { try await newer.verified(app: fixture.app, memory: memories[1]) }?.code == .folderUnproven)
      _ = try await newer.verified(app: fixture.app, epoch: 2, memory: memories[1])
      #expect(try memories[1].newest(of: home)?.checkpoint.size == 300)
      let kept = try FileManager.default.contentsOfDirectory(atPath: fixture.file("middle"))
      #expect(!kept.contains { $0.contains("refused") })
      try FileManager.default.removeItem(atPath: "\(new)/log/tile/0/001")
      _ = try await newer.verified(app: fixture.app, memory: memories[0])
      #expect(try memories[0].newest(of: home)?.checkpoint.size == 531)
      _ = try await newer.verified(app: fixture.app, memory: memories[2])
      #expect(try await fixture.recover(from: new) == state + [1])
      // Its log shows the first epoch, whose dump was not pulled.
      let shown = try await newer.verified(app: fixture.app, epoch: 1, memory: nil)
      #expect(await refusal { try await newer.sealedEpoch(of: shown) }?.code == .sourceAbsent)
      #expect(
        await refusal { try await newer.reading { try await $0.sealedEpoch(of: shown) } }?.code == .folderIncomplete)
      #expect(
        await refusal { try await newer.reading { try await $0.verified(app: fixture.app, epoch: 7, memory: nil) } }?
          .code == .folderIncomplete)

      // An older copy goes on with the log: full tiles take the place of the partial ones.
      _ = try await Puller.pull(PullOptions(app: fixture.app, path: old), from: archive)
      #expect(try FileManager.default.contentsOfDirectory(atPath: "\(old)/log/tile/0").sorted() == ["000", "002.p"])
      #expect(try await fixture.recover(from: old) == state + [1])
      #expect(try await fixture.recover(1, from: old) == state)
      // A tile of the right edge that rotted, which no epoch's proof needs alone, is fetched anew.
      let edge = "\(old)/log/tile/1/000.p/2"
      let bytes = try Data(contentsOf: URL(filePath: edge))
      try Data(bytes.dropLast() + [bytes[63] ^ 1]).write(to: URL(filePath: edge))
      _ = try await Puller.pull(PullOptions(app: fixture.app, path: old), from: archive)
      #expect(try Data(contentsOf: URL(filePath: edge)) == bytes)
      // From one folder to another goes as well, but not back to less.
      let options = PullOptions(app: fixture.app, path: new)
      #expect(await refusal { try await Puller.pull(options, from: older) }?.code == .logRollback)
      // What the source showed instead is kept where this machine keeps what it saw.
      let memory = CheckpointMemory(folder: fixture.file("evidence"))
      #expect(await refusal { try await Puller.pull(options, from: older, memory: memory) }?.code == .logRollback)
      let evidence = try FileManager.default.contentsOfDirectory(atPath: fixture.file("evidence"))
      #expect(evidence.contains { $0.hasSuffix(".checkpoint.refused-2") })
      let third = PullOptions(app: fixture.app, epoch: 1, path: fixture.file("third"))
      _ = try await Puller.pull(third, from: FolderCatalog.open(old))
      #expect(try await fixture.recover(1, from: third.path) == state)
    }
  }

  /// Two pulls into one folder: the slower one, which saw less of the log, blames nobody.
  @Test func aPullThatIsOvertakenBlamesNobody() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push([1], over: archive)
      let path = fixture.file("copy")
      let options = PullOptions(app: fixture.app, epoch: 1, path: path)
      let memory = CheckpointMemory(folder: fixture.file("memory"))
      let slow = OvertakenCatalog(archive) {
        try await fixture.push([1, 2], over: archive)
        _ = try await Puller.pull(PullOptions(app: fixture.app, path: path), from: archive)
      }
      #expect(await refusal { try await Puller.pull(options, from: slow, memory: memory) }?.code == .storageInUse)
      let kept = try FileManager.default.contentsOfDirectory(atPath: fixture.file("memory"))
      #expect(!kept.contains { $0.contains("refused") })
      _ = try await Puller.pull(options, from: archive, memory: memory)
      #expect(try await fixture.recover(1, from: path) == [1])
      #expect(try await fixture.recover(from: path) == [1, 2])
    }
  }

  /// A pull that is overtaken tells of a fork all the same.
  @Test(.timeLimit(.minutes(1))) func aForkIsToldToAPullThatIsOvertaken() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push([1], over: archive)
      try await fixture.serveFork(after: 2) { fork, forked in
        try await fork.push([9], over: forked)
        let options = PullOptions(app: fixture.app, path: fixture.file("copy"))
        let memory = CheckpointMemory(folder: fixture.file("memory"))
        let slow = OvertakenCatalog(forked) {
          try await fixture.push([1, 2], over: archive)
          _ = try await Puller.pull(options, from: archive)
        }
        #expect(await refusal { try await Puller.pull(options, from: slow, memory: memory) }?.code == .logFork)
        let kept = try FileManager.default.contentsOfDirectory(atPath: fixture.file("memory"))
        #expect(kept.contains { $0.hasSuffix(".checkpoint.refused-3") }, "\(kept)")
        #expect(try await fixture.recover(from: options.path) == [1, 2])
      }
    }
  }

  /// What a pull remembers of the ids that it saw is little: a chunk that comes again behind one that took its place
  /// there is looked for again, and is no surprise.
  @Test func aChunkThatRepeatsBehindAnotherOfItsSlot() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push([1], over: archive)
      let (first, second) = try chunksOfOneSlot(fixture)
      let between = sampleState(byteCount: 100 * 4_096)
      let state = first + between + second + between.reversed() + first
      try await fixture.push(state, over: archive)
      let path = fixture.file("copy")
      _ = try await Puller.pull(PullOptions(app: fixture.app, path: path), from: archive)
      #expect(try await fixture.recover(from: path) == state)
    }
  }

  /// Two chunks of 4 KiB whose ids begin with the same 18 bits.
  private func chunksOfOneSlot(_ fixture: ArchiveFixture) throws -> ([UInt8], [UInt8]) {
    let folder = try StateFolder.open(at: fixture.statePath, app: fixture.app, key: fixture.uploader())
    guard let generation = try folder.generation() else {
      throw PosternError(.stateMalformed, "There is no generation.", advice: "Push before.")
    }
    var sealer = ChunkSealer(secret: generation.secret, chunker: .fixed(.kib4))
    var seen: [UInt64: [UInt8]] = [:]
    while true {
      let chunk = randomBytes(4_096)
      let sealed = chunk.withUnsafeBytes { sealer.seal([0..<4_096], of: $0) }
      let slot = (sealed.chunks.first?.reference.id.prefix ?? 0) >> 46
      if let other = seen.updateValue(chunk, forKey: slot) { return (other, chunk) }
    }
  }

  /// A folder that somebody made up can claim any size of its log, and have pipes for files: nothing waits or goes on
  /// for ever, and nothing traps.
  @Test func aMadeUpLogIsRefused() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push([1, 2, 3], over: archive)
      let path = fixture.file("copy")
      _ = try await Puller.pull(PullOptions(app: fixture.app, path: path), from: archive)
      let checkpoint = URL(filePath: "\(path)/log/checkpoint")
      let sound = try Data(contentsOf: checkpoint)
      var lines = String(decoding: sound, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
      for size in [UInt64.max, .max - 254, 1 << 63, 1 << 62, 1 << 40, 257, 0] {
        let text = "\(size)"
        lines[1] = text[...]
        try Data(lines.joined(separator: "\n").utf8).write(to: checkpoint)
        let folder = try await FolderCatalog.open(path)
        #expect(await refusal { try await folder.verified(app: fixture.app, memory: nil) } != nil, "\(size)")
        #expect(await refusal { try await folder.verified(app: .zero, memory: nil) } != nil, "\(size)")
      }
      unlink(checkpoint.path)
      mkfifo(checkpoint.path, 0o644)
      #expect(await refusal { try await FolderCatalog.open(path) }?.code == .storageKind)
      // A pull puts the file in its place.
      _ = try await Puller.pull(PullOptions(app: fixture.app, path: path), from: archive)
      #expect(try Data(contentsOf: checkpoint) == sound)
      #expect(try await fixture.recover(from: path) == [1, 2, 3])
    }
  }

  /// What a folder lacks is told with what helps: nothing is pulled into an archive's own.
  @Test func adviceFitsTheFolder() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push([1, 2, 3], over: archive)
      let path = fixture.file("copy")
      _ = try await Puller.pull(PullOptions(app: fixture.app, path: path), from: archive)
      for (path, helps) in [(path, true), (fixture.dataPath, false)] {
        let pack = try #require(try fixture.packs(in: path).last { $0.contains("/1/") })
        truncate(pack, 1)
        let folder = try await FolderCatalog.open(path)
        let error = await refusal {
          try await folder.reading { folder in
            try await folder.sealedEpoch(of: folder.verified(app: fixture.app, memory: nil))
          }
        }
        #expect(error?.code == .folderIncomplete)
        #expect(error?.advice.contains("postern pull") == helps, "\(String(describing: error))")
        #expect(error?.message.contains(pack) == true, "\(String(describing: error))")
      }
    }
  }

  /// One folder holds one log.
  @Test func anotherLogGoesElsewhere() async throws {
    try await ArchiveFixture.run { fixture, archive in
      try await fixture.push([1, 2, 3], over: archive)
      let path = fixture.file("copy")
      _ = try await Puller.pull(PullOptions(app: fixture.app, path: path), from: archive)
      try await ArchiveFixture.run { other, archive in
        try await other.push([4], over: archive)
        let options = PullOptions(app: other.app, path: path)
        #expect(await refusal { try await Puller.pull(options, from: archive) }?.code == .folderOtherLog)
      }
      #expect(try await fixture.recover(from: path) == [1, 2, 3])
    }
  }
}

extension ArchiveFixture {
  /// Recovers a state through the KMS door from a folder alone.
  fileprivate func recover(_ epoch: UInt64? = nil, from path: String) async throws -> [UInt8] {
    let out = file("out-\(SHA256.hash(Array("\(path) \(UInt64.random(in: 0 ... .max))".utf8)).hex)")
    try await FolderCatalog.open(path).reading { folder in
      let sealed = try await folder.sealedEpoch(of: folder.verified(app: app, epoch: epoch, memory: nil))
      let door = DoorBox(try KMSDoorOpener.open(sealed, key: key(.kms, "kms")))
      _ = try await Recoverer.recover(
        RecoverOptions(output: .file(path: out)), opening: door.opening, capsule: sealed.capsule, from: folder)
    }
    return Array(try Data(contentsOf: URL(filePath: out)))
  }

  /// The numbers of the epochs that a folder holds, and how many more it shows.
  fileprivate func held(in folder: FolderCatalog) async throws -> (epochs: [UInt64], absentCount: Int) {
    var epochs: [UInt64] = []
    let absentCount = try await folder.heldEpochs(of: app, under: charter.policyDigest) { epoch in
      #expect(epoch.app == app && epoch.policy == charter.policyDigest && epoch.addedByteCount == nil)
      epochs.append(epoch.epoch)
      return true
    }
    return (epochs, absentCount)
  }

  /// The packs of all generations but that of the charter's own bodies.
  fileprivate func packs(in path: String) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: "\(path)/packs").filter { $0.hasSuffix(".pack") }
      .map { "\(path)/packs/\($0)" }.sorted()
  }

  private func readers(in path: String, _ body: (String, borrowing PackReader) throws -> Void) throws {
    for pack in try packs(in: path) {
      let name = try #require(Digest(hex: String(pack.dropLast(5).suffix(64))))
      try body(pack, try PackReader(pack, name: name))
    }
  }

  /// How many chunks and nodes a folder holds.
  fileprivate func heldObjects(in path: String) throws -> Int {
    var count = 0
    try readers(in: path) { _, reader in
      count += (0..<reader.footer.count).count { reader.footer[$0].kind != .body }
    }
    return count
  }

  /// Changes a byte of an object.
  fileprivate func damage(_ kind: ObjectKind, _ id: Digest? = nil, in path: String) throws {
    var victim: (path: String, entry: PackEntry)?
    try readers(in: path) { pack, reader in
      for position in 0..<reader.footer.count where reader.footer[position].kind == kind {
        guard id == nil || reader.footer[position].id == id else { continue }
        victim = (pack, reader.footer[position])
      }
    }
    let (pack, entry) = try #require(victim)
    let file = try FileHandle(forUpdating: URL(filePath: pack))
    try file.seek(toOffset: entry.offset)
    let byte = try #require(try file.read(upToCount: 1)?.first)
    try file.seek(toOffset: entry.offset)
    try file.write(contentsOf: Data([byte ^ 1]))
    try file.close()
  }

  /// Registers other applications, which makes the log longer.
  fileprivate func registerOthers(_ count: Int, over archive: ArchiveConnection) async throws {
    let member = charter.members[0]
    let policy = try Policy(root: Gate(threshold: 1, children: [.member(member.shard, weight: 1)]))
    // Side by side, so that the archive commits many at once.
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      for number in 0..<count {
        if number >= 32 { try await tasks.next() }
        tasks.addTask { [self] in
          let other = Charter(
            nonce: SHA256.hash(Array("\(UInt64.random(in: 0 ... .max))".utf8)), name: "other", members: [member],
            recovery: policy, governance: policy, kms: nil, uploaders: charter.uploaders,
            requesters: charter.requesters, home: charter.home, chunker: charter.chunker, retentionEpochs: 0)
          var file = try CharterFile(other)
          try file.sign(with: key(.member, "ana"))
          let registration = try file.registration(by: key(.member, "ana"))
          _ = try await archive.register(
            leaf: registration.leaf, charter: registration.charter, signatures: registration.signatures)
        }
      }
      try await tasks.waitForAll()
    }
  }
}
