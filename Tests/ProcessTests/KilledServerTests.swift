import Client
import Core
import Fixtures
import Foundation
import Glibc
import Merkle
import Records
import Synchronization
import Testing
import Trust

extension ProcessTests {
  /// A server that is killed at random instants, while uploaders of three applications push, loses nothing that it
  /// acknowledged, shows nothing half, and leaves nothing behind.
  @Suite struct KilledServer {
    /// How often it is killed; `POSTERN_KILLS` says otherwise.
    private static let killCount = ProcessInfo.processInfo.environment["POSTERN_KILLS"].flatMap { Int($0) } ?? 200
    /// What a failure is repeated with: `POSTERN_SEED`.
    private static let seed =
      ProcessInfo.processInfo.environment["POSTERN_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0 ... .max)

    @Test func everyReceiptSurvivesEveryKill() async throws {
      print("KilledServer: seed \(Self.seed), \(Self.killCount) kills")
      let start = ContinuousClock.now
      let scene = try await Scene(seed: Self.seed)
      for round in 1...Self.killCount {
        do {
          try await scene.play(round)
        } catch {
          Issue.record(error, "round \(round)")
          return
        }
      }
      try await scene.end(after: Self.killCount)
      print("KilledServer: \(start.duration(to: .now) / Self.killCount) a kill")
    }
  }
}

/// The archive, its applications and uploaders, and all that was ever acknowledged.
private final class Scene {
  private let machine: Machine
  private let log: NoteVerifier
  private let uploaders: [RestlessUploader]
  private let kmsKeys: [Digest: [UInt8]]
  private var server: Server
  private let address: ArchiveAddress
  private var generator: SeededGenerator

  private var acknowledged: [RestlessUploader.Acknowledged] = []
  /// How many of the acknowledged ones' receipts were verified; their checkpoints are among the others then.
  private var verifiedCount = 0
  /// Every checkpoint that was ever seen: each log that is shown continues them all.
  private var checkpoints: [SignedCheckpoint] = []
  /// How many entries of the log were looked at.
  private var entryCount = 0
  /// The state of every epoch that the archive ever showed, by application and number, oldest first.
  private var states: [Digest: [Digest]] = [:]
  private var interruptedCount = 0
  private var admittedCount = 0

  init(seed: UInt64) async throws {
    let machine = try Machine()
    log = try NoteVerifier(parsing: try await machine.initArchive())
    server = try await Server.start(on: machine)
    address = try ArchiveAddress(parsing: server.address)
    generator = SeededGenerator(seed: seed)
    let client = machine.asking(server)
    // Two applications with one uploader each, one with two that race for every epoch; by content and by pages.
    var uploaders: [RestlessUploader] = []
    var kmsKeys: [Digest: [UInt8]] = [:]
    for (name, keys, chunker) in [
      ("ledger", ["l1"], ("content", 16_384)), ("market", ["m1", "m2"], ("fixed", 4_096)),
      ("vault", ["v1"], ("content", 8_192)),
    ] {
      let text = try await client.register(
        name, members: ["\(name)-ana"], threshold: 1, uploaders: keys, requester: "\(name)-ops", kms: "\(name)-kms",
        chunker: chunker)
      let app = try #require(Digest(hex: text))
      kmsKeys[app] = try machine.bytes(of: "\(name)-kms.key")
      for key in keys {
        uploaders.append(
          try RestlessUploader(
            app: app, keyPath: machine.path("\(key).key"), folder: machine.folder, seed: generator.next()))
      }
    }
    self.machine = machine
    self.uploaders = uploaders
    self.kmsKeys = kmsKeys
  }

  /// Lets everyone push, kills the server, starts it again, and looks at everything.
  func play(_ round: Int) async throws {
    let delay = Duration.milliseconds(Int.random(in: 0...350, using: &generator))
    // Every other time it is aimed at a commit, which takes little of a push's time; half the times the uploaders
    // die with it, and half the times they live, and go on as far as they can.
    let isAimed = round.isMultiple(of: 2)
    let alsoUploaders = Bool.random(using: &generator)
    let stop = Flag()
    var attempts: [Int: RestlessUploader.Attempt] = [:]
    let uploaders = uploaders
    let address = address
    try await withThrowingTaskGroup(of: (Int, [RestlessUploader.Acknowledged], RestlessUploader.Attempt?).self) {
      tasks in
      for (number, uploader) in uploaders.enumerated() {
        tasks.addTask {
          let (done, left) = try await pushOnAndOn(uploader, address) { stop.isUp }
          return (number, done, left)
        }
      }
      try await Task.sleep(for: delay)
      if isAimed { try await waitForSeal() }
      stop.raise()
      #expect(try await server.end(SIGKILL) == -SIGKILL)
      if alsoUploaders { tasks.cancelAll() }
      try await restart()
      for try await (number, done, left) in tasks {
        acknowledged += done
        attempts[number] = left
      }
    }
    let comment = "round \(round), killed after \(delay)" + (alsoUploaders ? ", the uploaders too" : "")
    let admitted = try await audit(attempts, comment)
    try await repeatPushes(attempts, admitted, comment)
    try await requireNothingLeft(comment)
  }

  /// Waits until somebody waits for a receipt, and a little longer.
  private func waitForSeal() async throws {
    for _ in 0..<10_000 where !uploaders.contains(where: \.isSealing) { try await Task.sleep(for: .microseconds(200)) }
    try await Task.sleep(for: .microseconds(Int.random(in: 0...30_000, using: &generator)))
  }

  /// Starts the server, and kills it now and then while it starts: what it redoes then it can redo again.
  private func restart() async throws {
    while Int.random(in: 0..<4, using: &generator) == 0 {
      let child = try machine.start(
        ["serve", "--data", "archive", "--listen", "127.0.0.1:0"], input: .input("/dev/null"),
        output: .output("/dev/null"), errors: .output("/dev/null"))
      try await Task.sleep(for: .milliseconds(Int.random(in: 0...60, using: &generator)))
      child.signal(SIGKILL)
      _ = try await child.wait()
    }
    server = try await Server.start(on: machine, address: "\(address.host):\(address.port)")
  }

  /// Looks at what the archive shows, and that it continues all that it ever showed or answered.
  ///
  /// - Parameter attempts: the push that each uploader was at.
  /// - Returns: where the record of such a push is in the log, of those that were admitted.
  private func audit(_ attempts: [Int: RestlessUploader.Attempt], _ comment: String) async throws -> [Int: UInt64] {
    let log = log
    let copy = try await ArchiveConnection.open(address) { try await LogCopy(of: log, from: $0) }
    try copy.requirePublished(in: machine.path("archive"))
    for checkpoint in checkpoints { try copy.require(checkpoint) }
    for each in acknowledged { try copy.requireEntry(of: each.receipt) }
    for each in acknowledged[verifiedCount...] { checkpoints.append(try copy.require(each.receipt, of: log)) }
    verifiedCount = acknowledged.count
    checkpoints.append(copy.newest)
    // What was looked at before is the same: the log continues the checkpoint that it was looked at under.
    let epochs = try copy.epochs(from: entryCount)
    entryCount = copy.entries.count
    var admitted: [Int: UInt64] = [:]
    for app in kmsKeys.keys.sorted() {
      let known = states[app]?.count ?? 0
      // Those that were repeated after the last look were acknowledged, and are known.
      let new = (epochs[app] ?? []).filter { $0.fields.number > UInt64(known) }
      #expect(new.map(\.fields.number) == new.indices.map { UInt64(known + $0 + 1) }, "\(comment)")
      for epoch in new {
        // An epoch is one that was acknowledged, or one whose answer was cut off.
        if let owner = acknowledged.last(where: { $0.app == app && $0.epoch == epoch.fields.number }) {
          states[app, default: []].append(owner.stateDigest)
          continue
        }
        let number = try #require(
          uploaders.firstIndex { $0.app == app && $0.publicKey == epoch.record.author.key }, "\(comment)")
        let attempt = try #require(attempts[number], "\(comment): an epoch that nobody pushed")
        #expect(admitted[number] == nil, "\(comment): one push, two epochs")
        admitted[number] = epoch.index
        states[app, default: []].append(attempt.digest)
      }
      try await requireListed(new, of: app, comment)
      try await requireStates(of: app, from: known, comment)
    }
    return admitted
  }

  /// Says that the newest epochs that the archive lists are the log's, and that none is lost.
  private func requireListed(_ new: [LogCopy.Epoch], of app: Digest, _ comment: String) async throws {
    let count = states[app]?.count ?? 0
    let newest = acknowledged.lazy.filter { $0.app == app }.map(\.epoch).max() ?? 0
    #expect(newest <= UInt64(count), "\(comment): epoch \(newest) is lost")
    let listed = try await ArchiveConnection.open(address) { try await $0.list(app: app, after: nil, limit: 1_000) }
    #expect(listed.epochs.prefix(new.count).map(\.leafIndex) == new.reversed().map(\.index), "\(comment)")
    #expect(listed.next != nil || listed.epochs.count == count, "\(comment)")
  }

  /// Recovers the newest epoch, and of those that are new a few.
  private func requireStates(of app: Digest, from known: Int, _ comment: String) async throws {
    guard let states = states[app], let newest = states.indices.last, let key = kmsKeys[app] else { return }
    var wanted = Set((known..<states.count).shuffled(using: &generator).prefix(2))
    wanted.insert(newest)
    try await requireStates(wanted, of: app, key, comment)
  }

  private func requireStates(_ wanted: Set<Int>, of app: Digest, _ key: [UInt8], _ comment: String) async throws {
    let states = states[app] ?? []
    let path = machine.path("recovered")
    try await ArchiveConnection.open(address) { connection in
      for number in wanted.sorted() {
        let epoch = number == states.count - 1 ? nil : UInt64(number) + 1
        let digest = try await connection.stateDigest(of: app, epoch: epoch, key: key, path: path)
        #expect(digest == states[number], "\(comment): epoch \(number + 1) of \(app)")
      }
    }
  }

  /// Repeats what was cut off: each gets a receipt, the first one's where it had been admitted.
  private func repeatPushes(
    _ attempts: [Int: RestlessUploader.Attempt], _ admitted: [Int: UInt64], _ comment: String
  ) async throws {
    interruptedCount += attempts.count
    admittedCount += admitted.count
    let newest = admitted.keys.filter { number in
      !acknowledged.contains { $0.app == uploaders[number].app && $0.leafIndex > admitted[number] ?? 0 }
    }
    // Those first that were admitted: behind another uploader's newer epoch, the same state is a new epoch.
    let order = attempts.keys.sorted { (admitted[$0] == nil ? 1 : 0, $0) < (admitted[$1] == nil ? 1 : 0, $1) }
    for number in order {
      guard let attempt = attempts[number] else { continue }
      let done = try await uploaders[number].pushPastOthers(attempt, to: address)
      acknowledged.append(done)
      if done.isRepeat {
        #expect(done.leafIndex == admitted[number], "\(comment)")
      } else {
        #expect(admitted[number] == nil || !newest.contains(number), "\(comment)")
        states[done.app, default: []].append(done.stateDigest)
        #expect(Int(done.epoch) == states[done.app]?.count, "\(comment)")
      }
    }
  }

  /// Says that `incoming/` is empty: every uploader's last push was acknowledged, so that no push owns anything.
  private func requireNothingLeft(_ comment: String) async throws {
    var names: [String] = []
    for _ in 0..<1_500 {
      names = try machine.names(in: "archive/incoming")
      guard !names.isEmpty else { return }
      try await Task.sleep(for: .milliseconds(20))
    }
    Issue.record("\(comment): left in incoming/: \(names)")
  }

  /// The last look, at every entry and receipt and at many states; then the server ends as it should, and its folder
  /// holds what its index says.
  func end(after killCount: Int) async throws {
    verifiedCount = 0
    _ = try await audit([:], "at the end")
    let log = log
    let copy = try await ArchiveConnection.open(address) { try await LogCopy(of: log, from: $0) }
    let epochs = try copy.epochs(from: 0)
    for (app, key) in kmsKeys.sorted(by: { $0.key < $1.key }) {
      let all = (states[app] ?? []).indices
      let listed = try await ArchiveConnection.open(address) { try await $0.allEpochs(of: app) }
      #expect(listed.map(\.leafIndex) == epochs[app]?.map(\.index) && listed.count == all.count)
      try await requireStates(Set(all.shuffled(using: &generator).prefix(40)), of: app, key, "at the end")
    }
    print(
      "KilledServer: \(acknowledged.count) receipts, \(checkpoints.last?.checkpoint.size ?? 0) entries, "
        + "\(interruptedCount) pushes were cut off, \(admittedCount) of them after they were admitted")
    // Or the kills hit nothing, and the receipts say nothing. A few may all miss the moment between commit and answer.
    #expect(interruptedCount > killCount / 4)
    if killCount >= 50 { #expect(admittedCount > 0) }
    #expect(try await server.end() == 0)
    try await requireTidyFolder()
  }

  /// Says that nothing lies in the data folder that its index does not know, and nothing is missing.
  private func requireTidyFolder() async throws {
    let folder = machine.path("archive")
    let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    let packs = try await rows(
      """
      SELECT 'packs/' || lower(hex(space.app)) || '/' || space.generation || '/' || lower(hex(pack.name)) || '.pack'
        FROM pack JOIN space ON space.id = pack.space
      """)
    let runs = try await rows("SELECT 'runs/' || id || '.run' FROM run")
    let files = Set(names.filter { $0.hasSuffix(".pack") || $0.hasSuffix(".run") })
    #expect(files == Set(packs + runs))
    #expect(packs.count > 10 && !runs.isEmpty)
    let others = names.filter { name in
      let isLog =
        name.wholeMatch(of: /log(\/checkpoint|\/tile(\/(entries|[0-9]))?(\/[x0-9]+(\.p(\/[0-9]+)?)?)*)?/) != nil
      let isFolder = name.wholeMatch(of: /incoming|keys|runs|packs(\/[0-9a-f]{64}(\/[0-9]+)?)?/) != nil
      // The index's log stays where the process ended before SQLite had let go of it.
      let isOwn = ["lock", "keys/log.key", "index.sqlite", "index.sqlite-wal", "index.sqlite-shm"].contains(name)
      return !isLog && !isFolder && !files.contains(name) && !isOwn
    }
    #expect(others.isEmpty)
  }

  /// The answer of the index to a question, once its server has ended.
  private func rows(_ query: String) async throws -> [String] {
    let output = machine.path("rows")
    let child = try Child(
      "sqlite3", [machine.path("archive/index.sqlite"), query], environment: ["PATH": "/usr/bin:/bin"],
      folder: machine.folder, descriptors: [.input("/dev/null"), .output(output), .output("/dev/null")])
    try #require(await child.wait() == 0)
    return try String(contentsOfFile: output, encoding: .utf8).split(separator: "\n").map(String.init)
  }
}

/// Pushes until it is told to stop, or the push under way is cut off.
///
/// - Returns: what was acknowledged, and the push that was cut off.
private func pushOnAndOn(
  _ uploader: RestlessUploader, _ address: ArchiveAddress, until isStopping: @Sendable () -> Bool
) async throws -> ([RestlessUploader.Acknowledged], RestlessUploader.Attempt?) {
  var done: [RestlessUploader.Acknowledged] = []
  while !isStopping() {
    let attempt = try uploader.nextAttempt()
    var isDone = false
    while !isDone {
      do {
        done.append(try await uploader.push(attempt, to: address))
        isDone = true
      } catch let error as PosternError where RestlessUploader.interrupted.contains(error.code) {
        return (done, attempt)
      } catch let error as PosternError where RestlessUploader.lostRace.contains(error.code) {
        if isStopping() { return (done, attempt) }
      } catch  where Task.isCancelled {
        return (done, attempt)
      }
    }
    try FileManager.default.removeItem(atPath: attempt.path)
  }
  return (done, nil)
}

/// Something that one task tells others, once.
private final class Flag: Sendable {
  private let value = Atomic(false)

  var isUp: Bool { value.load(ordering: .relaxed) }

  func raise() { value.store(true, ordering: .relaxed) }
}
