import Bulk
import Client
import Core
import Fixtures
import Foundation
import Merkle
import Records
import Sodium
import Testing

/// The main job by its commands: an archive, a charter, pushes, a restart, and both doors, with a liar among them.
@Suite struct JourneyTests {
  private static let members = ["ana", "bo", "cy"]

  /// An archive that runs; stopped with the value.
  final class Server {
    let address: String
    private let process: Process

    init(_ program: Program, data: String) throws {
      try program.write("", to: "nothing")
      let output = program.folder.path("serve.out")
      process = try program.start(
        ["serve", "--data", data, "--listen", "127.0.0.1:0"], input: program.folder.path("nothing"), output: output,
        errors: program.folder.path("serve.err"))
      let mark = "listening on "
      for _ in 0..<600 {
        let text = String(decoding: try Data(contentsOf: URL(filePath: output)), as: UTF8.self)
        if let line = text.split(separator: "\n").first(where: { $0.hasPrefix(mark) }), text.hasSuffix("\n") {
          address = String(line.dropFirst(mark.count))
          return
        }
        Thread.sleep(forTimeInterval: 0.05)
      }
      process.terminate()
      throw PosternError("test.server", "The server did not start.", advice: "")
    }

    /// Ends it with a signal and returns its exit code.
    func stop(_ signal: Int32 = SIGTERM) -> Int32 {
      kill(process.processIdentifier, signal)
      process.waitUntilExit()
      return process.terminationStatus
    }

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
  }

  /// Runs a command that has to succeed and returns what it printed.
  private func must(_ program: Program, _ arguments: String...) throws -> String {
    let outcome = try program.run(arguments)
    #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
    return outcome.output.trimmingCharacters(in: .newlines)
  }

  @Test func anEpochComesBackThroughEitherDoor() throws {
    var program = try Program()
    let home = try must(program, "archive", "init", "--data", "archive", "--origin", "example.org/log")
    var server = try Server(program, data: "archive")
    program.environment["POSTERN_ARCHIVE"] = server.address
    let app = try register(program, home: home)
    let state = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 5) }
    try push(program, app, state)
    // The archive dies without a warning and comes back: nothing that was acknowledged is lost.
    #expect(server.stop(SIGKILL) == SIGKILL)
    server = try Server(program, data: "archive")
    program.environment["POSTERN_ARCHIVE"] = server.address
    #expect(try must(program, "latest", "--app", app).contains("newest epoch that this archive shows"))
    try expectCopy(program, app)
    try recoverThroughCouncil(program, app, state)
    try recoverThroughKMS(program, app, state)
    #expect(server.stop() == 0)
    let gone = try program.run("latest", "--app", app)
    #expect(gone.status == 1 && gone.errors.contains("(wire.unavailable)"))
    #expect(gone.errors.contains("with --from FOLDER"))
  }

  private func register(_ program: Program, home: String) throws -> String {
    for name in JourneyTests.members { try program.makeKey("member", name) }
    for name in ["tee", "stranger"] { try program.makeKey("uploader", name) }
    try program.makeKey("requester", "ops")
    try program.makeKey("kms", "kms")
    // The home log is left out: the archive is asked.
    try program.write(
      """
      name = "ledger"
      chunker = { kind = "fixed", size = 4096 }
      recovery = { threshold = 2, of = ["ana", "bo", "cy"] }
      governance = { threshold = 2, of = ["ana", "bo", "cy"] }
      member = [{ file = "ana.pub" }, { file = "bo.pub" }, { file = "cy.pub" }]
      kms = { path = "ledger/door", file = "kms.pub" }
      uploader = [{ file = "tee.pub" }]
      requester = [{ file = "ops.pub" }]
      """, to: "charter.toml")
    let app = try must(program, "charter", "new", "charter.toml", "--out", "charter")
    for name in JourneyTests.members {
      _ = try must(program, "charter", "sign", "charter", "--key", "\(name).key", "--yes")
    }
    #expect(try must(program, "charter", "show", "charter", "--json").contains(home))
    let other = try program.run("charter", "register", "charter", "--key", "bo.key")
    #expect(other.status == 1 && other.errors.contains("(charter.signer)"))
    #expect(try must(program, "charter", "register", "charter", "--key", "ana.key") == app)
    _ = try must(program, "verify", "receipt", "charter.tlog-proof", "--log-key", home)
    return app
  }

  private func push(_ program: Program, _ app: String, _ state: [UInt8]) throws {
    try program.write("[push]\napp = \"\(app)\"\nkey = \"tee.key\"\njson = true\n", to: "postern.toml")
    try Data(state.dropLast()).write(to: URL(filePath: program.folder.path("state.1")))
    try Data(state).write(to: URL(filePath: program.folder.path("state.2")))
    let first = try must(program, "push", "state.1", "--config", "postern.toml")
    #expect(first.contains("\"epoch\":1") && first.contains("\"openedGeneration\":true"))
    let commitment = String(repeating: "ab", count: 32)
    let second = try must(
      program, "push", "--config", "postern.toml", "--state-version", "9", "--state-commitment", commitment, "state.2")
    #expect(second.contains("\"epoch\":2") && second.contains("\"stateVersion\":9") && second.contains(commitment))
    let receipt = program.folder.path("state/postern/\(app)/receipts/2.tlog-proof")
    #expect(
      try must(program, "verify", "receipt", receipt, "--charter", "charter").hasPrefix("Good: epoch 2 of \(app)"))
    var damaged = try program.bytes(of: "state/postern/\(app)/receipts/2.tlog-proof")
    damaged[60] ^= 1
    try Data(damaged).write(to: URL(filePath: program.folder.path("damaged")))
    #expect(try program.run("verify", "receipt", "damaged", "--charter", "charter").status == 1)
    #expect(try must(program, "list", "--app", app, "--json").split(separator: "\n").count == 2)
    let policy = try must(program, "list", "--app", app, "--json").firstMatch(of: /"policy":"([0-9a-f]{64})"/)?.1
    #expect(try must(program, "list", "--policy", String(policy ?? "")).contains(app))
    #expect(try program.run("show", "--app", app, "--epoch", "3").status == 1)
    let cut = try program.run("list", "--app", app, "--limit", "1")
    #expect(cut.output.hasPrefix("epoch 2, ") && cut.errors.contains("There are older ones: --limit"), "\(cut)")
    #expect(try program.run("list", "--app", app, "--limit", "2").errors.isEmpty)
    let negative = try program.run("list", "--app", app, "--limit", "-1")
    #expect(negative.status == 64 && negative.errors.contains("--limit is at least 1"), "\(negative.errors)")
  }

  /// What a copy holds can be asked of it: its log shows more.
  private func expectCopy(_ program: Program, _ app: String) throws {
    _ = try must(program, "pull", "--app", app, "--epoch", "1", "--out", "copy")
    for filter in [[], ["--app", app]] {
      let listed = try program.run(["list", "--from", "copy", "--json"] + filter)
      #expect(listed.status == 0 && listed.output.split(separator: "\n").count == 1, "\(listed)")
      #expect(listed.output.contains("\"app\":\"\(app)\"") && listed.output.contains("\"epoch\":1,"))
      #expect(listed.errors.contains("one more epoch") == !filter.isEmpty, "\(listed.errors)")
    }
    let other = String(repeating: "0", count: 64)
    #expect(try program.run("list", "--from", "copy", "--app", other).errors.contains("(epoch.unknown-app)"))
    #expect(try program.run("list", "--from", "copy", "--policy", other).output.isEmpty)
    for (epoch, isHeld) in [("1", true), ("2", false)] {
      let shown = try must(program, "show", "--app", app, "--epoch", epoch, "--from", "copy")
      #expect(shown.contains("  dump           \(isHeld ? "in this folder" : "not in this folder")"), "\(shown)")
      let json = try must(program, "show", "--app", app, "--epoch", epoch, "--from", "copy", "--json")
      #expect(json.contains("\"isHeld\":\(isHeld)"))
    }
    #expect(try !must(program, "show", "--app", app, "--epoch", "1").contains("  dump "))
    let absent = try program.run(
      "recover", "--app", app, "--epoch", "2", "--from", "copy", "--kms-key", "kms.key", "--out", "none")
    #expect(absent.status == 1 && absent.errors.contains("“postern list --from copy” says which"), "\(absent.errors)")
    #expect(!program.exists("none"))
    _ = try must(program, "pull", "--app", app, "--out", "copy")
    let both = try program.run("list", "--from", "copy", "--app", app)
    #expect(both.output.split(separator: "\n").count == 2 && both.errors.isEmpty, "\(both)")
    #expect(try program.run("list", "--from", "copy", "--limit", "1").errors.contains("There are older ones"))
  }

  private func recoverThroughCouncil(_ program: Program, _ app: String, _ state: [UInt8]) throws {
    _ = try must(program, "recovery", "request", "--app", app, "--key", "ops.key", "--out", "request")
    let unasked = try program.run("council", "release", "--key", "ana.key", "--request", "request")
    #expect(unasked.status == 1 && unasked.errors.contains("(console.no-terminal)"))
    #expect(unasked.errors.contains("“ledger” \(app)") && unasked.errors.contains("the requester “ops”"))
    let foreign = try program.run(
      "council", "release", "--key", "ana.key", "--request", "request", "--yes", "--app",
      String(repeating: "0", count: 64))
    #expect(foreign.status == 1 && foreign.errors.contains("(recovery.wrong-app)"))
    try expectDamage(program)
    for name in ["ana", "cy"] {
      _ = try must(
        program, "council", "release", "--key", "\(name).key", "--request", "request", "--out", "\(name).release",
        "--yes")
    }
    try writeLie(program)
    let few = try program.run("recovery", "open", "--request", "request", "--out", "out", "--release", "ana.release")
    #expect(few.status == 1 && few.errors.contains("Ask for a release from more of: bo, cy.") && !program.exists("out"))
    let stranger = try program.run(
      "recovery", "open", "--request", "request", "--out", "out", "--uploader", "stranger.key", "--release",
      "ana.release", "cy.release")
    #expect(stranger.status == 1 && stranger.errors.contains("(push.not-an-uploader)") && !program.exists("out"))
    let opened = try program.run(
      "recovery", "open", "--request", "request", "--out", "out", "--blame", "blame", "--release", "bo.release",
      "ana.release", "ana.release", "charter", "cy.release")
    #expect(opened.status == 0, "\(opened.errors)")
    #expect(opened.errors.contains("bo.release: set aside. “bo” answered falsely (does not open)."))
    #expect(opened.errors.contains("(recovery.answered-twice)") && opened.errors.contains("charter: set aside."))
    #expect(try program.bytes(of: "out") == state)
    #expect(try must(program, "council", "judge", "blame").hasPrefix("Proven: "))
    #expect(try program.run("council", "judge", "request").status == 1)
  }

  /// A member who got a damaged request is told so, and not what the charter's author should mend.
  private func expectDamage(_ program: Program) throws {
    var request = try program.bytes(of: "request")
    let middle = request.count / 2
    let place = try #require(request[middle...].firstIndex { $0 != UInt8(ascii: "\n") })
    request[place] = request[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
    try Data(request).write(to: URL(filePath: program.folder.path("damaged.request")))
    let damaged = try program.run("council", "release", "--key", "ana.key", "--request", "damaged.request", "--yes")
    #expect(damaged.status == 1 && damaged.errors.contains("The request is damaged or was made up: "))
    #expect(damaged.errors.contains("Do not answer it"))
  }

  /// bo signs an answer that nobody can open.
  private func writeLie(_ program: Program) throws {
    let request = try RecoveryRequestFile(parsing: try program.bytes(of: "request"))
    let motion = try Record(parsing: request.motionLeaf)
    guard case .motion(let fields) = motion.fields else {
      Issue.record("the request's record is a motion")
      return
    }
    let body = try RecoveryRequest(parsing: request.requestBody)
    let answer = RecoveryAnswer(
      recovery: fields.body, member: 1, envelope: body.envelope, sealedReleases: [UInt8](repeating: 7, count: 1_300),
      sealedVeilSecret: [])
    let key = try KeyFile(parsing: try program.bytes(of: "bo.key")) { () throws(PosternError) in .random(count: 1) }
    let ballot = Record(
      app: body.app, role: .member,
      fields: .ballot(
        BallotFields(motion: TreeHash.leaf(request.motionLeaf), answer: .approve, body: SHA256.hash(answer.body))),
      signedBy: try key.signingKey())
    var parts: [UInt8] = []
    for part in [ballot.leaf, answer.body] {
      parts.append(bigEndian: UInt32(part.count))
      parts += part
    }
    let text = Armour(Armour.Kind("RELEASE", byteCountLimit: 256 << 10), body: parts).text
    try Data(text).write(to: URL(filePath: program.folder.path("bo.release")))
  }

  private func recoverThroughKMS(_ program: Program, _ app: String, _ state: [UInt8]) throws {
    let stale = try program.run(
      "recover", "--app", app, "--kms-key", "kms.key", "--out", "again", "--expect-version", "10")
    #expect(stale.status == 1 && stale.errors.contains("(recover.stale)") && !program.exists("again"))
    let named = try program.run(
      "recover", "--app", app, "--kms-key", "kms.key", "--out", "again", "--epoch", "1", "--expect-version", "9")
    #expect(named.status == 1 && named.errors.contains("The epoch that was asked for, 1, holds state version 1"))
    let stranger = try program.run(
      "recover", "--app", app, "--kms-key", "kms.key", "--out", "again", "--uploader", "stranger.key")
    #expect(stranger.status == 1 && stranger.errors.contains("(push.not-an-uploader)") && !program.exists("again"))
    let file = try program.run("latest", "--app", app, "--state", "charter")
    #expect(file.status == 1 && file.errors.contains("(state.location)"))
    // The node's own memory is gone with it; what it recovers is enough to go on in the same generation.
    try FileManager.default.removeItem(atPath: program.folder.path("state"))
    let recovered = try must(
      program, "recover", "--app", app, "--kms-key", "kms.key", "--out", "again", "--uploader", "tee.key", "--json")
    #expect(recovered.contains("\"epoch\":2"))
    #expect(try program.bytes(of: "again") == state)
    let first = try must(
      program, "recover", "--app", app, "--kms-key", "kms.key", "--epoch", "1", "--out", "first", "--json")
    #expect(first.contains("\"epoch\":1"))
    #expect(try program.bytes(of: "first") == Array(state.dropLast()))
    let third = try must(program, "push", "--config", "postern.toml", "again")
    #expect(
      third.contains("\"epoch\":3") && third.contains("\"generation\":1") && third.contains("\"sentByteCount\":0"))
  }
}
