import Fixtures
import Foundation
import Glibc
import Testing

extension ProcessTests {
  /// Disks that are full: a refusal, nothing half, and everything goes on once there is space.
  @Suite(.enabled("only root may make a small disk") { SmallDisk.isAllowed }) struct Disks {
    @Test func aRecoveryOntoAFullDiskLeavesNothing() async throws {
      let (machine, _, app) = try await Machine.served()
      try machine.writeState("state.bin", mebibyteCount: 8)
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "state.bin")
      let disk = try await SmallDisk(mebibyteCount: 12)
      try disk.fill("filler", byteCount: 6 << 20)
      let recover = ["recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "\(disk.path)/out"]
      let full = try await machine.inside(disk.prefix).run(recover)
      #expect(full.isRefused("recover.no-room"), "\(full.errors)")
      #expect(full.errors.contains("8388608 bytes") && full.errors.contains("6291456 left"), "\(full.errors)")
      #expect(try disk.names() == ["filler"])
      try disk.remove("filler")
      #expect(try await machine.inside(disk.prefix).run(recover).status == 0)
      #expect(try disk.names() == ["out"])
      // Nor does a client whose own memory finds no room break anything.
      let push = ["push", "--app", app, "--key", "solo/uploader.key", "--state", "\(disk.path)/state", "state.bin"]
      try disk.fill("filler")
      let forgetful = try await machine.inside(disk.prefix).run(push)
      #expect(forgetful.isRefused("storage.full") && forgetful.errors.contains("with --state"), "\(forgetful.errors)")
      let state = ["--out", "other", "--state", "\(disk.path)/state"]
      let away = try await machine.inside(disk.prefix).run(Array(recover.dropLast(2)) + state)
      #expect(away.isRefused("storage.full") && away.errors.contains("with --state"), "\(away.errors)")
      #expect(!away.errors.contains(".tmp"), "\(away.errors)")
      try disk.remove("filler")
      let done = try await machine.inside(disk.prefix).run(push + ["--json"])
      #expect(done.status == 0 && done.output.contains("\"epoch\":2"), "\(done.errors)")
    }

    /// The cache of a push is worth nothing beside the push: it gives way where both find no room.
    @Test func aPushNeedsNoRoomForItsCache() async throws {
      let machine = try Machine()
      _ = try await machine.initArchive()
      let server = try await Server.start(on: machine)
      let asking = machine.asking(server)
      let app = try await asking.register(
        "pages", members: ["m"], threshold: 1, uploaders: ["u"], requester: "r", kms: "k")
      try machine.writeState("state.bin", mebibyteCount: 96)
      let disk = try await SmallDisk(mebibyteCount: 1)
      for number in 1...2 {
        let push = ["push", "--app", app, "--key", "u.key", "--state", "\(disk.path)/state", "--json", "state.bin"]
        let done = try await asking.inside(disk.prefix).run(push)
        #expect(done.status == 0 && done.output.contains("\"epoch\":\(number)"), "\(done.errors)")
      }
    }

    /// What a request could not be written for is no secret, and does not stand in the way of the next one.
    @Test func aRequestThatFindsNoRoomLeavesNoSecret() async throws {
      let (machine, _, app) = try await Machine.served()
      try machine.write([1, 2, 3], to: "small")
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "small")
      let disk = try await SmallDisk(mebibyteCount: 1)
      let request = [
        "recovery", "request", "--app", app, "--key", "solo/requester.key", "--out", "\(disk.path)/req",
      ]
      var refusedCount = 0
      for pageCount in 0..<12 {
        try disk.fill("filler", byteCount: (256 - pageCount) << 12)
        let done = try await machine.inside(disk.prefix).run(request)
        if done.status == 0 { break }
        #expect(done.isRefused("storage.full"), "\(done.errors)")
        #expect(try disk.names() == ["filler"])
        refusedCount += 1
        try disk.remove("filler")
      }
      #expect(try refusedCount > 0 && disk.names().contains("req.secret"))
    }

    /// A small dump may be of a state that no disk holds; and a disk may fill up while a state is written.
    @Test func aStateThatOutgrowsTheDiskLeavesNothing() async throws {
      let (machine, _, app) = try await Machine.served()
      let file = try Descriptor.output(machine.path("zeros.bin"))
      #expect(ftruncate(file.number, 512 << 20) == 0)
      let bomb: Pushed = try await machine.json("push", "--app", app, "--key", "solo/uploader.key", "zeros.bin")
      #expect(bomb.sentByteCount < 1 << 20)
      let disk = try await SmallDisk(mebibyteCount: 600)
      let recover = ["recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "\(disk.path)/out"]
      try disk.fill("filler", byteCount: 100 << 20)
      #expect(try await machine.inside(disk.prefix).run(recover).isRefused("recover.no-room"))
      try disk.remove("filler")

      let errors = machine.path("errors")
      let child = try machine.inside(disk.prefix).start(
        recover, input: .input("/dev/null"), output: .output("/dev/null"), errors: .output(errors))
      while try disk.freeByteCount() == 600 << 20 {
        try #require(child.poll() == nil)
        usleep(200)
      }
      child.signal(SIGSTOP)
      try disk.fill("filler")
      child.signal(SIGCONT)
      #expect(try await child.wait() == 1)
      let said = try String(contentsOfFile: errors, encoding: .utf8)
      #expect(said.contains("storage.full"), "\(said)")
      #expect(try disk.names() == ["filler"])
    }

    @Test func anArchiveOnAFullDiskRefusesAndGoesOn() async throws {
      let disk = try await SmallDisk(mebibyteCount: 40)
      var machine = try Machine(prefix: disk.prefix)
      let data = "\(disk.path)/archive"
      let home = try await machine.initArchive(data)
      let server = try await Server.start(on: machine, data: data)
      machine = machine.asking(server)
      let app = try await machine.registerSolo()
      let other = try await machine.registerSolo("other")
      try machine.writeState("small.bin", mebibyteCount: 1)
      try machine.writeState("large.bin", mebibyteCount: 16, seed: 2)
      let push = ["push", "--app", app, "--key", "solo/uploader.key", "--json"]
      let first: Pushed = try await machine.json("push", "--app", app, "--key", "solo/uploader.key", "small.bin")

      try disk.fill("filler", byteCount: 28 << 20)
      let large = try await machine.run(push + ["large.bin"])
      #expect(large.isRefused("storage.full"), "\(large.errors)")
      #expect(large.errors.contains("archive's disk is full"))
      #expect(!large.errors.contains(data), "a path of the server: \(large.errors)")
      // What was there is shown, and comes back, while there is no space at all: not for a begin, nor for a charter.
      try disk.fill("rest")
      let none = try await machine.postern("push", "--app", other, "--key", "other/uploader.key", "small.bin")
      #expect(none.isRefused("storage.full"), "\(none.errors)")
      try await machine.must("charter", "new", "--solo", "--out", "third", "--home", home)
      let third = try await machine.postern("charter", "register", "third/charter", "--key", "third/member.key")
      #expect(third.isRefused("storage.full") && !third.errors.contains("push"), "\(third.errors)")
      let latest: Shown = try await machine.json("latest", "--app", app)
      #expect(latest.epoch == 1 && latest.leafIndex == first.leafIndex)
      try await machine.must("recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out")
      #expect(try machine.sameBytes("small.bin", "out"))
      #expect(server.child.poll() == nil)

      try disk.remove("rest")
      try disk.remove("filler")
      let second: Pushed = try await machine.json("push", "--app", app, "--key", "solo/uploader.key", "large.bin")
      #expect(second.epoch == 2 && second.generation == 1)
      try await machine.must("recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out.2")
      #expect(try machine.sameBytes("large.bin", "out.2"))
      for receipt in [first.receiptPath, second.receiptPath] {
        try await machine.must("verify", "receipt", receipt, "--log-key", home)
      }
      let late: Pushed = try await machine.json("push", "--app", other, "--key", "other/uploader.key", "small.bin")
      #expect(late.epoch == 1)
      try await machine.must("charter", "register", "third/charter", "--key", "third/member.key")
      #expect(try await server.end() == 0)
      #expect(try disk.names(in: "archive/incoming").isEmpty)
    }

    /// Without a byte left it starts all the same, shows what it has, and takes more once there is space.
    @Test func anArchiveStartsWhereNoByteIsLeft() async throws {
      let disk = try await SmallDisk(mebibyteCount: 24)
      var machine = try Machine(prefix: disk.prefix)
      let data = "\(disk.path)/archive"
      _ = try await machine.initArchive(data)
      let first = try await Server.start(on: machine, data: data)
      let app = try await machine.asking(first).registerSolo()
      try machine.writeState("small.bin", mebibyteCount: 1)
      try machine.writeState("other.bin", mebibyteCount: 2, seed: 2)
      let push = ["push", "--app", app, "--key", "solo/uploader.key"]
      // So many that the database would have to grow by more than a start itself gives back.
      for _ in 0..<60 { #expect(try await machine.asking(first).run(push + ["small.bin"]).status == 0) }
      try await first.end(9)
      try disk.fill("filler")

      // Twice: a start moves the write-ahead log where it can, and the next one has to find one all the same.
      try await Server.start(on: machine, data: data).end(9)
      let server = try await Server.start(on: machine, data: data)
      machine = machine.asking(server)
      let latest: Shown = try await machine.json("latest", "--app", app)
      #expect(latest.epoch == 60)
      try await machine.must("recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out")
      #expect(try machine.sameBytes("small.bin", "out"))
      let full = try await machine.run(push + ["other.bin"])
      #expect(full.isRefused("storage.full"), "\(full.errors)")
      try disk.remove("filler")
      let done = try await machine.run(push + ["other.bin"])
      #expect(done.status == 0, "\(done.errors)")
      #expect(try await server.end() == 0)
      #expect(try disk.names(in: "archive/incoming").isEmpty)
    }

    /// A server that dies on a full disk starts again, on the full disk or once there is space.
    @Test func anArchiveStartsAgainAfterAFullDisk() async throws {
      let disk = try await SmallDisk(mebibyteCount: 24)
      let machine = try Machine(prefix: disk.prefix)
      let data = "\(disk.path)/archive"
      let home = try await machine.initArchive(data)
      var server = try await Server.start(on: machine, data: data)
      let app = try await machine.asking(server).registerSolo()
      try machine.writeState("small.bin", mebibyteCount: 1)
      try machine.writeState("large.bin", mebibyteCount: 32, seed: 2)
      let first: Pushed = try await machine.asking(server).json(
        "push", "--app", app, "--key", "solo/uploader.key", "small.bin")
      let large = try await machine.asking(server).postern(
        "push", "--app", app, "--key", "solo/uploader.key", "large.bin")
      #expect(large.isRefused("storage.full"), "\(large.errors)")
      try await server.end(9)
      server = try await Server.start(on: machine, data: data)
      let latest: Shown = try await machine.asking(server).json("latest", "--app", app)
      #expect(latest.epoch == 1)
      // The uploader's next push is smaller: what the refused one left does not stand in its way for ever.
      try machine.writeState("other.bin", mebibyteCount: 2, seed: 3)
      let second: Pushed = try await machine.asking(server).json(
        "push", "--app", app, "--key", "solo/uploader.key", "--next-generation", "other.bin")
      #expect(second.epoch == 2)
      for receipt in [first.receiptPath, second.receiptPath] {
        try await machine.must("verify", "receipt", receipt, "--log-key", home)
      }
      try await machine.asking(server).must("recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out")
      #expect(try machine.sameBytes("other.bin", "out"))
    }
  }
}
