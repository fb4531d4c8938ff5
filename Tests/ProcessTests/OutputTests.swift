import Fixtures
import Foundation
import Testing

extension ProcessTests {
  /// Results that cannot be written are no success, and what was done all the same is said.
  @Suite struct Output {
    /// Starts a program with its descriptors as a shell arranges them.
    private func shell(_ redirection: String, _ machine: Machine) -> Machine {
      machine.inside(["sh", "-c", "exec \"$@\" \(redirection)", "sh"])
    }

    @Test(arguments: [">/dev/full", ">&-"])
    func aResultThatNobodyGotIsNoSuccess(_ redirection: String) async throws {
      var machine = try Machine()
      var mute = shell(redirection, machine)
      let secret = try await mute.postern("key", "new", "kms", "--name", "kms", "--out", "-")
      #expect(secret.isRefused("console.output") && secret.errors.contains("is lost"), "\(secret.errors)")
      let made = try await mute.postern("key", "new", "member", "--name", "ana")
      #expect(made.isRefused("console.output") && made.errors.contains("The key was written to ana.key"))
      #expect(try await mute.postern("key", "show", "--key", "ana.key").isRefused("console.output"))
      let archive = try await mute.postern("archive", "init", "--data", "archive", "--origin", "o.example/log")
      #expect(archive.isRefused("console.output") && archive.errors.contains("The archive in archive was made"))

      let server = try await Server.start(on: machine)
      machine = machine.asking(server)
      mute = shell(redirection, machine)
      let app = try await machine.registerSolo()
      try machine.write("state".utf8, to: "STATE")
      let pushed = try await mute.postern("push", "--app", app, "--key", "solo/uploader.key", "--json", "STATE")
      #expect(pushed.isRefused("console.output") && pushed.errors.contains("Epoch 1 is in the log"))
      let receipt = "state/postern/\(app)/receipts/1.tlog-proof"
      let recover = ["recover", "--app", app, "--kms-key", "solo/kms.key", "--out"]
      for command in [
        ["latest", "--app", app], ["list", "--app", app], ["show", "--app", app, "--epoch", "1", "--json"],
        ["verify", "epoch", "--app", app], ["verify", "receipt", receipt, "--charter", "solo/charter"],
        ["charter", "show", "solo/charter"], recover + ["copy"],
      ] {
        let outcome = try await mute.run(command)
        #expect(outcome.isRefused("console.output"), "\(command): \(outcome.errors)")
      }
      #expect(try machine.bytes(of: "copy") == Array("state".utf8))
      #expect(try await mute.run(recover + ["-"]).isRefused("recover.output"))
      try await machine.must("recovery", "request", "--app", app, "--key", "solo/requester.key", "--out", "request")
      let release = ["council", "release", "--key", "solo/member.key", "--request", "request", "--yes", "--out", "-"]
      #expect(try await mute.run(release).isRefused("console.output"))
    }

    /// No state and no key comes from a descriptor that is closed, and none of the files that a command opens becomes
    /// the place where its remarks go.
    @Test func aClosedDescriptorIsNoFile() async throws {
      let (machine, _, app) = try await Machine.served()
      let deaf = shell("<&-", machine)
      #expect(try await deaf.postern("push", "--app", app, "--key", "solo/uploader.key", "-").isRefused("push.input"))
      #expect(try await deaf.postern("key", "show", "--key", "-").isRefused("file.unreadable"))
      try machine.write("state".utf8, to: "STATE")
      let alone = shell("<&- 2>&-", machine)
      let pushed = try await alone.postern("push", "--app", app, "--key", "solo/uploader.key", "STATE")
      #expect(pushed.status == 0 && pushed.output.hasPrefix("Epoch 1 is accepted") && pushed.errors.isEmpty)
      let none = shell("<&- >&- 2>&-", machine)
      let made = try await none.postern("key", "new", "member", "--name", "ana")
      #expect(made.status == 1 && made.output.isEmpty && made.errors.isEmpty)
      let line = try await machine.must("key", "show", "--key", "ana.key")
      #expect(line.hasPrefix("postern-member1 ana "))
    }

    /// A reader that has seen enough of a list is no failure.
    @Test func aListEndsWithItsReader() async throws {
      let machine = try Machine()
      let folder = URL(filePath: #filePath).appending(path: "../../../Schema/vectors").standardized.path
      let cut = machine.inside(["sh", "-c", "\"$@\" | head -n 1; exit 0", "sh"])
      let first = try await cut.postern("conformance", folder)
      #expect(first.output.split(separator: "\n").count == 1 && first.errors.isEmpty, "\(first.errors)")
    }

    /// A value stands alone in a pipe, and with what it is at a terminal.
    @Test func aValueIsLabelledAtATerminal() async throws {
      let machine = try Machine()
      let words = ["archive", "init", "--origin", "o.example/log", "--data"]
      let piped = try await machine.run(words + ["one"])
      #expect(piped.line.hasPrefix("o.example/log+"))
      let terminal = machine.inside(["sh", "-c", "exec script -qec \"$*\" /dev/null", "sh"])
      let seen = try await terminal.run(words + ["two"])
      #expect(seen.status == 0 && seen.output.contains("verifier key: o.example/log+"), "\(seen.output)\(seen.errors)")
    }
  }
}
