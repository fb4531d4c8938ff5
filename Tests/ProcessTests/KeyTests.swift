import Fixtures
import Testing

extension ProcessTests {
  /// Where a key can come from: a file, a passphrase, a pipe from whatever keeps secrets.
  @Suite struct Keys {
    @Test func aPassphraseComesFromAFile() async throws {
      let machine = try Machine()
      try machine.write("correct horse\nsecond line".utf8, to: "passphrase")
      try machine.write("wrong horse\n".utf8, to: "wrong")
      try machine.write("\n".utf8, to: "empty")
      let line = try await machine.must("key", "new", "uploader", "--name", "tee", "--passphrase-file", "passphrase")
      #expect(try machine.permissions(of: "tee.key") == 0o600)
      let shown = try await machine.postern("key", "show", "--key", "tee.key", "--passphrase-file", "passphrase")
      #expect(shown.status == 0 && shown.line == line)
      let wrong = try await machine.postern("key", "show", "--key", "tee.key", "--passphrase-file", "wrong")
      #expect(wrong.isRefused("key."))
      let empty = try await machine.postern("key", "show", "--key", "tee.key", "--passphrase-file", "empty")
      #expect(empty.isRefused("key.passphrase-needed"))
      // Without a terminal nobody is asked: `setsid` takes the one away that the tests may have.
      let nobody = try await machine.inside(["setsid", "--wait"]).postern("key", "show", "--key", "tee.key")
      #expect(nobody.isRefused("key.passphrase-needed"))
      let plain = try await machine.postern("key", "new", "uploader", "--name", "tee")
      #expect(plain.isRefused("storage.exists"), "\(plain.errors)")
    }

    @Test func aKeyComesFromStandardInput() async throws {
      let (machine, _, app) = try await Machine.served()
      try machine.write("state".utf8, to: "state.bin")
      let key = try machine.bytes(of: "solo/uploader.key")
      try await machine.must("push", "--app", app, "--key", "-", "state.bin", input: .bytes(key))
      let kms = try machine.bytes(of: "solo/kms.key")
      let state = try await machine.must("recover", "--app", app, "--kms-key", "-", "--out", "-", input: .bytes(kms))
      #expect(state == "state")
      // From nowhere to standard output, and back, without a file in between.
      let made = try await machine.postern("key", "new", "member", "--name", "ana", "--out", "-")
      let line = try await machine.must("key", "show", "--key", "-", input: .bytes(Array(made.output.utf8)))
      #expect(line.hasPrefix("postern-member1 ana ") && !machine.exists("ana.key"))
      let nothing = try await machine.postern("push", "--app", app, "--key", "-", "state.bin")
      #expect(nothing.isRefused("armour.kind"), "\(nothing.errors)")
    }

    @Test func aKMSsSecretIsImported() async throws {
      let machine = try Machine()
      let hex = String(repeating: "5a", count: 32)
      try machine.write([UInt8](repeating: 0x5a, count: 32), to: "raw")
      let raw = try await machine.must("key", "new", "kms", "--name", "kms", "--import", "raw")
      let text = try await machine.must(
        "key", "new", "kms", "--name", "kms", "--out", "text.key", "--import", "-",
        input: .bytes(Array("\(hex)\n".utf8)))
      // A proof of possession is drawn anew each time; the keys in front of it are the same.
      #expect(raw.prefix(1_500) == text.prefix(1_500) && raw.count > 1_500 && raw.count == text.count)
      let short = try await machine.postern(
        "key", "new", "kms", "--name", "kms", "--out", "short.key", "--import", "-", input: .bytes([1, 2, 3]))
      #expect(short.isRefused("key.import") && !machine.exists("short.key"))
      let member = try await machine.postern("key", "new", "member", "--name", "ana", "--import", "raw")
      #expect(member.isRefused("key.role") && !machine.exists("ana.key"))
    }

    /// Keys of another role, another person, another application.
    @Test func aWrongKeyIsRefused() async throws {
      var machine = try Machine()
      _ = try await machine.initArchive()
      let server = try await Server.start(on: machine)
      machine = machine.asking(server)
      let app = try await machine.registerSolo("one")
      let other = try await machine.registerSolo("two")
      let none = String(repeating: "0b", count: 32)
      try machine.write("state".utf8, to: "state.bin")
      try await machine.must("push", "--app", app, "--key", "one/uploader.key", "state.bin")
      let before = try await machine.must("list", "--app", app)
      let push = ["push", "state.bin", "--app"]
      let recover = ["recover", "--out", "out", "--app"]
      let attempts = [
        (push + [app, "--key", "one/member.key"], "key.role"),
        (push + [app, "--key", "two/uploader.key"], "push.not-an-uploader"),
        (push + [none, "--key", "one/uploader.key"], "epoch.unknown-app"),
        (recover + [app, "--kms-key", "one/uploader.key"], "key.role"),
        (recover + [app, "--kms-key", "two/kms.key"], "envelope.key"),
        (recover + [other, "--kms-key", "two/kms.key"], "view.no-epoch"),
        (recover + [none, "--kms-key", "one/kms.key"], "epoch.unknown-app"),
        (recover + [app, "--epoch", "2", "--kms-key", "one/kms.key"], "archive.not-found"),
        (recover + [app, "--epoch", "0", "--kms-key", "one/kms.key"], "archive.not-found"),
        (["latest", "--app", none], "epoch.unknown-app"), (["latest", "--app", other], "view.no-epoch"),
        (["charter", "register", "one/charter", "--key", "two/member.key"], "charter."),
      ]
      for (arguments, code) in attempts {
        let outcome = try await machine.run(arguments)
        #expect(outcome.isRefused(code), "\(arguments): \(outcome.errors)")
      }
      #expect(try machine.names().filter { $0.hasSuffix(".part") || $0 == "out" }.isEmpty)
      #expect(try await machine.must("list", "--app", app) == before)
    }
  }
}
