import Fixtures
import Testing

extension ProcessTests {
  /// The main job from the first command to the last, for one person and for a council.
  @Suite struct Flows {
    /// What `charter new --solo` tells its reader to do next works as it stands, and so does the KMS door.
    @Test func onePersonTriesItOut() async throws {
      var machine = try Machine()
      let home = try await machine.initArchive()
      let server = try await Server.start(on: machine)
      machine = machine.asking(server)
      let app = try await machine.registerSolo()
      try await machine.must("verify", "receipt", "solo/charter.tlog-proof", "--log-key", home)
      var generator = SeededGenerator.printing()
      let state = generator.bytes(123_457)
      try machine.write(state, to: "STATE")
      let said = try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "STATE")
      #expect(said.hasPrefix("Epoch 1 is accepted, as entry 1 of the log."))
      let checked = try await machine.must("verify", "epoch", "--app", app)
      #expect(checked.hasPrefix("Good: epoch 1 of “solo”") && checked.contains("1 of (me): 1 gate and 1 leaf"))
      #expect(checked.contains("postern/solo: proven to open the same secret"))
      #expect(try await machine.postern("verify", "epoch", "--app", app, "--epoch", "2").isRefused("archive.not-found"))
      try await machine.must("recovery", "request", "--app", app, "--key", "solo/requester.key", "--out", "request")
      let nowhere = try await machine.postern(
        "recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "none/STATE")
      #expect(nowhere.isRefused("storage.missing") && nowhere.errors.contains("no folder “none”"))
      try await machine.must(
        "council", "release", "--key", "solo/member.key", "--request", "request", "--out", "release", "--yes")
      try await machine.must("recovery", "open", "--request", "request", "--release", "release", "--out", "STATE.again")
      #expect(try machine.bytes(of: "STATE.again") == state)
      let recovered: Recovered = try await machine.json(
        "recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "STATE.kms")
      #expect(recovered.epoch == 1 && recovered.byteCount == state.count)
      #expect(try machine.bytes(of: "STATE.kms") == state)
      for name in ["STATE.again", "STATE.kms", "solo/uploader.key", "solo/member.key", "request.secret"] {
        #expect(try machine.permissions(of: name) == 0o600, "\(name)")
      }
    }

    /// What `verify epoch --json` prints.
    private struct Checked: Decodable {
      let epoch: UInt64
      let memberCount: Int
      let council: String?
      let gateCount: Int
      let leafCount: Int
      let kms: String?
    }

    /// Two of three open the door although the third lies; who lied is proven to anyone, and nobody else is.
    @Test func aCouncilRecoversAlthoughAMemberLies() async throws {
      var machine = try Machine()
      _ = try await machine.initArchive()
      let server = try await Server.start(on: machine)
      machine = machine.asking(server)
      let app = try await machine.register(
        "ledger", members: ["ana", "bo", "cleo"], threshold: 2, uploaders: ["tee"], requester: "ops", kms: "kms")
      var generator = SeededGenerator.printing()
      let state = generator.bytes(300_001)
      try machine.write(state, to: "state.bin")
      try await machine.must("push", "--app", app, "--key", "tee.key", "state.bin")
      try await machine.must("recovery", "request", "--app", app, "--key", "ops.key", "--out", "request")
      for name in ["ana", "cleo"] {
        try await machine.must(
          "council", "release", "--key", "\(name).key", "--request", "request", "--out", "\(name).release", "--yes")
      }
      #expect(try await machine.run(["bo.key", "request", "bo.release"], of: "lying-member").status == 0)

      let checked: Checked = try await machine.json("verify", "epoch", "--app", app)
      #expect(checked.council == "2 of (ana, bo, cleo)" && checked.gateCount == 1 && checked.leafCount == 3)
      #expect(checked.kms == "ledger/door" && checked.epoch == 1 && checked.memberCount == 3)
      let unknown = String(repeating: "0b", count: 32)
      for command in [["verify", "epoch"], ["list"]] {
        #expect(try await machine.run(command + ["--app", unknown]).isRefused("epoch.unknown-app"))
      }

      let open = ["recovery", "open", "--request", "request", "--blame", "blame", "--out"]
      let absent = try await machine.run(open + ["out", "--release", "ana.release", "dan.release"])
      #expect(absent.isRefused("file.unreadable") && absent.errors.contains("“dan.release”"))
      let few = try await machine.run(open + ["out", "--release", "bo.release", "ana.release"])
      #expect(few.status == 1 && few.errors.contains("“bo” answered falsely") && !machine.exists("out"))
      #expect(try await machine.postern("council", "judge", "blame").output.contains("holds a false release"))
      let first = try machine.bytes(of: "blame")
      let again = try await machine.run(open + ["out", "--release", "ana.release", "cleo.release", "bo.release"])
      #expect(again.status == 0, "\(again.errors)")
      #expect(try machine.bytes(of: "out") == state)
      #expect(try machine.bytes(of: "blame") == first)

      // A file that is no blame, or one that somebody touched, proves nothing.
      #expect(try await machine.postern("council", "judge", "ana.release").status == 1)
      var forged = first
      let middle = try #require(forged[(forged.count / 2)...].firstIndex { $0 != UInt8(ascii: "\n") })
      forged[middle] = forged[middle] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
      try machine.write(forged, to: "forged")
      let nothing = try await machine.postern("council", "judge", "forged")
      #expect(nothing.status == 1 && nothing.output.isEmpty, "\(nothing.output)")
      #expect(nothing.errors.contains("This blame proves nothing. "), "\(nothing.errors)")

      // Members who are asked by somebody whom the charter does not list, or for another application, do not answer.
      let stranger = try await machine.postern("recovery", "request", "--app", app, "--key", "tee.key", "--out", "r")
      #expect(stranger.isRefused("key.role") && !machine.exists("r"))
      try await machine.must("key", "new", "requester", "--name", "eve")
      let eve = try await machine.postern("recovery", "request", "--app", app, "--key", "eve.key", "--out", "r")
      #expect(eve.status == 1 && !machine.exists("r"), "\(eve.errors)")
      let outsider = try await machine.postern(
        "council", "release", "--key", "eve.key", "--request", "request", "--out", "x", "--yes")
      #expect(outsider.isRefused("key.role") && !machine.exists("x"))
    }
  }
}
