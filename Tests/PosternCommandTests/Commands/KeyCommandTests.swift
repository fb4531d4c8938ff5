import Fixtures
import Foundation
import Testing

@Suite struct KeyCommandTests {
  @Test func makesKeysAndShowsTheirPublicHalves() throws {
    let program = try Program()
    for role in ["member", "uploader", "requester", "kms"] {
      let made = try program.run("key", "new", role, "--name", role)
      #expect(made.status == 0)
      #expect(made.output.hasPrefix("postern-\(role)1 ") && made.output.split(separator: "\n").count == 1)
      let attributes = try FileManager.default.attributesOfItem(atPath: program.folder.path("\(role).key"))
      #expect(attributes[.posixPermissions] as? Int == 0o600)
      // The same keys from a file and from standard input; proofs are fresh each time.
      let shown = try program.run("key", "show", "--key", "\(role).key")
      let piped = try program.run("key", "show", "--key", "-", input: try program.bytes(of: "\(role).key"))
      for other in [shown, piped] {
        #expect(other.status == 0 && other.output.prefix(60) == made.output.prefix(60))
      }
    }
    let again = try program.run("key", "new", "member", "--name", "member")
    #expect(again.status == 1 && again.errors.contains("(storage.exists)"))
    let piped = try program.run("key", "new", "member", "--name", "ana", "--out", "-")
    #expect(piped.output.hasPrefix("-----BEGIN POSTERN KEY-----") && piped.errors.hasPrefix("postern-member1 ana "))
  }

  @Test func asksForAPassphraseWhereThereIsOne() throws {
    let program = try Program()
    try program.write("open sesame\n", to: "right")
    try program.write("open barley\n", to: "wrong")
    let made = try program.run("key", "new", "kms", "--name", "kms", "--passphrase-file", "right")
    let shown = try program.run("key", "show", "--key", "kms.key", "--passphrase-file", "right")
    #expect(made.status == 0 && shown.output.prefix(60) == made.output.prefix(60))
    let wrong = try program.run("key", "show", "--key", "kms.key", "--passphrase-file", "wrong")
    #expect(wrong.status == 1 && wrong.errors.contains("(key.passphrase)"))
  }

  @Test func importsWhatAKMSProvisioned() throws {
    let program = try Program()
    let hex = Array(String(repeating: "5a", count: 32).utf8)
    let made = try program.run("key", "new", "kms", "--name", "a", "--import", "-", input: hex)
    let raw = try program.run(
      "key", "new", "kms", "--name", "b", "--import", "-", input: [UInt8](repeating: 0x5a, count: 32))
    #expect(made.status == 0 && made.output.prefix(60) == raw.output.prefix(60))
    let short = try program.run("key", "new", "kms", "--name", "c", "--import", "-", input: [1, 2, 3])
    #expect(short.status == 1 && short.errors.contains("(key.import)") && !program.exists("c.key"))
  }

  @Test func usageErrorsExitWith64() throws {
    let program = try Program()
    for arguments in [
      ["nonsense"], ["key", "new", "queen", "--name", "x"], ["key", "new", "member"], ["push"], ["list"],
      ["key", "new", "member", "--name", "a/b"], ["latest", "--app", "12"], ["verify", "receipt", "x"],
      ["charter", "new", "--out", "x"], ["serve", "--data", "x", "--tls-cert", "y"],
      ["push", "--app", String(repeating: "0", count: 64), "--key", "-", "-"],
    ] {
      let outcome = try program.run(arguments)
      #expect(outcome.status == 64, "\(arguments): \(outcome.errors)")
    }
    #expect(try program.run("--version").status == 0)
    #expect(try program.run("help", "push").status == 0)
  }

  @Test func errorsAreASentenceAnAdviceAndACode() throws {
    let program = try Program()
    let outcome = try program.run("key", "show", "--key", "none")
    #expect(
      outcome.errors
        == "postern: The file “none” cannot be read: No such file or directory. "
        + "Check its name, and that you may read it. (file.unreadable)\n")
    #expect(outcome.status == 1 && outcome.output.isEmpty)
  }

  @Test func takesOptionsFromAConfigFileAndFlagsWin() throws {
    let program = try Program()
    try program.makeKey("requester", "one")
    try program.makeKey("uploader", "two")
    try program.write("archive = \"127.0.0.1:1\"\n[key.show]\nkey = \"one.key\"\njson = true\n", to: "good.toml")
    let taken = try program.run("key", "show", "--config", "good.toml")
    #expect(taken.status == 0 && taken.output.contains("\"name\":\"one\""))
    let won = try program.run("key", "show", "--config=good.toml", "--key", "two.key")
    #expect(won.status == 0 && won.output.contains("\"name\":\"two\""))
    let app = String(repeating: "0", count: 64)
    let asked = try program.run("list", "--app", app, "--config", "good.toml")
    #expect(asked.status == 1 && asked.errors.contains("127.0.0.1:1 cannot be reached"))
    #expect(try program.run("key", "show", "--config", "none.toml").errors.contains("(file.unreadable)"))
  }

  @Test func aFilesNameComesFromTheHoldersName() throws {
    let program = try Program()
    let made = try program.run("key", "new", "member", "--name", "Ana María")
    #expect(made.status == 0 && made.errors.contains("to Ana-María.key") && made.output.contains(" Ana María "))
    #expect(program.exists("Ana-María.key"))
    for name in [" ana", "a/b", ".ana", "-ana", "a\u{202E}b"] {
      let refused = try program.run("key", "new", "member", "--name=\(name)")
      #expect(refused.status == 64 && refused.errors.contains("Error: The name “"), "\(name): \(refused.errors)")
    }
  }
}
