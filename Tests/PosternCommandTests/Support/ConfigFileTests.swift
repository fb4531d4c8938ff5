import Fixtures
import Testing

@Suite struct ConfigFileTests {
  private let program: Program

  init() throws {
    program = try Program()
    try program.makeKey("requester", "one")
    try program.makeKey("uploader", "two")
  }

  private func show(_ config: String, _ flags: String...) throws -> Program.Outcome {
    try program.write(config, to: "postern.toml")
    return try program.run(["key", "show", "--config", "postern.toml"] + flags)
  }

  /// A slip of the pen is refused with the file and the entry, in whatever table, before anything is done.
  @Test func namesTheFileAndTheEntryThatIsWrong() throws {
    let slips: [(config: String, said: String)] = [
      ("key = \"one.key\"\n", "“key” stands outside of any command's table; it belongs into [key.show] or"),
      ("state-version = 50\n", "“state-version” stands outside of any command's table; it belongs into [push]."),
      ("kee = 7\n", "“kee” is no option of postern; known here are archive, tls, tls-ca, [key]"),
      ("[kee]\nkey = 7\n", "“kee” is no command of postern"),
      ("[key]\nkey = \"one.key\"\n", "“key.key” is no option of “key”; it belongs into [key.show] or"),
      ("[key.show]\nkee = 7\n", "“key.show.kee” is no option of postern; known here are key, passphrase-file, json"),
      ("[key.show]\nconfig = \"other.toml\"\n", "“key.show.config” is no option"),
      ("[push]\nkms-key = \"k\"\n", "“push.kms-key” is no option of “push”; it belongs into [recover]."),
      ("[push]\nstate = { version = 5 }\n", "“push.state” is not of the right kind"),
      ("[key.show]\nkey = 1.5\n", "“key.show.key” is not of the right kind: the option --key takes a text"),
      ("[key.show]\nkey = true\n", "“key.show.key” is not of the right kind"),
      ("[key.show]\nkey = [\"one.key\"]\n", "“key.show.key” is not of the right kind"),
      (
        "[key.show]\njson = \"yes\"\n",
        "“key.show.json” is not of the right kind: the option --json takes true or false"
      ),
      ("[recovery.open]\nrelease = \"a\"\n[list]\nlimit = true\n", "“list.limit” is not of the right kind"),
      ("[recovery.open]\nrelease = [true]\n", "“recovery.open.release[0]” is not of the right kind"),
      ("tls = 1\n", "“tls” is not of the right kind"),
    ]
    for slip in slips {
      let outcome = try show(slip.config, "--key", "one.key")
      #expect(outcome.status == 1 && outcome.output.isEmpty, "\(slip.config)")
      #expect(outcome.errors.contains("In “postern.toml”, the entry \(slip.said)"), "\(slip.config): \(outcome.errors)")
      #expect(outcome.errors.contains("(settings.entry)"), "\(slip.config)")
    }
    let broken = try show("[key.show\n")
    #expect(broken.status == 1 && broken.errors.contains("“postern.toml” is no TOML: line 1"))
  }

  /// What only the option itself can judge is its usage error, and the file is named before it.
  @Test func namesTheEntryThatTheOptionRefuses() throws {
    try program.write("[push]\nkey = \"two.key\"\nstate-version = \"x\"\n", to: "postern.toml")
    let app = String(repeating: "0", count: 64)
    let outcome = try program.run("push", "state", "--app", app, "--config", "postern.toml")
    #expect(outcome.status == 64 && outcome.errors.contains("The file “postern.toml” gave this option"))
    #expect(outcome.errors.contains("“push.state-version”") && !outcome.errors.contains("“push.key”"))
  }

  /// Other commands' tables change nothing, and a value may look like an option.
  @Test func takesItsOwnTableOnly() throws {
    let tables = "[key.show]\nkey = \"one.key\"\njson = false\n[push]\nkey = \"none\"\njson = true\n[archive.init]\n"
    let shown = try show(tables)
    #expect(shown.status == 0 && shown.output.hasPrefix("postern-requester1 one "))
    let dashed = try show("[key.show]\nkey = \"-key\"\n")
    #expect(dashed.status == 1 && dashed.errors.contains("The file “-key” cannot be read"))
  }

  /// The table of a command can have every option that the command lists in its help, but those about the call itself.
  @Test func knowsEveryOptionOfEveryCommand() throws {
    for command in [["key", "new"], ["push"], ["list"], ["recovery", "open"], ["verify", "epoch"], ["serve"]] {
      let help = try program.run(command + ["--help"]).output
      let options = help.matches(of: /\n  --([a-z-]+)/).map { String($0.1) }
      #expect(options.count > 3, "\(command)")
      for option in options where !["config", "help", "version"].contains(option) {
        let config = "[\(command.joined(separator: "."))]\n\(option) = { wrong = 1 }\n"
        #expect(try show(config).errors.contains("the option --\(option) takes"), "\(command) \(option)")
      }
    }
  }
}
