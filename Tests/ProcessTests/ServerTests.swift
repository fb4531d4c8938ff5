import Core
import Fixtures
import Foundation
import Glibc
import Testing

extension ProcessTests {
  /// How a server starts, ends, and stands its ground.
  @Suite struct Servers {
    @Test func oneFolderHasOneServer() async throws {
      let machine = try Machine()
      let home = try await machine.initArchive()
      let server = try await Server.start(on: machine)
      let second = try await machine.postern("serve", "--data", "archive", "--listen", "127.0.0.1:0")
      #expect(second.isRefused("storage.in-use"), "\(second.errors)")
      #expect(try await machine.postern("archive", "init", "--data", "archive", "--origin", "x.example").status == 1)
      // Neither took anything from the first.
      _ = try await machine.asking(server).registerSolo()
      #expect(try await server.end() == 0)
      let third = try await Server.start(on: machine)
      try await machine.asking(third).must("verify", "receipt", "solo/charter.tlog-proof", "--log-key", home)
      let taken = try await machine.initArchive("other")
      #expect(taken != home)
      let busy = try await machine.postern("serve", "--data", "other", "--listen", third.address)
      #expect(busy.status == 1 && busy.errors.contains("("), "\(busy.errors)")
    }

    /// A server takes the descriptors that it is allowed, not those that it happens to start with.
    @Test func asManyFilesMayBeOpenAsTheSystemAllows() async throws {
      let machine = try Machine()
      _ = try await machine.initArchive()
      let server = try await Server.start(on: machine.inside(["prlimit", "--nofile=64:3000", "--"]))
      let limits = try String(contentsOfFile: "/proc/\(server.child.pid)/limits", encoding: .utf8)
      let line = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
      #expect(line.split(separator: " ").filter { $0 == "3000" }.count == 2, "\(line)")
    }

    /// A folder that the server's user may not read is no missing one, and is left as it is.
    @Test(.enabled("only root may become somebody else") { geteuid() == 0 })
    func anUnreadableFolderIsRefused() async throws {
      let machine = try Machine()
      let home = try await machine.initArchive()
      var server = try await Server.start(on: machine)
      let app = try await machine.asking(server).registerSolo()
      try machine.write("state".utf8, to: "state.bin")
      let pushed: Pushed = try await machine.asking(server).json(
        "push", "--app", app, "--key", "solo/uploader.key", "state.bin")
      #expect(try await server.end() == 0)

      let nobody = machine.inside(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"])
      let names = FileManager.default.subpaths(atPath: machine.path("archive")) ?? []
      for name in ["archive"] + names.map({ "archive/\($0)" }) {
        #expect(chown(machine.path(name), 65_534, 65_534) == 0)
      }
      let before = try contents(machine)
      let victims = ["lock", "keys", "keys/log.key", "index.sqlite", "incoming", "log", "log/checkpoint"]
      for victim in ["archive"] + victims.map({ "archive/\($0)" }) {
        let permissions = try machine.permissions(of: victim)
        #expect(chown(machine.path(victim), 0, 0) == 0 && chmod(machine.path(victim), 0o700) == 0)
        let refused = try await nobody.postern("serve", "--data", "archive", "--listen", "127.0.0.1:0")
        #expect(refused.isRefused("storage.denied"), "\(victim): \(refused.errors)")
        #expect(refused.errors.contains("owner and permissions"), "\(victim): \(refused.errors)")
        #expect(try contents(machine) == before, "\(victim)")
        #expect(chown(machine.path(victim), 65_534, 65_534) == 0)
        #expect(chmod(machine.path(victim), mode_t(permissions)) == 0)
      }
      server = try await Server.start(on: nobody)
      let latest: Shown = try await machine.asking(server).json("latest", "--app", app)
      #expect(latest.epoch == 1 && latest.leafIndex == pushed.leafIndex)
      try await machine.must("verify", "receipt", pushed.receiptPath, "--log-key", home)
      #expect(try await server.end() == 0)
    }

    /// The files of the data folder, but for the index's, whose counters go on whenever it is opened.
    private func contents(_ machine: Machine) throws -> [String: [UInt8]] {
      var contents: [String: [UInt8]] = [:]
      let names = FileManager.default.subpaths(atPath: machine.path("archive")) ?? []
      for name in names where !name.hasPrefix("index.sqlite") {
        contents[name] = (try? machine.bytes(of: "archive/\(name)")) ?? []
      }
      return contents
    }

    @Test func anOperatorSetsLimits() async throws {
      let machine = try Machine()
      _ = try await machine.initArchive()
      for option in ["registrations", "app-bytes", "push-bytes", "pushes", "app-pushes", "connections"] {
        let none = try await machine.postern("serve", "--data", "archive", "--max-\(option)", "0")
        #expect(none.status == 64 && none.errors.contains("--max-\(option)"), "\(none.errors)")
      }
      let server = try await Server.start(
        on: machine, options: ["--max-registrations", "1", "--max-app-bytes", "3000000"])
      let client = machine.asking(server)
      let app = try await client.registerSolo()
      try await client.must("charter", "new", "--solo", "--name", "second", "--out", "second")
      let second = try await client.postern("charter", "register", "second/charter", "--key", "second/member.key")
      #expect(second.isRefused("charter.too-many"), "\(second.errors)")
      try machine.writeState("small.bin", mebibyteCount: 1)
      try machine.writeState("large.bin", mebibyteCount: 4, seed: 2)
      let push = ["push", "--app", app, "--key", "solo/uploader.key"]
      #expect(try await client.run(push + ["large.bin"]).isRefused("push.application-full"))
      try await client.must("push", "--app", app, "--key", "solo/uploader.key", "small.bin")
    }

    /// A server that is told to end does so soon, with clients or without, and goes on where it was.
    @Test(arguments: [SIGTERM, SIGINT]) func aServerEndsWhenItIsTold(signal: Int32) async throws {
      let machine = try Machine()
      let home = try await machine.initArchive()
      var server = try await Server.start(on: machine)
      let app = try await machine.asking(server).registerSolo()
      try machine.write("state".utf8, to: "state.bin")
      var receipts: [String] = []
      for epoch in 1...3 {
        let pushed: Pushed = try await machine.asking(server).json(
          "push", "--app", app, "--key", "solo/uploader.key", "state.bin")
        #expect(pushed.epoch == epoch && !pushed.isRepeat)
        receipts.append(pushed.receiptPath)
        let start = ContinuousClock.now
        #expect(try await server.end(signal) == 0)
        #expect(start.duration(to: .now) < .seconds(5))
        server = try await Server.start(on: machine)
        for receipt in receipts { try await machine.must("verify", "receipt", receipt, "--log-key", home) }
        let latest: Shown = try await machine.asking(server).json("latest", "--app", app)
        #expect(latest.epoch == epoch && latest.rests.contains("newest epoch that this archive shows"))
      }
    }

    /// A push whose state comes slowly does not hold a server up, and is run again afterwards.
    @Test func aServerEndsUnderAPush() async throws {
      let machine = try Machine()
      _ = try await machine.initArchive()
      var server = try await Server.start(on: machine)
      let app = try await machine.asking(server).registerSolo()
      var generator = SeededGenerator.printing()
      let state = generator.bytes(3 << 20)
      var pipe: (reading: Descriptor, writing: Descriptor)? = try Descriptor.pipe(in: machine.folder)
      let client = machine.asking(server)
      let input = try #require(pipe).reading
      async let cut = client.postern("push", "--app", app, "--key", "solo/uploader.key", "-", input: .descriptor(input))
      try await pipe?.writing.write(state.prefix(2 << 20))
      let start = ContinuousClock.now
      #expect(try await server.end() == 0)
      #expect(start.duration(to: .now) < .seconds(10))
      server = try await Server.start(on: machine, address: server.address)
      try await pipe?.writing.write(state.dropFirst(2 << 20))
      pipe = nil
      let outcome = try await cut
      #expect(outcome.status == 0 || outcome.isRefused("push.unknown"), "\(outcome.errors)")
      let again: Pushed = try await machine.asking(server).json(
        "push", "--app", app, "--key", "solo/uploader.key", "-", input: .pipe(state))
      #expect(again.epoch == (outcome.status == 0 ? 2 : 1))
      #expect(try await server.end() == 0)
      #expect(try machine.names(in: "archive/incoming").isEmpty)
    }
  }
}
