import Fixtures
import Foundation
import Glibc
import Testing

extension ProcessTests {
  /// What a state is kept in: a database that is at work, a directory.
  @Suite struct StateSources {
    /// A program that commits rows, numbered from 1, to a database until it is ended.
    private struct Writer {
      let child: Child

      init(_ machine: Machine, _ database: String) throws {
        let script = """
          i=0; while i=$((i + 1)); do
            echo "INSERT INTO entry VALUES ($i, randomblob(1000)), (-$i, randomblob(1000));"
          done | sqlite3 -bail -cmd ".timeout 20000" "$0"
          """
        child = try Child(
          "sh", ["-c", script, database], environment: ["PATH": "/usr/bin:/bin"], folder: machine.folder,
          descriptors: [.input("/dev/null"), .output("/dev/null"), .output(machine.path("writer.errors"))])
      }
    }

    private func printed(_ machine: Machine, _ name: String) -> String {
      (try? machine.bytes(of: name)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private func sqlite(_ machine: Machine, _ database: String, _ text: String) async throws -> String {
      let output = machine.path("sqlite.output")
      let child = try Child(
        "sqlite3", ["-cmd", ".timeout 20000", database, text], environment: ["PATH": "/usr/bin:/bin"],
        folder: machine.folder,
        descriptors: [.input("/dev/null"), .output(output), .output(machine.path("sqlite.errors"))])
      let status = try await child.wait()
      try #require(status == 0, "\(printed(machine, "sqlite.errors"))")
      return printed(machine, "sqlite.output").trimmingCharacters(in: .newlines).replacing("\n", with: " ")
    }

    /// Thrice from under a writer's hands: each time what had been committed by then, and no half transaction.
    @Test(arguments: ["WAL", "DELETE"]) func aLiveLedgerIsPushed(mode: String) async throws {
      let (machine, _, app) = try await Machine.served()
      try FileManager.default.createDirectory(atPath: machine.path("ledger"), withIntermediateDirectories: false)
      let setup = "PRAGMA journal_mode = \(mode); CREATE TABLE entry (n INTEGER PRIMARY KEY, bytes BLOB);"
      _ = try await sqlite(machine, "ledger/l.db", setup)
      let writer = try Writer(machine, "ledger/l.db")
      let count = "SELECT count(*) FROM entry;"
      for round in 1...3 {
        let before = try #require(Int(try await sqlite(machine, "ledger/l.db", count)))
        let pushed: Pushed = try await machine.json(
          "push", "--app", app, "--key", "solo/uploader.key", "--sqlite", "ledger/l.db")
        let after = try #require(Int(try await sqlite(machine, "ledger/l.db", count)))
        #expect(
          writer.child.poll() == nil, "\(printed(machine, "writer.errors"))")
        #expect(pushed.epoch == UInt64(round) && pushed.generation == 1)
        // Nothing stays beside the database but what its own readers and writers keep there.
        #expect(try machine.names(in: "ledger").allSatisfy { $0.hasPrefix("l.db") })
        try await machine.must("recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out.\(round)")
        #expect(try machine.permissions(of: "out.\(round)") == 0o600)
        let answer = try await sqlite(
          machine, "out.\(round)", "PRAGMA integrity_check; SELECT count(*), 2 * max(n), -2 * min(n) FROM entry;")
        let words = answer.split { " |".contains($0) }.map(String.init)
        let rows = try #require(words.last.flatMap { Int($0) }, "\(answer)")
        #expect(words == ["ok", "\(rows)", "\(rows)", "\(rows)"], "\(answer)")
        #expect((before...after).contains(rows) && after > before, "\(before), \(rows), \(after)")
      }
      writer.child.endGroup()
      _ = try await writer.child.wait()
    }

    /// What did not change is not sent again, although the snapshot is another file each time.
    @Test func aSnapshotDeduplicates() async throws {
      let (machine, _, app) = try await Machine.served()
      let setup = """
        PRAGMA journal_mode = WAL; CREATE TABLE entry (n INTEGER PRIMARY KEY, bytes BLOB);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)
          INSERT INTO entry SELECT i, randomblob(1000) FROM n;
        """
      _ = try await sqlite(machine, "l.db", setup)
      func push() async throws -> Pushed {
        try await machine.json("push", "--app", app, "--key", "solo/uploader.key", "--sqlite", "l.db")
      }
      let first = try await push()
      #expect(first.sentByteCount > 8_000_000)
      #expect(try await push().sentByteCount == 0)
      _ = try await sqlite(machine, "l.db", "UPDATE entry SET bytes = randomblob(1000) WHERE n = 4000")
      let third = try await push()
      #expect(third.sentByteCount > 0 && third.sentByteCount < 256 << 10, "\(third)")
      let wrong = try await machine.postern("push", "--app", app, "--key", "solo/uploader.key", "--sqlite", "none.db")
      #expect(wrong.isRefused("snapshot.missing"))
      let both = try await machine.postern(
        "push", "--app", app, "--key", "solo/uploader.key", "--sqlite", "l.db", "l.db")
      let neither = try await machine.postern("push", "--app", app, "--key", "solo/uploader.key")
      #expect(both.status == 64 && neither.status == 64)
    }

    /// What tells two directories apart: paths, kinds, permissions and links' targets.
    private func listing(_ machine: Machine, _ folder: String) async throws -> [UInt8] {
      let output = machine.path("listing")
      let child = try Child(
        "sh", ["-c", "cd \"$0\" && find . -printf '%P\\0%y %m %l\\0\\n' | LC_ALL=C sort -z", folder],
        environment: ["PATH": "/usr/bin:/bin"], folder: machine.folder,
        descriptors: [.input("/dev/null"), .output(output), .output("/dev/null")])
      #expect(try await child.wait() == 0)
      return try machine.bytes(of: "listing")
    }

    private func shell(_ machine: Machine, _ script: String) async throws -> Int32 {
      let child = try Child(
        "sh", ["-c", script], environment: ["PATH": "/usr/bin:/bin", "LC_ALL": "C"], folder: machine.folder,
        descriptors: [
          .input("/dev/null"), .output(machine.path("shell.output")), .output(machine.path("shell.errors")),
        ])
      return try await child.wait()
    }

    /// A directory with everything in it that may be there.
    private func makeTree(_ machine: Machine) async throws {
      let script = """
        set -e
        mkdir tree && cd tree
        long=$(printf 'n%.0s' $(seq 250)); deep=$(printf 'd%.0s' $(seq 90))
        mkdir -p "sp ace/$deep/$deep/$deep" empty closed "$long"
        echo deep >"sp ace/$deep/$deep/$deep/f"; echo long >"$long/$long"
        echo line >"$(printf 'new\\nline')"; echo uni >'ünïcödé-文'; echo foul >"$(printf 'not\\377utf8')"
        echo dash >-rf; echo star >'*'; echo quote >"'\\""; echo hidden >.hidden
        : >nothing; head -c 512 /dev/zero >block; head -c 3000001 /dev/urandom >large
        ln -s nowhere dangling; ln -s /etc/passwd absolute; ln -s .. up; ln -s empty folder-link
        ln -s "$deep/$deep/$deep" long-link; ln large hard; truncate -s 5M holes
        chmod 4755 large; chmod 0000 nothing; chmod 0777 block; echo in >closed/f; chmod 0400 closed/f
        chmod 0500 closed; chmod 0751 .
        """
      let status = try await shell(machine, script)
      try #require(status == 0, "\(printed(machine, "shell.errors"))")
    }

    @Test func aDirectoryComesBackAsItWas() async throws {
      let (machine, _, app) = try await Machine.served()
      try await makeTree(machine)
      let push = ["push", "--app", app, "--key", "solo/uploader.key", "tree", "--json"]
      let first = try JSONDecoder().decode(Pushed.self, from: Data(try await machine.run(push).output.utf8))
      let recovered: RecoveredDirectory = try await machine.json(
        "recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out")
      #expect(recovered.isDirectory && recovered.byteCount == first.readByteCount)
      #expect(try await shell(machine, "diff -r --no-dereference tree out") == 0)
      // Rights beyond the nine permissions are not given back.
      #expect(try await shell(machine, "chmod 0755 tree/large") == 0)
      #expect(try await listing(machine, "tree") == listing(machine, "out"))
      // The same directory is the same dump, and so is the one that came back.
      let second: Pushed = try await machine.json("push", "--app", app, "--key", "solo/uploader.key", "out/")
      #expect(second.sentByteCount == 0 && second.readByteCount == first.readByteCount)
      #expect(
        try await machine.run(["recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out"]).isRefused(
          "recover.exists"))

      // GNU tar reads what standard output gets, and writes the very same bytes.
      let script = """
        set -e
        mkdir untarred && tar -xpf archive.tar -C untarred && diff -r --no-dereference tree untarred
        tar -tvf archive.tar >/dev/null
        tar -C tree --format=pax -b1 --sort=name --hard-dereference --mtime=@0 --owner=0 --group=0 --numeric-owner \
          --pax-option=exthdr.name=pax_header,delete=atime,delete=ctime,delete=mtime -cf again.tar .
        cmp archive.tar again.tar
        """
      let piped = try await machine.inside(["sh", "-c", "\"$@\" >archive.tar", "sh"]).postern(
        "recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "-")
      #expect(piped.status == 0 && piped.errors.contains("any tar unpacks"), "\(piped.errors)")
      let status = try await shell(machine, script)
      #expect(status == 0, "\(printed(machine, "shell.errors"))")
      #expect(try await listing(machine, "tree") == listing(machine, "untarred"))
    }

    /// What is in it may not be read by everybody; a directory that changes, or that no archive holds, is no state.
    @Test func aDirectoryThatIsNoStateIsRefused() async throws {
      let (machine, _, app) = try await Machine.served()
      try await makeTree(machine)
      let push = ["push", "--app", app, "--key", "solo/uploader.key", "tree"]
      #expect(mkfifo(machine.path("tree/pipe"), 0o600) == 0)
      let pipe = try await machine.run(push)
      #expect(pipe.isRefused("push.entry") && pipe.errors.contains("“tree/pipe” is a pipe"), "\(pipe.errors)")
      unlink(machine.path("tree/pipe"))
      let short = try await machine.run(push + ["--expect-bytes", "1000"])
      #expect(short.isRefused("push.length"))
      // A writer that never rests.
      let child = try Child(
        "sh", ["-c", "while :; do date +%N >tree/busy; done"], environment: ["PATH": "/usr/bin:/bin"],
        folder: machine.folder, descriptors: [.input("/dev/null"), .output("/dev/null"), .output("/dev/null")])
      while !machine.exists("tree/busy") { usleep(1_000) }
      // The folder changed with it, and is to have changed before the push looks.
      usleep(100_000)
      let busy = try await machine.run(push)
      #expect(busy.isRefused("push.changed") && busy.errors.contains("“tree/busy” changed"), "\(busy.errors)")
      child.endGroup()
      _ = try await child.wait()
      #expect(try await machine.postern("latest", "--app", app).isRefused("view.no-epoch"))
      #expect(try await machine.run(push).status == 0)
    }

    /// What is broken off leaves nothing: neither the plain bytes of a directory, nor the fingerprints of a push.
    @Test func whatIsBrokenOffLeavesNothing() async throws {
      let (machine, _, app) = try await Machine.served()
      try FileManager.default.createDirectory(atPath: machine.path("tree"), withIntermediateDirectories: false)
      try machine.writeState("tree/large", mebibyteCount: 256)
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "tree")
      let recover = ["recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out"]
      let push = ["push", "--app", app, "--key", "solo/uploader.key", "--next-generation", "tree"]
      let state = machine.path("state/postern/\(app)")
      func part() throws -> String? { try machine.names().first { $0.hasPrefix(".out.") && $0.hasSuffix(".part") } }
      func cache() throws -> String? { access("\(state)/fingerprints.new", F_OK) == 0 ? "fingerprints.new" : nil }
      let cases: [([String], () throws -> String?)] = [(recover, part), (push, cache)]
      for signal in [SIGINT, SIGTERM, SIGHUP] {
        for (command, leftover) in cases {
          let child = try machine.start(
            command, input: .input("/dev/null"), output: .output("/dev/null"), errors: .output(machine.path("said")))
          while try leftover() == nil {
            try #require(child.poll() == nil, "it was done before it was broken off")
            usleep(200)
          }
          child.signal(signal)
          // As the signal itself would have ended it, so that a shell's script ends as well.
          #expect(try await child.wait() == -signal)
          #expect(try leftover() == nil, "\(command[0]), signal \(signal)")
          #expect(!machine.exists("out"))
          let said = try String(contentsOfFile: machine.path("said"), encoding: .utf8)
          #expect(said.contains("Interrupted. Run the push again") == (command == push), "\(said)")
          #expect(said.contains("Interrupted. What was written is being removed") == (command == recover), "\(said)")
        }
      }
      // Whoever has the hanging up of a terminal ignored goes on.
      let child = try machine.inside(["nohup"]).start(
        recover, input: .input("/dev/null"), output: .output("/dev/null"), errors: .output("/dev/null"))
      while try part() == nil {
        try #require(child.poll() == nil, "it was done before it was hung up on")
        usleep(200)
      }
      child.signal(SIGHUP)
      #expect(try await child.wait() == 0)
      #expect(try machine.sameBytes("tree/large", "out/large"))
    }

    /// To remove many files takes a while, in which nothing more is written, and a second signal changes nothing.
    @Test func anInterruptedRecoveryOfManyFilesLeavesNothing() async throws {
      let (machine, _, app) = try await Machine.served()
      for folder in 0..<40 {
        let path = machine.path("tree/\(folder)")
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for file in 0..<100 { try Data(count: 20_000 + file).write(to: URL(filePath: "\(path)/\(file)")) }
      }
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "tree")
      let recover = ["recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out"]
      func part() throws -> String? { try machine.names().first { $0.hasPrefix(".out.") && $0.hasSuffix(".part") } }
      for (folder, signal) in [(1, SIGINT), (5, SIGTERM), (12, SIGHUP), (20, SIGINT), (28, SIGTERM)] {
        let child = try machine.start(
          recover, input: .input("/dev/null"), output: .output("/dev/null"), errors: .output(machine.path("said")))
        while try !(part().map { machine.exists("\($0)/\(folder)") } ?? false) {
          try #require(child.poll() == nil, "it was done before it was broken off")
          usleep(200)
        }
        child.signal(signal)
        for _ in 0..<3 {
          usleep(3_000)
          child.signal(SIGINT)
        }
        // Of two that wait, either's handler may be the first to run.
        #expect([-signal, -SIGINT].contains(try await child.wait()))
        #expect(try part() == nil && !machine.exists("out"))
        let said = try String(contentsOfFile: machine.path("said"), encoding: .utf8)
        #expect(said.contains("Interrupted.") && said.split(separator: "\n").count < 5, "\(said.prefix(500))")
      }
      #expect(try await machine.run(recover).status == 0)
    }

    /// A recovery that is killed leaves what it had under another name, open to its owner alone.
    @Test func aKilledRecoveryNamesNothing() async throws {
      let (machine, _, app) = try await Machine.served()
      try FileManager.default.createDirectory(atPath: machine.path("tree"), withIntermediateDirectories: false)
      try machine.writeState("tree/large", mebibyteCount: 256)
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "tree")
      let recover = ["recover", "--app", app, "--kms-key", "solo/kms.key", "--out", "out"]
      let child = try machine.start(
        recover, input: .input("/dev/null"), output: .output("/dev/null"), errors: .output("/dev/null"))
      var part: String?
      while part == nil {
        try #require(child.poll() == nil, "it was done before it was killed")
        part = try machine.names().first { $0.hasPrefix(".out.") && $0.hasSuffix(".part") }
        usleep(200)
      }
      child.signal(SIGKILL)
      #expect(try await child.wait() == -SIGKILL)
      #expect(!machine.exists("out"))
      #expect(try machine.permissions(of: part ?? "") == 0o700)
      #expect(try await machine.run(recover).status == 0)
      #expect(try machine.sameBytes("tree/large", "out/large"))
    }
  }

  /// States and little space.
  @Suite(.enabled("this machine gives the tests no small file system") { SmallDisk.isAllowed })
  struct StatesOnSmallDisks {
    @Test func aSnapshotNeedsRoom() async throws {
      let (machine, _, app) = try await Machine.served()
      let disk = try await SmallDisk(mebibyteCount: 112)
      let inside = machine.inside(disk.prefix)
      let script = """
        PRAGMA journal_mode = OFF; CREATE TABLE entry (bytes BLOB);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000)
          INSERT INTO entry SELECT zeroblob(4000) FROM n;
        """
      let words = disk.prefix + ["sqlite3", "\(disk.path)/l.db", script]
      let maker = try Child(
        words[0], Array(words.dropFirst()), environment: ["PATH": "/usr/bin:/bin"], folder: "/",
        descriptors: [.input("/dev/null"), .output("/dev/null"), .output("/dev/null")])
      try #require(await maker.wait() == 0)
      let push = ["push", "--app", app, "--key", "solo/uploader.key", "--sqlite", "\(disk.path)/l.db"]
      let byteCount = try disk.freeByteCount()

      // There was never room for it.
      try disk.fill("filler", byteCount: byteCount - (48 << 20))
      let none = try await inside.run(push)
      #expect(none.isRefused("snapshot.no-room") && none.errors.contains("nothing was written"), "\(none.errors)")
      #expect(try disk.names() == ["filler", "l.db"])

      // There was, and then somebody else took it.
      try disk.remove("filler")
      try disk.fill("filler", byteCount: byteCount - (52 << 20))
      let errors = machine.path("errors")
      let child = try inside.start(
        push, input: .input("/dev/null"), output: .output("/dev/null"), errors: .output(errors))
      while try disk.freeByteCount() > 51 << 20 {
        try #require(child.poll() == nil, "it was done before the disk was full")
        usleep(100)
      }
      // Halted meanwhile, or it might be done first.
      child.signal(SIGSTOP)
      do {
        defer { child.signal(SIGCONT) }
        try disk.fill("rest")
      }
      #expect(try await child.wait() == 1)
      let said = try String(contentsOfFile: errors, encoding: .utf8)
      #expect(said.contains("(snapshot.no-room)") && said.contains("became full"), "\(said)")
      #expect(try disk.names() == ["filler", "l.db", "rest"])
      #expect(try await machine.postern("latest", "--app", app).isRefused("view.no-epoch"))

      try disk.remove("rest")
      try disk.remove("filler")
      #expect(try await inside.run(push).status == 0)
      // The room is free again.
      #expect(try disk.freeByteCount() == byteCount)
      #expect(try disk.names() == ["l.db"])
    }

    /// The snapshot lies beside the database and nowhere else, so that folder has to take it.
    @Test func aSnapshotNeedsAPlace() async throws {
      let (machine, _, app) = try await Machine.served()
      try FileManager.default.createDirectory(atPath: machine.path("ledger"), withIntermediateDirectories: false)
      let maker = try Child(
        "/usr/bin/sqlite3", [machine.path("ledger/l.db"), "CREATE TABLE entry (n)"], environment: [:], folder: "/",
        descriptors: [.input("/dev/null"), .output("/dev/null"), .output("/dev/null")])
      try #require(await maker.wait() == 0)
      let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\""
      let readOnly = machine.inside(["unshare", "--mount", "sh", "-c", script, machine.path("ledger")])
      let push = ["push", "--app", app, "--key", "solo/uploader.key", "--sqlite", "ledger/l.db"]
      let refused = try await readOnly.run(push)
      #expect(refused.isRefused("snapshot.place"), "\(refused.errors)")
      #expect(try await machine.run(push).status == 0)
    }

    /// What is mounted in a directory is none of it, and nobody finds out too late that it was left out.
    @Test func anotherFileSystemIsNotEntered() async throws {
      let (machine, _, app) = try await Machine.served()
      for name in ["tree", "tree/inner"] {
        try FileManager.default.createDirectory(atPath: machine.path(name), withIntermediateDirectories: false)
      }
      let script = "mount -t tmpfs tmpfs \"$0\" && exec \"$@\""
      let mounted = machine.inside(["unshare", "--mount", "sh", "-c", script, machine.path("tree/inner")])
      let push = ["push", "--app", app, "--key", "solo/uploader.key", "tree"]
      let refused = try await mounted.run(push)
      #expect(refused.isRefused("push.entry") && refused.errors.contains("another file system"), "\(refused.errors)")
      #expect(try await machine.run(push).status == 0)
    }

    @Test func aDirectoryNeedsRoom() async throws {
      let (machine, _, app) = try await Machine.served()
      let disk = try await SmallDisk(mebibyteCount: 8)
      // As an archive a file of one byte takes a kibibyte, and four on the disk.
      try FileManager.default.createDirectory(atPath: machine.path("tree"), withIntermediateDirectories: false)
      for number in 0..<3_000 { try machine.write([1], to: "tree/\(number)") }
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "tree")
      let inside = machine.inside(disk.prefix)
      let recover = ["recover", "--app", app, "--kms-key", "solo/kms.key", "--out"]
      let full = try await inside.run(recover + ["\(disk.path)/out"])
      #expect(full.isRefused("storage.full"), "\(full.errors)")
      #expect(try disk.names().isEmpty)
      try machine.writeState("tree/large", mebibyteCount: 16)
      try await machine.must("push", "--app", app, "--key", "solo/uploader.key", "tree")
      let large = try await inside.run(recover + ["\(disk.path)/out"])
      #expect(large.isRefused("recover.no-room"), "\(large.errors)")
      // Nor can a directory take the place of the disk itself.
      let mounted = try await inside.run(recover + [disk.path])
      #expect(mounted.isRefused("recover.output") && mounted.errors.contains("is mounted"), "\(mounted.errors)")
      #expect(try disk.names().isEmpty)
    }
  }
}

/// What `recover --json` says of a directory.
private struct RecoveredDirectory: Decodable {
  let isDirectory: Bool
  let byteCount: Int
}
