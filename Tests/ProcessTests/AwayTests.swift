import Fixtures
import Foundation
import Glibc
import Testing

extension ProcessTests {
  /// Archives that are not there, or go away: who waits is told, and waits no longer than makes sense.
  @Suite struct ArchivesThatAreAway {
    /// Nothing listens: that is said in a sentence, after a few seconds at the most.
    @Test func whereNothingListensItIsSaidSoon() async throws {
      let (machine, server, app) = try await Machine.served()
      try machine.write("state".utf8, to: "state.bin")
      // The other way round: TLS where there is none.
      let secure = try await machine.postern("latest", "--app", app, "--tls")
      #expect(secure.isRefused("wire.unavailable") && secure.errors.contains("does not speak TLS"), "\(secure.errors)")
      #expect(secure.errors.contains("--tls-ca"))
      try await server.end()
      let commands = [
        ["push", "--app", app, "--key", "solo/uploader.key", "state.bin"],
        ["charter", "register", "solo/charter", "--key", "solo/member.key"],
      ]
      for command in commands {
        let start = ContinuousClock.now
        let outcome = try await machine.run(command)
        #expect(start.duration(to: .now) < .seconds(15), "\(command)")
        #expect(outcome.isRefused("wire.unavailable"), "\(outcome.errors)")
        #expect(
          outcome.errors.contains("nothing listens there") && outcome.errors.contains("--tls"), "\(outcome.errors)")
        #expect(!outcome.errors.contains("errno") && !outcome.errors.contains("NIO"), "\(outcome.errors)")
      }
      let unknown = try await machine.postern("latest", "--app", app, "--archive", "no-such-host.invalid:7411")
      #expect(unknown.isRefused("wire.unavailable") && unknown.errors.contains("name is unknown"), "\(unknown.errors)")
    }

    /// An archive that dies under a push and comes back: one note, and the push goes on.
    @Test func aPushSaysThatTheArchiveIsAway() async throws {
      let (machine, first, app) = try await Machine.served()
      var server = first
      let address = server.address
      var generator = SeededGenerator.printing()
      let state = generator.bytes(48 << 20)
      var pipe: (reading: Descriptor, writing: Descriptor)? = try Descriptor.pipe(in: machine.folder)
      let errors = machine.path("errors")
      let child = try machine.start(
        ["push", "--app", app, "--key", "solo/uploader.key", "--json", "-"], input: try #require(pipe).reading,
        output: .output(machine.path("output")), errors: .output(errors))
      try await pipe?.writing.write(state.prefix(40 << 20))
      try await server.end(9)
      try await pipe?.writing.write(state.dropFirst(40 << 20))
      pipe = nil
      try await waitUntil("the push says something") { try !Data(contentsOf: URL(filePath: errors)).isEmpty }
      server = try await Server.start(on: machine, address: address)
      let status = try await child.wait()
      let said = try String(contentsOfFile: errors, encoding: .utf8)
      #expect(said.contains("The archive \(address) is away; trying again"), "\(said)")
      // What was not recorded when it died is lost, and a pipe is not read twice.
      if status == 0 {
        let output = try Data(contentsOf: URL(filePath: machine.path("output")))
        #expect((0...1).contains(try JSONDecoder().decode(Pushed.self, from: output).deduplicatedShare))
      } else {
        #expect(said.contains("(push.incomplete"), "\(said)")
      }
      try await server.end()
    }

    /// An archive that is back after a while is found within seconds, however long it was away.
    @Test func anArchiveThatIsBackIsFoundSoon() async throws {
      let (machine, first, app) = try await Machine.served()
      var server = first
      let address = server.address
      var generator = SeededGenerator.printing()
      let state = generator.bytes(34 << 20)
      var pipe: (reading: Descriptor, writing: Descriptor)? = try Descriptor.pipe(in: machine.folder)
      let errors = machine.path("errors")
      let child = try machine.start(
        ["push", "--app", app, "--key", "solo/uploader.key", "-"], input: try #require(pipe).reading,
        output: .output("/dev/null"), errors: .output(errors))
      // Less than a window, so that nothing was sent when the archive goes.
      try await pipe?.writing.write(state.prefix(1 << 20))
      try await server.end()
      try await pipe?.writing.write(state.dropFirst(1 << 20))
      pipe = nil
      try await waitUntil("the push says something") { try !Data(contentsOf: URL(filePath: errors)).isEmpty }
      try await Task.sleep(for: .seconds(20))
      #expect(child.poll() == nil)
      server = try await Server.start(on: machine, address: address)
      let start = ContinuousClock.now
      let status = try await child.wait()
      let said = try String(contentsOfFile: errors, encoding: .utf8)
      #expect(status == 0, "\(said)")
      // A pause of four seconds, and the push itself.
      #expect(start.duration(to: .now) < .seconds(10))
      try await server.end()
    }

    private func waitUntil(_ what: String, _ condition: () throws -> Bool) async throws {
      for _ in 0..<3_000 {
        if try condition() { return }
        try await Task.sleep(for: .milliseconds(10))
      }
      throw Child.Failure(description: "not within 30 s: \(what)")
    }
  }
}
