import Fixtures
import Foundation
import Glibc
import Testing

extension ProcessTests {
  /// What comes out of a recovery, and what does not.
  @Suite struct Recoveries {
    /// Nothing stands under the final name, nor beside it, after a refusal; what was there stays.
    @Test func aRefusedRecoveryLeavesNothing() async throws {
      let (machine, _, app) = try await Machine.served()
      try machine.write("seventh state".utf8, to: "state.bin")
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "--state-version", "7", "state.bin")
      let recover = ["recover", "--app", app, "--kms-key", "solo/kms.key", "--out"]
      try FileManager.default.createDirectory(atPath: machine.path("out"), withIntermediateDirectories: false)
      let stale = try await machine.run(recover + ["out/state", "--expect-version", "8"])
      #expect(stale.isRefused("recover.stale"))
      #expect(try machine.names(in: "out").isEmpty)
      try machine.write("mine".utf8, to: "out/taken")
      #expect(try await machine.run(recover + ["out/taken"]).isRefused("recover.exists"))
      #expect(try await machine.run(recover + ["out"]).isRefused("recover.exists"))
      #expect(try await machine.run(recover + ["none/state"]).isRefused("storage.missing"))
      #expect(try await machine.run(recover + ["out/"]).status == 1)
      #expect(try machine.names(in: "out") == ["taken"])
      #expect(try machine.bytes(of: "out/taken") == Array("mine".utf8))
      for version in ["7", "6", "0"] {
        let good = try await machine.run(recover + ["out/\(version)", "--expect-version", version])
        #expect(good.status == 0, "\(good.errors)")
        #expect(try machine.bytes(of: "out/\(version)") == Array("seventh state".utf8))
      }
      // A symbolic link is somebody's file, too.
      try FileManager.default.createSymbolicLink(atPath: machine.path("out/link"), withDestinationPath: "nowhere")
      #expect(try await machine.run(recover + ["out/link"]).isRefused("recover.exists"))
      #expect(try machine.names(in: "out") == ["0", "6", "7", "link", "taken"])
    }

    /// A recovery that is killed midway leaves no plaintext, under whatever name.
    @Test(.enabled("the file system has no files without a name") { Recoveries.hasUnnamedFiles })
    func aKilledRecoveryLeavesNothing() async throws {
      let (machine, _, app) = try await Machine.served()
      try machine.writeState("state.bin", mebibyteCount: 256)
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "state.bin")
      try FileManager.default.createDirectory(atPath: machine.path("out"), withIntermediateDirectories: false)
      let recover = ["recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out/state"]
      let child = try machine.start(
        recover, input: .input("/dev/null"), output: .output("/dev/null"), errors: .output("/dev/null"))
      // Its file has no name, and is found among those that it has open.
      while Recoveries.unnamedByteCount(of: child, in: machine.path("out")) < 16 << 20 {
        try #require(child.poll() == nil, "it was done before it was killed")
        usleep(200)
      }
      child.signal(SIGKILL)
      #expect(try await child.wait() == -SIGKILL)
      #expect(try machine.names(in: "out").isEmpty)
      #expect(try await machine.run(recover).status == 0)
      #expect(try machine.sameBytes("state.bin", "out/state"))
    }

    /// Whether the tests' folder is on a file system with `O_TMPFILE`.
    private static var hasUnnamedFiles: Bool {
      let unnamed = 0o20_200_000
      let file = open(FileManager.default.temporaryDirectory.path, Int32(unnamed) | O_RDWR | O_CLOEXEC, 0o600)
      if file >= 0 { close(file) }
      return file >= 0
    }

    /// How long the longest file is that a process has open in a folder and that has no name.
    private static func unnamedByteCount(of child: Child, in folder: String) -> Int {
      let files = "/proc/\(child.pid)/fd"
      let names = (try? FileManager.default.contentsOfDirectory(atPath: files)) ?? []
      return names.map { name in
        let path = "\(files)/\(name)"
        let target = (try? FileManager.default.destinationOfSymbolicLink(atPath: path)) ?? ""
        var status = stat()
        guard target.hasPrefix(folder), target.hasSuffix("(deleted)"), stat(path, &status) == 0 else { return 0 }
        return Int(status.st_size)
      }.max() ?? 0
    }

    /// A node that recovered goes on where the lost one was: in the same generation, sending only what changed.
    @Test(arguments: [true, false]) func aRecoveredNodeGoesOn(throughKMS: Bool) async throws {
      var machine = try Machine()
      _ = try await machine.initArchive()
      let server = try await Server.start(on: machine)
      machine = machine.asking(server)
      let app = try await machine.register(
        "ledger", members: ["ana"], threshold: 1, uploaders: ["old", "new"], requester: "ops", kms: "kms")
      try machine.writeState("state.bin", mebibyteCount: 16)
      let first: Pushed = try await machine.json("push", "--app", app, "--key", "old.key", "state.bin")
      try FileManager.default.removeItem(atPath: machine.path("state"))
      if throughKMS {
        try await machine.must(
          "recover", "--app", app, "--kms-key", "kms.key", "--uploader", "new.key", "--out", "again")
      } else {
        try await machine.must("recovery", "request", "--app", app, "--key", "ops.key", "--out", "request")
        try await machine.must(
          "council", "release", "--key", "ana.key", "--request", "request", "--out", "release", "--yes")
        try await machine.must(
          "recovery", "open", "--request", "request", "--release", "release", "--uploader", "new.key", "--out", "again")
      }
      #expect(try machine.sameBytes("state.bin", "again"))
      var state = try machine.bytes(of: "again")
      for place in stride(from: 0, to: state.count, by: state.count / 20) { state[place] ^= 1 }
      try machine.write(state, to: "again")
      let second: Pushed = try await machine.json("push", "--app", app, "--key", "new.key", "again")
      #expect(second.epoch == 2 && second.generation == first.generation && !second.openedGeneration)
      #expect(second.deduplicatedShare > 0.95 && second.sentByteCount < 1 << 20, "\(second)")
      try await machine.must("recover", "--app", app, "--kms-key", "kms.key", "--out", "out")
      #expect(try machine.bytes(of: "out") == state)
      // The other one, whose memory is gone, goes on too, in the next generation.
      let third: Pushed = try await machine.json(
        "push", "--app", app, "--key", "old.key", "--state", "other", "state.bin")
      #expect(third.epoch == 3 && third.generation == first.generation + 1 && third.openedGeneration)
    }

    /// A receipt is checked without any archive, under the right key alone.
    @Test func aReceiptIsCheckedOffline() async throws {
      var machine = try Machine()
      let home = try await machine.initArchive()
      let stranger = try await machine.initArchive("other")
      var server = try await Server.start(on: machine)
      machine = machine.asking(server)
      let app = try await machine.registerSolo()
      try await machine.must("charter", "new", "--solo", "--kms", "--out", "unrelated", "--home", home)
      try machine.write("state".utf8, to: "state.bin")
      let pushed: Pushed = try await machine.json("push", "--app", app, "--key", "solo/uploader.key", "state.bin")
      try await server.end()
      let verify = ["verify", "receipt", pushed.receiptPath]
      let good = try await machine.run(verify + ["--log-key", home])
      #expect(good.status == 0 && good.output.hasPrefix("Good: epoch 1 of \(app) is in tests.example/log"))
      #expect(try await machine.run(verify + ["--charter", "solo/charter"]).status == 0)
      // The same name, and another key: a log is its key.
      #expect(try await machine.run(verify + ["--log-key", stranger]).isRefused("log."))
      #expect(try await machine.run(verify + ["--log-key", String(home.dropLast())]).isRefused("log.key"))
      #expect(try await machine.run(verify + ["--charter", "unrelated/charter"]).isRefused("recovery.wrong-app"))
      let receipt = try machine.bytes(of: String(pushed.receiptPath.dropFirst(machine.folder.count + 1)))
      for place in stride(from: 0, to: receipt.count, by: 7) {
        var forged = receipt
        forged[place] ^= 1
        try machine.write(forged, to: "forged")
        let outcome = try await machine.postern("verify", "receipt", "forged", "--log-key", home)
        #expect(outcome.status == 1 && outcome.output.isEmpty, "byte \(place)")
      }
      server = try await Server.start(on: machine)
      _ = try await machine.asking(server).must("latest", "--app", app)
    }

    /// An archive whose disk has rotted hands out nothing that anyone would take for the state.
    @Test func aRottenPackIsNoticed() async throws {
      var machine = try Machine()
      _ = try await machine.initArchive()
      var server = try await Server.start(on: machine)
      let app = try await machine.asking(server).registerSolo()
      try machine.writeState("state.bin", mebibyteCount: 4)
      try await machine.asking(server).must("push", "--app", app, "--key", "solo/uploader.key", "state.bin")
      try await server.end()
      let packs = "archive/packs/\(app)/1"
      let name = try #require(try machine.names(in: packs).first)
      let pack = try machine.bytes(of: "\(packs)/\(name)")
      server = try await Server.start(on: machine)
      machine = machine.asking(server)
      let recover = ["recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out"]
      for place in stride(from: 1_000, to: pack.count - 10_000, by: pack.count / 10) {
        var rotten = pack
        rotten[place] ^= 4
        try machine.write(rotten, to: "\(packs)/\(name)")
        let outcome = try await machine.run(recover)
        #expect(outcome.isRefused("dump.wrong-id"), "byte \(place): \(outcome.errors)")
        for words in ["Epoch 1 ", "the object ", "--next-generation"] {
          #expect(outcome.errors.contains(words), "byte \(place): \(outcome.errors)")
        }
        #expect(try machine.names().filter { $0.contains("out") }.isEmpty)
      }
      try machine.write(pack.prefix(pack.count / 2), to: "\(packs)/\(name)")
      let cut = try await machine.run(recover)
      #expect(cut.isRefused("pack.damaged") && cut.errors.contains("--next-generation"), "\(cut.errors)")
      // What the advice says heals, heals.
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "--next-generation", "state.bin")
      let healed = ["recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "healed"]
      #expect(try await machine.run(healed).status == 0)
      #expect(try machine.sameBytes("state.bin", "healed"))
      try machine.write(pack, to: "\(packs)/\(name)")
      #expect(try await machine.run(recover + ["--epoch", "1"]).status == 0)
      #expect(try machine.sameBytes("state.bin", "out"))
      // What takes the bytes and keeps none is no file; what the flag is called is told.
      for device in ["/dev/stdout", "/dev/full"] {
        let refused = try await machine.postern(
          "recover", "--app", app, "--kms-key", "solo/kms.key", "--out", device)
        #expect(refused.isRefused("recover.exists") && refused.errors.contains("“--out -”"), "\(refused.errors)")
      }
    }
  }
}
