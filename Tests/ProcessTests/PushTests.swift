import Bulk
import Fixtures
import Foundation
import Testing

extension ProcessTests {
  /// States of every length, from files and from pipes, and pushes that meet in the middle.
  @Suite struct Pushes {
    @Test func statesOfEveryLengthComeBack() async throws {
      let (machine, _, app) = try await Machine.served()
      var generator = SeededGenerator.printing()
      var epoch: UInt64 = 0
      for byteCount in [0, 1, 16_383, 16_384, 16_385, 65_537, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_141_593] {
        let state = generator.bytes(byteCount)
        try machine.write(state, to: "state.bin")
        let file: Pushed = try await machine.json("push", "--app", app, "--key", "solo/uploader.key", "state.bin")
        let pipe: Pushed = try await machine.json(
          "push", "--app", app, "--key", "solo/uploader.key", "-", input: .pipe(state))
        epoch += 2
        #expect(file.epoch == epoch - 1 && pipe.epoch == epoch, "\(byteCount)")
        #expect(file.readByteCount == byteCount && pipe.readByteCount == byteCount)
        // The same bytes are the same dump, however they came.
        #expect(pipe.sentByteCount == 0 && (byteCount == 0 || file.sentByteCount > byteCount), "\(byteCount)")
        for number in [epoch - 1, epoch] {
          let outcome = try await machine.postern(
            "recover", "--app", app, "--epoch", "\(number)", "--kms-key", "solo/kms.key", "--out", "out")
          try #require(outcome.status == 0, "\(byteCount): \(outcome.errors)")
          #expect(try machine.bytes(of: "out") == state, "\(byteCount)")
          try FileManager.default.removeItem(atPath: machine.path("out"))
        }
      }
    }

    @Test func aHundredMebibytesComeThroughAPipe() async throws {
      let (machine, _, app) = try await Machine.served()
      try machine.writeState("state.bin", mebibyteCount: 100)
      let outcome = try await machine.inside(["sh", "-c", "cat state.bin | \"$@\"", "sh"]).postern(
        "push", "--app", app, "--key", "solo/uploader.key", "-", "--json")
      #expect(outcome.status == 0, "\(outcome.errors)")
      let recovered = try await machine.inside(["sh", "-c", "\"$@\" >out", "sh"]).postern(
        "recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "-")
      #expect(recovered.status == 0, "\(recovered.errors)")
      #expect(try machine.sameBytes("state.bin", "out"))
    }

    /// What cannot be read, or changes meanwhile, is not published.
    @Test func whatIsNoStateIsRefused() async throws {
      let (machine, _, app) = try await Machine.served()
      let push = ["push", "--app", app, "--key", "solo/uploader.key"]
      #expect(try await machine.run(push + ["none"]).isRefused("push.input"))
      try machine.write("five".utf8, to: "state.bin")
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "--state-version", "5", "state.bin")
      let older = try await machine.run(push + ["--state-version", "4", "state.bin"])
      #expect(older.isRefused("epoch.version-went-back"))
      let latest: Shown = try await machine.json("latest", "--app", app)
      #expect(latest.epoch == 1 && latest.stateVersion == 5)
    }

    /// A reader that goes away ends a command with a sentence, and a sender that goes away leaves no epoch.
    @Test func aBrokenPipeEndsACommand() async throws {
      let (machine, _, app) = try await Machine.served()
      try machine.writeState("state.bin", mebibyteCount: 8)
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "state.bin")
      let script = "{ \"$@\"; echo $? >status; } | head -c 1000 >head"
      let cut = try await machine.inside(["sh", "-c", script, "sh"]).postern(
        "recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "-")
      #expect(cut.errors.contains("(recover.output)"), "\(cut.errors)")
      #expect(try machine.bytes(of: "status") == Array("1\n".utf8))
      #expect(try machine.bytes(of: "head")[...] == machine.bytes(of: "state.bin").prefix(1_000))
      // A list whose reader has seen enough is no failure to speak of: it ends, quickly.
      let list = try await machine.inside(["sh", "-c", "\"$@\" | true", "sh"]).postern("list", "--app", app)
      #expect(list.status == 0)
    }

    /// A client that is killed at random instants is simply run again; what it had sent is not sent twice.
    @Test func aKilledPushIsRunAgain() async throws {
      var machine = try Machine()
      let home = try await machine.initArchive()
      let server = try await Server.start(on: machine)
      machine = machine.asking(server)
      let app = try await machine.registerSolo()
      var generator = SeededGenerator.printing()
      var epoch: UInt64 = 0
      for round in 1...10 {
        try machine.write(generator.bytes(6 << 20), to: "state.bin")
        let push = ["push", "--app", app, "--key", "solo/uploader.key", "state.bin", "--json"]
        let child = try machine.start(
          push, input: .input("/dev/null"), output: .output("/dev/null"), errors: .output("/dev/null"))
        try await Task.sleep(for: .milliseconds(Int.random(in: 10...400, using: &generator)))
        child.signal(9)
        _ = try await child.wait()
        let cut = try await machine.postern("latest", "--app", app, "--json")
        let shown = try? JSONDecoder().decode(Shown.self, from: Data(cut.output.utf8))
        let wasAdmitted = shown.map { $0.epoch > epoch } ?? false
        let done: Pushed = try await machine.json("push", "--app", app, "--key", "solo/uploader.key", "state.bin")
        epoch += 1
        // One that had its answer before it was killed is finished: then running it again is another epoch.
        if done.epoch == epoch + 1 {
          #expect(wasAdmitted && !done.isRepeat, "round \(round)")
          epoch += 1
        }
        #expect(done.epoch == epoch, "round \(round)")
        try await machine.must("verify", "receipt", done.receiptPath, "--log-key", home)
        try await machine.must("recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out.\(round)")
        #expect(try machine.sameBytes("state.bin", "out.\(round)"), "round \(round)")
      }
    }

    /// Of two uploaders that push one epoch at once, one is first; the other is told so and comes second.
    @Test func oneOfTwoUploadersIsFirst() async throws {
      var machine = try Machine()
      _ = try await machine.initArchive()
      let server = try await Server.start(on: machine)
      machine = machine.asking(server)
      let app = try await machine.register(
        "ledger", members: ["ana"], threshold: 1, uploaders: ["red", "blue"], requester: "ops", kms: "kms")
      var generator = SeededGenerator.printing()
      let names = ["red", "blue"]
      for name in names { try machine.write(generator.bytes(6 << 20), to: "\(name).bin") }
      // Both have begun before either has read its state to the end.
      var pipes = try names.map { _ in try Descriptor.pipe(in: machine.folder) }
      let sender = machine
      let outcomes = try await withThrowingTaskGroup(of: (Int, Machine.Outcome).self) { tasks in
        for (number, name) in names.enumerated() {
          let input = pipes[number].reading
          let push = ["push", "--app", app, "--key", "\(name).key", "--state", "state-\(name)", "--json", "-"]
          tasks.addTask { (number, try await sender.run(push, input: .descriptor(input))) }
        }
        let states = try names.map { try sender.bytes(of: "\($0).bin") }
        for (pipe, state) in zip(pipes, states) { try await pipe.writing.write(state.dropLast()) }
        for (pipe, state) in zip(pipes, states) { try await pipe.writing.write(state.suffix(1)) }
        pipes = []
        return try await tasks.reduce(into: [Int: Machine.Outcome]()) { $0[$1.0] = $1.1 }
      }
      let winners = outcomes.filter { $0.value.status == 0 }
      #expect(winners.count == 1, "\(outcomes)")
      for (number, outcome) in outcomes where winners[number] == nil { #expect(outcome.isRefused("epoch.taken")) }
      let loser = names[outcomes.keys.first { winners[$0] == nil } ?? 0]
      let again: Pushed = try await machine.json(
        "push", "--app", app, "--key", "\(loser).key", "--state", "state-\(loser)", "\(loser).bin")
      #expect(again.epoch == 2 && again.generation == 2)
      try await machine.must("recover", "--app", app, "--kms-key", "kms.key", "--out", "out")
      #expect(try machine.sameBytes("\(loser).bin", "out"))
    }

    /// A finished push that is run again with its version gets its receipt; without a version it is a new epoch.
    @Test func aFinishedPushIsRepeated() async throws {
      let (machine, _, app) = try await Machine.served()
      try machine.write("state".utf8, to: "state.bin")
      let push = ["push", "--app", app, "--key", "solo/uploader.key", "--state-version", "3", "state.bin", "--json"]
      let outcomes = try await [machine.run(push), machine.run(push)]
      let pushed = try outcomes.map { try JSONDecoder().decode(Pushed.self, from: Data($0.output.utf8)) }
      #expect(pushed.map(\.epoch) == [1, 1] && pushed.map(\.isRepeat) == [false, true])
      #expect(pushed[0].leafIndex == pushed[1].leafIndex && pushed[0].receiptPath == pushed[1].receiptPath)
      let receipt = try Data(contentsOf: URL(filePath: pushed[0].receiptPath))
      let text = try await machine.postern(
        "push", "--app", app, "--key", "solo/uploader.key", "--state-version", "3", "state.bin")
      #expect(text.output.hasPrefix("Epoch 1 was admitted before; nothing new was published."))
      #expect(try Data(contentsOf: URL(filePath: pushed[0].receiptPath)) == receipt)
      #expect(try await machine.must("list", "--app", app, "--json").split(separator: "\n").count == 1)
      let next: Pushed = try await machine.json("push", "--app", app, "--key", "solo/uploader.key", "state.bin")
      #expect(next.epoch == 2 && next.stateVersion == 4 && !next.isRepeat && next.sentByteCount == 0)
    }

    /// Whoever knows how long the state is learns that its pipe was cut, and nothing is published.
    @Test func aPipeThatIsCutIsRefused() async throws {
      let (machine, _, app) = try await Machine.served()
      let push = ["push", "--app", app, "--key", "solo/uploader.key", "--expect-bytes", "3000000"]
      var generator = SeededGenerator.printing()
      let state = generator.bytes(3_000_000)
      for byteCount in [0, 2_999_999, 3_000_001] {
        let bytes = byteCount > state.count ? state + [1] : Array(state.prefix(byteCount))
        let piped = try await machine.run(push + ["-"], input: .bytes(bytes))
        #expect(piped.isRefused("push.length"), "\(piped.errors)")
        try machine.write(bytes, to: "state.bin")
        #expect(try await machine.run(push + ["state.bin"]).isRefused("push.length"))
      }
      #expect(try await machine.postern("latest", "--app", app).isRefused("view.no-epoch"))
      #expect(try await machine.run(push + ["-"], input: .pipe(state)).status == 0)
      try machine.write(state, to: "state.bin")
      #expect(try await machine.run(push + ["state.bin"]).status == 0)
      #expect(try await machine.run(push + ["--expect-bytes", "-1", "state.bin"]).status == 64)
    }

    /// Two folders of one uploader open a generation each time, and are told why and what helps.
    @Test func anotherFolderIsToldWhyEverythingIsSent() async throws {
      let (machine, _, app) = try await Machine.served()
      try machine.writeState("state.bin", mebibyteCount: 1)
      func push(_ folder: String, _ more: String...) async throws -> Opened {
        let outcome = try await machine.run(
          ["push", "--app", app, "--key", "solo/uploader.key", "--state", folder, "state.bin", "--json"] + more)
        return try JSONDecoder().decode(Opened.self, from: Data(outcome.output.utf8))
      }
      let first = try await push("a")
      #expect(first.openedBecause == "first" && first.hint == nil)
      #expect(try await push("a").openedBecause == nil)
      #expect(try await push("a", "--next-generation").openedBecause == "asked")
      let other = try await push("b")
      #expect(other.openedBecause == "not-held" && other.hint?.contains("--uploader") == true)
      let text = try await machine.must(
        "push", "--app", app, "--key", "solo/uploader.key", "--state", "c", "state.bin")
      #expect(text.contains("does not hold") && text.contains("--uploader"))
      // What it says helps.
      let recovered = try await machine.must(
        "recover", "--app", app, "--kms-key", "solo/kms.key", "--uploader", "solo/uploader.key", "--state", "a",
        "--out", "out", "--json")
      #expect(recovered.contains("\"keptGeneration\":true"))
      let back = try await push("a")
      #expect(back.openedBecause == nil && back.sentByteCount == 0)
    }

    /// A version that two epochs have is told to programs, too.
    @Test func twoEpochsOfOneVersionAreTold() async throws {
      let (machine, _, app) = try await Machine.served()
      try machine.write("one".utf8, to: "one")
      try machine.write("two".utf8, to: "two")
      let push = ["push", "--app", app, "--key", "solo/uploader.key", "--state-version", "7", "--json"]
      let first = try await machine.run(push + ["one"])
      #expect(first.status == 0 && !first.output.contains("previousOfSameVersion\":1"), "\(first.output)")
      let second = try await machine.run(push + ["two"])
      #expect(second.output.contains("\"previousOfSameVersion\":1"), "\(second.output)")
    }

    /// What the archive lost is sent, and no figure says that it was spared.
    @Test func whatAnArchiveLostIsNotSpared() async throws {
      let machine = try Machine()
      _ = try await machine.initArchive()
      var server = try await Server.start(on: machine)
      let app = try await machine.asking(server).registerSolo()
      try machine.writeState("state.bin", mebibyteCount: 8)
      let push = ["push", "--app", app, "--key", "solo/uploader.key", "state.bin"]
      #expect(try await machine.asking(server).run(push).output.contains("deduplicated"))
      try await server.end()
      for name in try machine.names(in: "archive/packs/\(app)/1") {
        try FileManager.default.removeItem(atPath: machine.path("archive/packs/\(app)/1/\(name)"))
      }
      server = try await Server.start(on: machine)
      let again = try await machine.asking(server).run(push)
      #expect(again.status == 0 && again.output.contains("because the archive had lost it"), "\(again.errors)")
      #expect(!again.output.contains("deduplicated"))
    }

    /// One state folder is one uploader's, one push at a time.
    @Test func aStateFolderIsUsedOnce() async throws {
      var machine = try Machine()
      _ = try await machine.initArchive()
      let server = try await Server.start(on: machine)
      machine = machine.asking(server)
      let app = try await machine.register(
        "ledger", members: ["ana"], threshold: 1, uploaders: ["red", "blue"], requester: "ops", kms: "kms")
      try machine.write("state".utf8, to: "state.bin")
      let push = ["push", "--app", app, "--key", "red.key"]
      try await machine.must("push", "--app", app, "--key", "red.key", "state.bin")
      var pipe: (reading: Descriptor, writing: Descriptor)? = try Descriptor.pipe(in: machine.folder)
      let child = try machine.start(
        push + ["-"], input: try #require(pipe).reading, output: .output("/dev/null"), errors: .output("/dev/null"))
      // It has begun once it has read more than a pipe holds.
      try await pipe?.writing.write([UInt8](repeating: 1, count: 1 << 20))
      #expect(try await machine.run(push + ["state.bin"]).isRefused("state.in-use"))
      pipe = nil
      #expect(try await child.wait() == 0)
      // What one uploader sealed there does not open under another's key.
      let other = try await machine.postern("push", "--app", app, "--key", "blue.key", "state.bin")
      #expect(other.isRefused("state.does-not-open"), "\(other.errors)")
      #expect(try await machine.run(push + ["state.bin"]).status == 0)
    }
  }
}

/// What `push --json` says of generations.
private struct Opened: Decodable {
  let openedBecause: String?
  let hint: String?
  let sentByteCount: Int
}
