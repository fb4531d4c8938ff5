import Fixtures
import Foundation
import Merkle
import Testing

@Suite struct CharterCommandTests {
  private let program: Program
  private let home: String

  init() throws {
    program = try Program()
    home = try logSigner().verifier.text
    for name in ["ana", "bo", "cy"] { try program.makeKey("member", name) }
    try program.makeKey("uploader", "tee")
    try program.makeKey("requester", "ops")
    try program.makeKey("kms", "kms")
  }

  /// A good document; tests replace lines of it.
  private var document: String {
    """
    name = "ledger"
    home = "\(home)"
    retention = 3
    chunker = { kind = "fixed", size = 4096 }
    recovery = { threshold = 2, of = ["cy", { member = "ana", weight = 2 }, { threshold = 2, of = ["ana", "bo", "cy"] }] }
    governance = { threshold = 2, of = ["ana", "bo", "cy"] }
    [[member]]
    file = "ana.pub"
    [[member]]
    file = "bo.pub"
    [[member]]
    file = "cy.pub"
    [kms]
    path = "ledger/door"
    file = "kms.pub"
    [[uploader]]
    file = "tee.pub"
    [[requester]]
    file = "ops.pub"
    """
  }

  private func build(_ document: String, _ flags: String...) throws -> Program.Outcome {
    try program.write(document, to: "charter.toml")
    try? FileManager.default.removeItem(atPath: program.folder.path("charter"))
    return try program.run(["charter", "new", "charter.toml", "--out", "charter"] + flags)
  }

  @Test func buildsSignsAndShows() throws {
    let built = try build(document)
    #expect(built.status == 0, "\(built.errors)")
    let app = built.output.trimmingCharacters(in: .newlines)
    // Nobody signs unasked: without a terminal and without --yes, the charter is shown and stays as it is.
    let unsigned = try program.bytes(of: "charter")
    let unasked = try program.run("charter", "sign", "charter", "--key", "bo.key")
    #expect(unasked.status == 1 && unasked.errors.contains("(console.no-terminal)"))
    #expect(unasked.errors.contains("2 of (ana, bo, cy)"))
    #expect(try program.bytes(of: "charter") == unsigned)
    for (name, missing) in [("bo", "ana, cy"), ("cy", "ana"), ("bo", "ana")] {
      let signed = try program.run("charter", "sign", "charter", "--key", "\(name).key", "--yes")
      #expect(signed.status == 0 && signed.errors.contains("Still missing: \(missing)."))
    }
    let early = try program.run("charter", "register", "charter", "--key", "ana.key")
    #expect(early.status == 1 && early.errors.contains("(charter.signature [0])"))
    // A wrong key is refused before the whole charter is shown.
    let stranger = try program.run("charter", "sign", "charter", "--key", "tee.key")
    #expect(stranger.status == 1 && stranger.errors.contains("(key.role)") && !stranger.errors.contains("Charter of"))
    #expect(
      try program.run("charter", "sign", "charter", "--key", "ana.key", "--yes").errors.contains(
        "Signed by every member"))
    let shown = try program.run("charter", "show", "charter")
    #expect(shown.output.contains("2 of (cy, ana ×2, 2 of (ana, bo, cy))") && shown.output.contains(app))
    let json =
      try JSONSerialization.jsonObject(
        with: Data(program.run("charter", "show", "charter", "--json").output.utf8)) as? [String: Any]
    #expect(json?["app"] as? String == app && json?["kms"] as? String == "ledger/door")
  }

  /// Each slip of the pen is named by its entry.
  @Test func namesTheEntryThatIsWrong() throws {
    let ana = try String(decoding: program.bytes(of: "ana.pub"), as: UTF8.self)
    let slips: [(line: String, other: String, said: String)] = [
      ("name = \"ledger\"\n", "", "“name” is missing"),
      ("name = \"ledger\"", "name = 7", "“name” is no text"),
      ("name = \"ledger\"", "name = \"ledger", "line 1"),
      ("name = \"ledger\"", "nmae = \"ledger\"", "“nmae” is unknown"),
      ("name = \"ledger\"", "name = \"\"", "(charter.name)"),
      ("home = \"", "home = \"x", "(log.key)"),
      ("retention = 3", "retention = -1", "“retention” is no whole number"),
      ("size = 4096", "size = 4095", "(dump.chunker)"),
      ("kind = \"fixed\"", "kind = \"content\"", "(dump.chunker)"),
      ("kind = \"fixed\"", "kind = \"rabin\"", "“chunker.kind” is no chunker"),
      ("kind = \"fixed\", ", "", "“chunker.kind” is missing"),
      (", size = 4096", "", "“chunker.size” is missing"),
      ("of = [\"cy\",", "of = [\"cyd\",", "“recovery.of[0]” names “cyd”"),
      ("weight = 2", "weight = 0", "“recovery.of[1].weight”"),
      ("weight = 2", "wieght = 2", "“recovery.of[1].wieght” is unknown"),
      (
        "{ threshold = 2, of = [\"ana\", \"bo\", \"cy\"] }] }", "{ of = [\"ana\"] }] }",
        "“recovery.of[2].threshold” is missing"
      ),
      (
        "{ threshold = 2, of = [\"ana\", \"bo\", \"cy\"] }] }", "{ threshold = 4, of = [\"ana\", \"bo\", \"cy\"] }] }",
        "(policy.threshold [1])"
      ),
      ("of = [\"cy\",", "of = [\"cy\", \"cy\",", "(policy.twice [0])"),
      ("of = [\"cy\",", "of = [5,", "“recovery.of[0]” is no table"),
      ("governance = ", "government = ", "“government” is unknown"),
      ("file = \"bo.pub\"", "file = \"nobody.pub\"", "(file.unreadable)"),
      ("file = \"bo.pub\"", "file = \"tee.pub\"", "“member[1]” holds no member's line"),
      ("file = \"bo.pub\"", "line = \"postern-member1 bo AAAA\"", "member[1].line"),
      ("file = \"bo.pub\"", "line = \"\"\"\(ana.replacing(" ana ", with: " bo "))\"\"\"", "(key.possession)"),
      ("file = \"bo.pub\"", "file = \"ana.pub\"", "(settings.entry)"),
      ("file = \"kms.pub\"", "file = \"ana.pub\"", "“kms” holds no KMS's line"),
      ("path = \"ledger/door\"\n", "", "“kms.path” is missing"),
      ("[[uploader]]\nfile = \"tee.pub\"\n", "", "(charter.nobody)"),
      ("[[requester]]\nfile = \"ops.pub\"", "", "(charter.nobody)"),
      ("file = \"ops.pub\"", "file = \"tee.pub\"", "“requester[0]” holds no requester's line"),
    ]
    for slip in slips {
      #expect(document.contains(slip.line))
      let built = try build(document.replacing(slip.line, with: slip.other))
      #expect(built.status == 1 && built.errors.contains(slip.said), "\(slip.other): \(built.errors)")
      #expect(!program.exists("charter"))
    }
  }

  @Test func cutsByContentWhereNothingElseIsSaid() throws {
    let fixed = "chunker = { kind = \"fixed\", size = 4096 }\n"
    for (line, said) in [
      (fixed, "fixed, 4 KiB"), ("", "by content, 16 KiB on average"),
      ("chunker = { kind = \"content\", size = 32768 }\n", "by content, 32 KiB on average"),
    ] {
      #expect(try build(document.replacing(fixed, with: line)).status == 0)
      #expect(try program.run("charter", "show", "charter").output.contains(said))
    }
  }

  @Test func wantsAFlagForWhatOneLossWouldFreeze() throws {
    let fragile = document.replacing("governance = { threshold = 2", with: "governance = { threshold = 3")
    let refused = try build(fragile)
    #expect(
      refused.status == 1 && refused.errors.contains("ana, bo, cy. ") && refused.errors.contains("(charter.fragile)"))
    #expect(try build(fragile, "--allow-fragile").status == 0)
  }

  @Test func eitherDoorMayBeAbsentNotBoth() throws {
    let council = document.replacing("[kms]\npath = \"ledger/door\"\nfile = \"kms.pub\"\n", with: "")
    #expect(try build(council).status == 0)
    let lines = document.split(separator: "\n").filter { !$0.hasPrefix("recovery") }.joined(separator: "\n")
    #expect(try build(lines).status == 0)
    let neither = council.split(separator: "\n").filter { !$0.hasPrefix("recovery") }.joined(separator: "\n")
    #expect(try build(neither).errors.contains("(charter.no-door)"))
  }

  @Test func makesEverythingForOnePerson() throws {
    let made = try program.run("charter", "new", "--solo", "--kms", "--name", "mine", "--home", home, "--out", "solo")
    #expect(made.status == 0, "\(made.errors)")
    for key in ["member", "uploader", "requester", "kms"] { #expect(program.exists("solo/\(key).key")) }
    let shown = try program.run("charter", "show", "solo/charter")
    #expect(shown.output.contains("1 of (me)") && shown.output.contains("1 of 1"))
    #expect(shown.output.contains("by content, 16 KiB on average"))
    #expect(made.errors.contains("postern recover --app") && made.errors.contains("--kms-key solo/kms.key"))
    let again = try program.run("charter", "new", "--solo", "--home", home, "--out", "solo")
    #expect(again.status == 1 && again.errors.contains("(storage.exists)"))
    for (out, code) in [("ana.pub", "storage.exists"), ("none/solo", "storage.missing")] {
      let refused = try program.run("charter", "new", "--solo", "--home", home, "--out", out)
      #expect(refused.status == 1 && refused.errors.contains("(\(code))"), "\(refused.errors)")
    }
  }
}
