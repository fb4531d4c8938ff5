import Testing

extension ProcessTests {
  /// What every command says of itself, and what it says to somebody who asks for what there is not.
  @Suite struct Usage {
    /// Every command, by its words.
    private static let commands = [
      [], ["key"], ["key", "new"], ["key", "show"], ["archive"], ["archive", "init"], ["serve"], ["charter"],
      ["charter", "new"], ["charter", "sign"], ["charter", "show"], ["charter", "register"], ["push"], ["list"],
      ["latest"], ["show"], ["pull"], ["recover"], ["recovery"], ["recovery", "request"], ["recovery", "open"],
      ["council"],
      ["council", "release"], ["council", "judge"], ["verify"], ["verify", "receipt"], ["verify", "epoch"],
      ["conformance"],
    ]
    /// Those that do something, and something that they cannot do without.
    private static let incomplete = [
      ["key", "new"], ["key", "new", "member"], ["key", "new", "butler", "--name", "b"], ["key", "show"],
      ["archive", "init"], ["archive", "init", "--data", "d"], ["serve"], ["serve", "--data", "d", "--tls-cert", "c"],
      ["charter", "new"], ["charter", "new", "c.toml"], ["charter", "new", "--solo"],
      ["charter", "new", "c.toml", "--solo", "--out", "o"], ["charter", "sign", "c"], ["charter", "show"],
      ["charter", "register", "c"], ["push"], ["push", "s"], ["push", "s", "--key", "k"],
      ["push", "s", "--key", "k", "--app", "12"], ["push", "-", "--key", "-", "--app", Usage.app],
      ["push", "s", "t", "--key", "k", "--app", Usage.app],
      ["push", "s", "--key", "k", "--app", Usage.app, "--state-version", "-1"],
      ["push", "s", "--key", "k", "--app", Usage.app, "--state-commitment", "xy"], ["list"],
      ["list", "--app", Usage.app, "--policy", Usage.app], ["list", "--app", Usage.app, "--limit", "0"], ["latest"],
      ["latest", "--app", Usage.app + "0"], ["show"], ["show", "--app", Usage.app, "--epoch", "x"], ["recover"],
      ["pull"], ["pull", "--app", Usage.app], ["pull", "--out", "o"],
      ["recover", "--app", Usage.app, "--out", "o", "--kms-key", "k", "--from", "f", "--archive", "a:1"],
      ["recover", "--app", Usage.app, "--out", "o", "--kms-key", "k", "--from", "f", "--tls"],
      ["verify", "epoch", "--app", Usage.app, "--from", "f", "--tls-ca", "c"],
      ["recover", "--app", Usage.app, "--out", "o"], ["recover", "--app", Usage.app, "--kms-key", "k"],
      ["recovery", "request"], ["recovery", "open"], ["recovery", "open", "--request", "r", "--out", "o"],
      ["recovery", "open", "--request", "r", "--out", "o", "--release"], ["council", "release"],
      ["council", "release", "--key", "k"], ["council", "judge"], ["verify", "receipt"],
      ["verify", "receipt", "r"], ["verify", "receipt", "r", "--log-key", "k", "--charter", "c"], ["verify", "epoch"],
      ["verify", "epoch", "--app", Usage.app, "--epoch", "-1"], ["conformance"],
      ["key", "new", "member", "--name", ""],
      ["charter", "new", "--solo", "--name", "", "--out", "o"],
    ]
    private static let app = String(repeating: "0a", count: 32)

    @Test func everyCommandExplainsItself() async throws {
      let machine = try Machine()
      for command in Usage.commands {
        let help = try await machine.run(command + ["--help"])
        #expect(help.status == 0 && help.errors.isEmpty, "\(command)")
        #expect(help.output.contains("USAGE: postern") && help.output.contains("OVERVIEW: "), "\(command)")
        let other = try await machine.run(["help"] + command)
        #expect(other.status == 0 && other.output == help.output, "\(command)")
      }
      let version = try await machine.postern("--version")
      #expect(version.status == 0 && version.output.wholeMatch(of: /[0-9]+\.[0-9]+\.[0-9]+\n/) != nil)
      #expect(try machine.names().isEmpty)
    }

    @Test func wrongArgumentsExit64() async throws {
      let machine = try Machine()
      let unknown =
        Usage.commands.map { $0 + ["--no-such-option"] } + [["no-such-command"], ["key", "no-such-command"]]
      for arguments in Usage.incomplete + unknown {
        let outcome = try await machine.run(arguments)
        #expect(outcome.status == 64 && outcome.output.isEmpty, "\(arguments)")
        #expect(outcome.errors.contains("Error: "), "\(arguments): \(outcome.errors)")
      }
      for (words, remark) in [
        (["pusj", "state"], "“pusj” is no command of “postern”"),
        (["recovery", "opne"], "“opne” is no command of “postern recovery”"),
      ] {
        let slip = try await machine.run(words)
        #expect(slip.status == 64 && slip.errors.contains(remark), "\(slip.errors)")
      }
      let unset = try await machine.postern("push", "state", "--key", "", "--app", Usage.app)
      #expect(unset.status == 64 && unset.errors.contains("The argument after --key is empty."), "\(unset.errors)")
      for address in ["nowhere", "127.0.0.1", "127.0.0.1:99999"] {
        let malformed = try await machine.postern("list", "--app", Usage.app, "--archive", address)
        #expect(malformed.isRefused("address.malformed", status: 64), "\(malformed.errors)")
      }
      let scheme = try await machine.postern("archive", "init", "--data", "a", "--origin", "https://o.example")
      #expect(scheme.status == 64 && scheme.errors.contains("without its scheme"), "\(scheme.errors)")
      #expect(try machine.names().isEmpty)
    }

    /// What cannot be done is a sentence with a code, also where the file system is at fault.
    @Test func whatCannotBeDoneHasACode() async throws {
      let machine = try Machine()
      try machine.write("no key".utf8, to: "text")
      try machine.write([0x7F, 0x45, 0x4C, 0x46, 0x0D, 0x0A, 0, 0xFF], to: "binary")
      let attempts = [
        (["key", "show", "--key", "none"], "file.unreadable"), (["key", "show", "--key", "text"], "armour.kind"),
        (["key", "show", "--key", "."], "file.unreadable"),
        (["archive", "init", "--data", "none/none", "--origin", "o.example"], "storage.missing"),
        (["archive", "init", "--data", "text", "--origin", "o.example"], "storage."),
        (["archive", "init", "--data", "archive", "--origin", "a b"], "log.origin"),
        (["serve", "--data", "none"], "storage.missing"), (["charter", "show", "text"], "armour.kind"),
        (["charter", "new", "none", "--out", "o"], "file.unreadable"),
        (["charter", "register", "text", "--key", "k", "--receipt", "none/r"], "storage.missing"),
        (["charter", "show", "binary"], "armour.kind"), (["key", "show", "--key", "binary"], "armour.kind"),
        (["key", "new", "member", "--name", "m", "--out", "none/k"], "storage.missing"),
        (["charter", "new", "text", "--out", "o"], "settings.syntax"),
        (["council", "judge", "text"], "armour.kind"), (["verify", "receipt", "text", "--log-key", "x"], ""),
        (["conformance", "none"], "file.unreadable"),
        (["list", "--app", Usage.app, "--config", "none"], "file.unreadable"),
        (["latest", "--app", Usage.app, "--archive", "127.0.0.1:1"], "wire.unavailable"),
      ]
      for (arguments, code) in attempts {
        let outcome = try await machine.run(arguments)
        #expect(outcome.isRefused(code), "\(arguments): \(outcome.status) \(outcome.output)\(outcome.errors)")
      }
      let binary = try await machine.postern("key", "show", "--key", "binary")
      #expect(binary.errors.hasPrefix("postern: “binary”: This is not a POSTERN KEY file."), "\(binary.errors)")
      let nothing = try await machine.postern("conformance", ".")
      #expect(nothing.status == 1 && nothing.errors.contains("(conformance.nothing)"))
      #expect(try machine.names().filter { $0 != "state" } == ["binary", "text"])
    }
  }
}
