import Fixtures
import Foundation
import Testing

extension ProcessTests {
  /// An application that keeps two epochs: ten pushes take no more room than three, and older epochs are refused in
  /// words.
  @Suite struct Collections {
    private static let stateByteCount = 4 << 20

    private func diskByteCount(_ machine: Machine, _ app: String) throws -> Int {
      let folder = machine.path("archive/packs/\(app)")
      let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
      return try names.filter { $0.hasSuffix(".pack") }.reduce(0) { sum, name in
        // A pack may be written anew while it is looked at.
        guard FileManager.default.fileExists(atPath: "\(folder)/\(name)") else { return sum }
        return sum + ((try FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")[.size] as? Int) ?? 0)
      }
    }

    /// What `verify epoch --json` prints.
    private struct Checked: Decodable {
      let epoch: UInt64
      let isCapsuleHere: Bool
    }

    /// What `list --json` and `show --json` print.
    private struct Listed: Decodable {
      let epoch: UInt64
      let isRetained: Bool?
    }

    @Test func diskUseIsBoundedAndOldEpochsAreRefused() async throws {
      var machine = try Machine()
      _ = try await machine.initArchive()
      let server = try await Server.start(on: machine)
      machine = machine.asking(server)
      let app = try await machine.register(
        "ledger", members: ["ana"], threshold: 1, uploaders: ["tee"], requester: "ops", kms: "kms", retention: 2)
      var generator = SeededGenerator.printing()
      var states: [[UInt8]] = []
      for number in 1...10 {
        states.append(generator.bytes(Collections.stateByteCount))
        try machine.write(states[number - 1], to: "state.bin")
        try await machine.must("push", "--app", app, "--key", "tee.key", "state.bin")
        // Collected in the background: two epochs, what bodies take, and no third before long.
        if number > 2 { try await expectSmall(machine, app) }
      }
      let recover = ["recover", "--app", app, "--kms-key", "kms.key", "--out", "out"]
      for number in 9...10 {
        #expect(try await machine.run(recover + ["--epoch", "\(number)"]).status == 0)
        #expect(try machine.bytes(of: "out") == states[number - 1])
        try FileManager.default.removeItem(atPath: machine.path("out"))
      }
      let refused = try await machine.run(recover + ["--epoch", "1"])
      #expect(refused.isRefused("archive.not-found"), "\(refused.errors)")
      #expect(refused.errors.contains("the charter keeps the application's newest 2 epochs"), "\(refused.errors)")
      #expect(!FileManager.default.fileExists(atPath: machine.path("out")))
      let asked = try await machine.postern(
        "recovery", "request", "--app", app, "--epoch", "1", "--key", "ops.key", "--out", "request")
      #expect(asked.isRefused("archive.not-found"), "\(asked.errors)")

      // Its record and its doors are there, as those of every epoch.
      for number in [1, 8, 9] {
        let checked: Checked = try await machine.json("verify", "epoch", "--app", app, "--epoch", "\(number)")
        #expect(checked.isCapsuleHere == (number == 9))
      }
      let words = try await machine.must("verify", "epoch", "--app", app, "--epoch", "1")
      #expect(words.contains("its capsule was not checked"), "\(words)")
      try await expectTold(machine, app)
      #expect(try await server.end() == 0)
    }

    /// Says that `list` and `show` tell which epochs are not kept any more.
    private func expectTold(_ machine: Machine, _ app: String) async throws {
      let decoder = JSONDecoder()
      let rows = try await machine.must("list", "--app", app, "--json").split(separator: "\n")
      let listed = try rows.map { try decoder.decode(Listed.self, from: Data($0.utf8)) }
      #expect(listed.map(\.epoch) == (1...10).reversed())
      #expect(listed.filter { $0.isRetained == true }.map(\.epoch) == [10, 9])
      let lines = try await machine.must("list", "--app", app).split(separator: "\n")
      #expect(lines.filter { $0.hasSuffix(", not kept any more") } == Array(lines.suffix(8)))
      for number in [1, 8, 9, 10] {
        let shown: Listed = try await machine.json("show", "--app", app, "--epoch", "\(number)")
        let text = try await machine.must("show", "--app", app, "--epoch", "\(number)")
        #expect(shown.isRetained == (number > 8))
        #expect(text.contains("not kept any more: the charter keeps the newest 2 epochs") == (number <= 8))
      }
      // A copy says what it holds; that archives need not have it is another matter.
      _ = try await machine.must("pull", "--app", app, "--out", "held")
      for (number, words) in [(10, "in this folder"), (8, "not in this folder, and archives need not keep it")] {
        let text = try await machine.must("show", "--app", app, "--epoch", "\(number)", "--from", "held")
        #expect(text.contains("  dump           \(words)"), "\(text)")
      }
      let latest: Listed = try await machine.json("latest", "--app", app)
      #expect(latest.epoch == 10 && latest.isRetained == true)
    }

    private func expectSmall(_ machine: Machine, _ app: String) async throws {
      let limit = 2 * Collections.stateByteCount + Collections.stateByteCount / 2
      for _ in 0..<600 where try diskByteCount(machine, app) > limit { try await Task.sleep(for: .milliseconds(50)) }
      let byteCount = try diskByteCount(machine, app)
      #expect(byteCount <= limit)
    }
  }
}
