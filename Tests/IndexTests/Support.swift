import Bulk
import Core
import Glibc
import Index
import Testing

/// A folder of a test's own, removed with everything in it.
struct TemporaryFolder: ~Copyable {
  let path: String

  init() {
    var template = Array("/tmp/postern-index-XXXXXX".utf8CString)
    path = mkdtemp(&template).map { String(cString: $0) } ?? ""
    precondition(!path.isEmpty)
  }

  deinit {
    for name in names(path) { unlink("\(path)/\(name)") }
    rmdir(path)
  }
}

/// The names in a folder.
func names(_ path: String) -> [String] {
  guard let folder = opendir(path) else { return [] }
  defer { closedir(folder) }
  var names: [String] = []
  while let entry = readdir(folder) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    if name != "." && name != ".." { names.append(name) }
  }
  return names
}

/// SplitMix64: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }

  mutating func digest() -> Digest {
    var bytes: [UInt8] = []
    for _ in 0..<4 { bytes.append(bigEndian: next()) }
    return Digest(bytes) ?? .zero
  }
}

/// A digest that a test can name.
func digest(_ name: String) -> Digest { SHA256.hash(Array(name.utf8)) }

let app = digest("app")
let uploader = digest("uploader")
let policy = digest("policy")

/// The code of what `body` throws; nil when it throws nothing.
func code<Value>(_ body: () throws(PosternError) -> Value) -> PosternError.Code? {
  do throws(PosternError) {
    _ = try body()
    return nil
  } catch {
    return error.code
  }
}

/// The error that `body` throws; nil when it throws nothing.
func refusal<Value: Sendable>(
  _ body: () async throws(PosternError) -> Value
) async -> PosternError? {
  do throws(PosternError) {
    _ = try await body()
    return nil
  } catch {
    return error
  }
}

extension ArchiveIndex {
  /// Asks one question.
  func ask<Answer>(
    _ question: (borrowing IndexSnapshot) throws(PosternError) -> Answer
  ) throws(PosternError) -> Answer {
    try read(question)
  }

  /// All that a test can see of the log and the applications, for comparing states.
  func everything() throws(PosternError) -> Everything {
    try read { (snapshot) throws(PosternError) in
      var everything = Everything()
      everything.checkpoint = try snapshot.newestCheckpoint()
      everything.leaves = try snapshot.entries(0..<256)
      everything.application = try snapshot.application(app)
      everything.charters = try snapshot.charters(app: app)
      everything.epochs = try snapshot.epochs(app: app, before: nil, limit: 1_000)
      everything.pushes = try snapshot.pushes(idleSince: nil)
      for state in [PackState.open, .sealed, .placed, .abandoned] {
        let packs = try snapshot.packs(in: state)
        everything.packs += packs
        for pack in packs { everything.entries[pack.number] = try snapshot.openEntries(pack: pack.number) }
      }
      everything.runs = try snapshot.runs()
      everything.tile = try snapshot.tile(level: 0, number: 0)
      return everything
    }
  }

  /// Commits `group`, and says what it left behind.
  @discardableResult
  func commit(_ group: CommitGroup) async throws(PosternError) -> [PackRow] {
    try await writer.commit(group)
  }
}

struct Everything: Equatable {
  var checkpoint: CheckpointRow?
  var leaves: [EntryRow] = []
  var application: ApplicationRow?
  var charters: [CharterRow] = []
  var epochs: [EpochRow] = []
  var pushes: [PushRow] = []
  var packs: [PackRow] = []
  var entries: [UInt64: [[UInt8]]] = [:]
  var runs: [UInt64] = []
  var tile: [UInt8]?
}

/// Makes groups that follow each other, as a sequencer would.
struct History {
  var checkpoint: CheckpointRow?
  var application: ApplicationRow?

  static func note(_ size: UInt64) -> [UInt8] { Array("note \(size)".utf8) }

  /// A group of leaves and nothing else.
  func group(leaves count: Int = 1) -> CommitGroup {
    let start = checkpoint?.size ?? 0
    let size = start + UInt64(count)
    var group = CommitGroup(
      previous: checkpoint, checkpoint: CheckpointRow(size: size, note: History.note(size)))
    for index in start..<size {
      group.entries.append(
        EntryRow(index: index, leafHash: digest("leaf \(index)"), kind: 2, app: app, bytes: [UInt8(index & 255), 9]))
    }
    group.tiles = [TileRow(level: 0, number: 0, hashes: (0..<size).flatMap { digest("leaf \($0)").bytes })]
    return group
  }

  /// The group that registers the application.
  func registration() -> CommitGroup {
    var group = group()
    let index = group.entries[0].index
    let row = ApplicationRow(
      app: app, charterVersion: 1, charterIndex: index, charterDigest: digest("charter 1"),
      charterLeafHash: group.entries[0].leafHash)
    group.charters = [CharterRow(digest: digest("charter 1"), app: app, version: 1, index: index)]
    group.applications = [row]
    return group
  }

  /// The group that admits the next epoch, in a new generation or the newest.
  func epoch(newGeneration: Bool = false) throws -> CommitGroup {
    var group = group()
    var row = try #require(application)
    let number = (row.epoch?.number ?? 0) + 1
    let leaf = group.entries[0]
    if newGeneration || row.generation == 0 {
      row.generation += 1
      group.generations = [
        GenerationRow(
          app: app, number: row.generation, veilCommitment: digest("veil \(row.generation)"),
          charterDigest: row.charterDigest, firstEpoch: number)
      ]
    }
    let claim = EpochClaim(
      app: app, uploader: uploader, number: number, previous: row.epoch?.leafHash ?? .zero,
      root: digest("root \(number)"), stateVersion: .max - 10 + number)
    group.epochs = [
      EpochRow(
        claim: claim, index: leaf.index, leafHash: leaf.leafHash, generation: row.generation, policy: policy,
        commitment: number.isMultiple(of: 2) ? digest("commitment") : nil, addedByteCount: 100 * number)
    ]
    row.epoch = NewestEpoch(number: number, index: leaf.index, leafHash: leaf.leafHash)
    row.stateVersion = claim.stateVersion
    group.applications = [row]
    return group
  }

  /// Goes on from a group that was committed.
  mutating func follow(_ group: CommitGroup) {
    checkpoint = group.checkpoint
    application = group.applications.last ?? application
  }

  /// Commits a group and goes on from it.
  mutating func commit(_ group: CommitGroup, to index: ArchiveIndex) async throws {
    try await index.commit(group)
    follow(group)
  }
}

/// A push of the test's uploader.
func newPush(
  _ token: PushToken = .random(), generation: UInt64 = 1, budget: UInt64 = 1_000, uploader: Digest = uploader,
  at seconds: UInt64 = 50
) -> NewPush {
  NewPush(
    token: token, app: app, uploader: uploader, epoch: 1, previous: .zero, generation: generation,
    byteBudget: budget, nowSeconds: seconds)
}

/// What a pack's footer would say of some objects; the index looks at none of it.
func entries(_ names: [String]) -> [UInt8] { names.flatMap { digest($0).bytes + [UInt8](repeating: 1, count: 13) } }

extension ArchiveIndex {
  /// Notes a batch of a new pack, or of one that is open.
  @discardableResult
  func add(
    _ names: [String], pack number: UInt64? = nil, push: PushToken?, generation: UInt64 = 1, byteCount: UInt64? = nil
  ) async throws(PosternError) -> OpenPack {
    let pack = OpenPack(number: number ?? reservePack(), app: app, generation: generation, push: push)
    try await writer.note(
      EntryBatch(
        pack: pack, entries: entries(names), packByteCount: byteCount ?? 64 + 10 * UInt64(names.count),
        nowSeconds: 60))
    return pack
  }

  /// Where the test's application has its objects.
  func storage(generation: UInt64 = 1) throws(PosternError) -> SpaceStorage? {
    try read { (snapshot) throws(PosternError) in try snapshot.storage(Space(app: app, generation: generation)) }
  }
}

extension PackSealing {
  init(_ pack: OpenPack, _ name: String, byteCount: UInt64 = 300) {
    self.init(pack: pack, name: digest(name), byteCount: byteCount)
  }
}
