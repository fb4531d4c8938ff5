import Fixtures
import Foundation
import Glibc
import Testing

extension ProcessTests {
  /// Copies that were pulled while there was an archive, and recoveries when there is none any more.
  @Suite struct Pulls {
    /// What `pull --json` prints.
    private struct Pulled: Decodable {
      let epoch: UInt64
      let fetchedByteCount: Int
      let heldByteCount: Int
    }

    /// Two applications in one folder; the archive dies for good, and both doors open from the folder alone.
    @Test func aDeadArchiveIsNotMissed() async throws {
      var machine = try Machine()
      _ = try await machine.initArchive()
      let server = try await Server.start(on: machine)
      machine = machine.asking(server)
      let solo = try await machine.registerSolo()
      let app = try await machine.register(
        "ledger", members: ["ana", "bo", "cleo"], threshold: 2, uploaders: ["tee"], requester: "ops", kms: "kms")
      var generator = SeededGenerator.printing()
      for name in ["first", "second", "solo.bin"] { try machine.write(generator.bytes(700_001), to: name) }
      try await machine.must("push", "--app", app, "--key", "tee.key", "first")
      try await machine.must("push", "--app", app, "--key", "tee.key", "second")
      try await machine.must("push", "--app", solo, "--key", "solo/uploader.key", "solo.bin")
      let newest = try await machine.must("pull", "--app", app, "--out", "copy")
      #expect(newest.hasPrefix("copy holds epoch 2 of “ledger”"))
      let older: Pulled = try await machine.json("pull", "--app", app, "--epoch", "1", "--out", "copy")
      #expect(older.epoch == 1 && older.fetchedByteCount > 700_000)
      let other: Pulled = try await machine.json("pull", "--app", solo, "--out", "copy")
      #expect(other.epoch == 1)
      // A copy whose log shows an epoch that was not pulled into it.
      try await machine.must("pull", "--app", app, "--epoch", "1", "--out", "half")
      #expect(try await server.end(SIGKILL) == -SIGKILL)
      for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] { unlink(machine.path("archive/\(name)")) }

      for folder in ["copy", "archive"] {
        let recover = ["recover", "--app", app, "--kms-key", "kms.key", "--from", folder, "--out"]
        let outcome = try await machine.run(recover + ["\(folder).2"])
        #expect(outcome.status == 0 && outcome.errors.contains("the folder “\(folder)” shows"), "\(outcome.errors)")
        #expect(try machine.sameBytes("second", "\(folder).2"))
        let first = try await machine.run(recover + ["\(folder).1", "--epoch", "1"])
        #expect(first.status == 0, "\(first.errors)")
        #expect(try machine.sameBytes("first", "\(folder).1"))
        try await machine.must(
          "recover", "--app", solo, "--kms-key", "solo/kms.key", "--from", folder, "--out", "\(folder).solo")
        #expect(try machine.sameBytes("solo.bin", "\(folder).solo"))
        let checked = try await machine.must("verify", "epoch", "--app", app, "--from", folder)
        #expect(
          checked.hasPrefix("Good: epoch 2 of “ledger”") && checked.contains("epoch 1, by its rules and its link"))
        let shown: Shown = try await machine.json("latest", "--app", app, "--from", folder)
        #expect(shown.epoch == 2 && shown.rests.contains("as of its checkpoint of \(shown.checkpointSize) entries"))
        try await councilRecovers(machine, app, from: folder)
      }

      let half = ["recover", "--app", app, "--kms-key", "kms.key", "--from", "half", "--out"]
      let named = try await machine.run(half + ["half.1", "--epoch", "1"])
      #expect(named.status == 0, "\(named.errors)")
      let second = try await machine.run(half + ["half.2", "--epoch", "2"])
      #expect(second.isRefused("folder.incomplete") && !machine.exists("half.2"), "\(second.errors)")
      #expect(second.errors.contains("postern pull") && second.errors.contains("shows epoch 2"), "\(second.errors)")
      #expect(try await machine.run(half + ["half.2"]).status == 1 && !machine.exists("half.2"))
      for folder in ["none", "solo"] {
        let none = try await machine.postern("latest", "--app", app, "--from", folder)
        #expect(none.isRefused("folder.none"), "\(none.errors)")
      }
      let stranger = String(repeating: "0b", count: 32)
      let unknown = try await machine.postern("latest", "--app", stranger, "--from", "copy")
      #expect(unknown.isRefused("epoch.unknown-app") && unknown.errors.contains("The folder holds nothing"))
      // A config file's archive, for all commands, gives way to a command's own folder.
      try machine.write("archive = \"127.0.0.1:1\"\n[latest]\nfrom = \"copy\"\n".utf8, to: "postern.toml")
      try await machine.must("latest", "--app", app, "--config", "postern.toml")
      try machine.write("archive = \"127.0.0.1:1\"\n".utf8, to: "postern.toml")
      try await machine.must("latest", "--app", app, "--config", "postern.toml", "--from", "copy")
    }

    /// Request, two releases that look into the members' own copies, and the door.
    private func councilRecovers(_ machine: Machine, _ app: String, from folder: String) async throws {
      let request = "request.\(folder)"
      try await machine.must(
        "recovery", "request", "--app", app, "--key", "ops.key", "--from", folder, "--out", request)
      var releases: [String] = []
      for name in ["ana", "cleo"] {
        let release = "\(name).\(folder)"
        let outcome = try await machine.postern(
          "council", "release", "--key", "\(name).key", "--request", request, "--from", folder, "--out", release,
          "--yes")
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("holds this epoch, the newest that it shows"), "\(outcome.errors)")
        releases.append(release)
      }
      let open = ["recovery", "open", "--request", request, "--from", folder, "--out", "\(folder).council"]
      let opened = try await machine.run(open + ["--release"] + releases)
      #expect(opened.status == 0, "\(opened.errors)")
      #expect(try machine.sameBytes("second", "\(folder).council"))

      let old = "\(request).old"
      try await machine.must(
        "recovery", "request", "--app", app, "--epoch", "1", "--key", "ops.key", "--from", folder, "--out", old)
      let warned = try await machine.postern(
        "council", "release", "--key", "ana.key", "--request", old, "--from", folder, "--out", "\(old).r", "--yes")
      #expect(warned.status == 0 && warned.errors.contains("shows a NEWER one, 2"), "\(warned.errors)")
    }

    /// A pull that is killed is run again, and fetches what had not reached the disk's cache.
    @Test func aKilledPullIsRunAgain() async throws {
      let (machine, server, app) = try await Machine.served()
      try machine.writeState("state.bin", mebibyteCount: 96)
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "state.bin")
      let whole: Pulled = try await machine.json("pull", "--app", app, "--out", "whole")
      var heldByteCount = 0
      var leftover: ino_t = 0
      for round in 1...5 {
        let child = try machine.start(
          ["pull", "--app", app, "--out", "copy"], input: .input("/dev/null"), output: .output("/dev/null"),
          errors: .output("/dev/null"))
        // Every third is killed while it looks at what the one before it left.
        let isEarly = round == 3
        let open = try await waitForIncoming(
          machine, "copy", child, atLeast: 12 << 20, besides: isEarly ? 0 : leftover)
        child.signal(SIGKILL)
        _ = try await child.wait()
        try #require(open.byteCount > 0, "round \(round)")
        // The log shows nothing yet, so that nobody takes it for a copy.
        let none = try await machine.postern("latest", "--app", app, "--from", "copy")
        #expect(none.isRefused("folder.none"), "round \(round): \(none.errors)")
        // A question and a block of what is in the file may not be listed yet.
        if !isEarly { heldByteCount += open.byteCount - (4 << 20) }
        leftover = open.number
      }
      #expect(heldByteCount > 0)
      let done: Pulled = try await machine.json("pull", "--app", app, "--out", "copy")
      #expect(done.fetchedByteCount + done.heldByteCount == whole.fetchedByteCount)
      #expect(done.heldByteCount >= heldByteCount, "\(done.heldByteCount) of \(heldByteCount)")
      let again: Pulled = try await machine.json("pull", "--app", app, "--out", "copy")
      #expect(again.fetchedByteCount == 0 && again.heldByteCount == whole.fetchedByteCount)
      #expect(try machine.names(in: "copy/incoming").isEmpty)
      try await machine.must("recover", "--app", app, "--kms-key", "solo/kms.key", "--from", "copy", "--out", "out")
      #expect(try machine.sameBytes("state.bin", "out"))
      try await server.end()
    }

    /// An archive that dies under a pull and comes back: the pull goes on.
    @Test func anArchiveThatIsBackIsPulledOnFrom() async throws {
      let (machine, first, app) = try await Machine.served()
      var server = first
      try machine.writeState("state.bin", mebibyteCount: 96)
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "state.bin")
      let child = try machine.start(
        ["pull", "--app", app, "--out", "copy"], input: .input("/dev/null"), output: .output("/dev/null"),
        errors: .output(machine.path("errors")))
      _ = try await waitForIncoming(machine, "copy", child, atLeast: 4 << 20)
      let address = server.address
      try await server.end(SIGKILL)
      server = try await Server.start(on: machine, address: address)
      let status = try await child.wait()
      let said = try String(contentsOfFile: machine.path("errors"), encoding: .utf8)
      #expect(status == 0, "\(said)")
      try await machine.must("recover", "--app", app, "--kms-key", "solo/kms.key", "--from", "copy", "--out", "out")
      #expect(try machine.sameBytes("state.bin", "out"))
    }

    /// One pull at a time writes into a folder, and none into one that is an archive's, or somebody's.
    @Test func aFolderIsWrittenByOne() async throws {
      let (machine, server, app) = try await Machine.served()
      try machine.writeState("state.bin", mebibyteCount: 48)
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "state.bin")
      let child = try machine.start(
        ["pull", "--app", app, "--out", "copy"], input: .input("/dev/null"), output: .output("/dev/null"),
        errors: .output("/dev/null"))
      _ = try await waitForIncoming(machine, "copy", child, atLeast: 1)
      child.signal(SIGSTOP)
      #expect(try await machine.postern("pull", "--app", app, "--out", "copy").isRefused("storage.in-use"))
      child.signal(SIGCONT)
      #expect(try await child.wait() == 0)
      #expect(try await machine.postern("pull", "--app", app, "--out", "archive").isRefused("folder.taken"))
      try await server.end()
      let stopped = try await Server.start(on: machine)
      let asking = machine.asking(stopped)
      #expect(try await asking.postern("pull", "--app", app, "--out", "solo").isRefused("folder.taken"))
      #expect(try await asking.postern("pull", "--app", app, "--out", "no/where").isRefused("storage.missing"))
      let unknown = String(repeating: "0b", count: 32)
      #expect(try await asking.postern("pull", "--app", unknown, "--out", "new").isRefused("epoch.unknown-app"))
      #expect(!machine.exists("new"))
    }

    /// A disk that is full loses nothing: with room, the pull goes on where it was.
    @Test(.enabled("only root may make a small disk") { SmallDisk.isAllowed })
    func aFullDiskLosesNothing() async throws {
      let (machine, server, app) = try await Machine.served()
      try machine.writeState("state.bin", mebibyteCount: 24)
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "state.bin")
      let whole: Pulled = try await machine.json("pull", "--app", app, "--out", "whole")
      let disk = try await SmallDisk(mebibyteCount: 40)
      try disk.fill("filler", byteCount: 26 << 20)
      let pull = ["pull", "--app", app, "--out", "\(disk.path)/copy", "--json"]
      let onDisk = machine.inside(disk.prefix)
      #expect(try await onDisk.run(pull).isRefused("storage.full"))
      // Still full, it says so once more.
      try disk.fill("more")
      #expect(try await onDisk.run(pull).isRefused("storage.full"))
      try disk.remove("filler")
      try disk.remove("more")
      let outcome = try await onDisk.run(pull)
      try #require(outcome.status == 0, "\(outcome.errors)")
      let done = try JSONDecoder().decode(Pulled.self, from: Data(outcome.output.utf8))
      #expect(done.fetchedByteCount + done.heldByteCount == whole.fetchedByteCount)
      #expect(done.heldByteCount > 6 << 20, "\(done.heldByteCount)")
      let recover = ["recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out"]
      #expect(try await onDisk.run(recover + ["--from", "\(disk.path)/copy"]).status == 0)
      #expect(try machine.sameBytes("state.bin", "out"))
      try await server.end()
    }

    /// Waits until an open pack has so many bytes.
    ///
    /// - Parameter number: a file's that does not count, since it was left by an earlier pull.
    /// - Returns: how many it has, and its file's number; 0 where the pull was done before.
    private func waitForIncoming(
      _ machine: Machine, _ folder: String, _ child: Child, atLeast limit: Int, besides number: ino_t = 0
    ) async throws -> (byteCount: Int, number: ino_t) {
      let incoming = machine.path("\(folder)/incoming")
      for _ in 0..<60_000 {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: incoming)) ?? [] where name.hasSuffix(".pack")
        {
          var status = stat()
          guard stat("\(incoming)/\(name)", &status) == 0, status.st_ino != number else { continue }
          if Int(status.st_size) >= limit { return (Int(status.st_size), status.st_ino) }
        }
        if child.poll() != nil { return (0, 0) }
        usleep(300)
      }
      throw Child.Failure(description: "nothing was pulled")
    }
  }
}
