import Client
import Core
import Fixtures
import FoundationEssentials
import Merkle
import Synchronization
import Testing
import Trust

@Suite struct CheckpointMemoryTests {
  private let folder: TemporaryFolder
  private let memory: CheckpointMemory

  init() throws {
    folder = try TemporaryFolder()
    memory = CheckpointMemory(folder: folder.path("state"))
  }

  private func show(_ log: TestLog, at size: Int) async throws {
    let verifier = try logSigner().verifier
    let shown = try SignedCheckpoint(verifying: log.note(at: size), log: verifier)
    try await memory.advance(to: shown, from: memory.newest(of: verifier), of: verifier, reading: log)
  }

  @Test func followsALogThatGrows() async throws {
    let log = TestLog(leafCount: 700)
    for size in [0, 1, 2, 3, 3, 255, 256, 257, 699, 700] {
      try await show(log, at: size)
      #expect(try memory.newest(of: logSigner().verifier)?.checkpoint.size == UInt64(size))
    }
  }

  @Test func refusesARollback() async throws {
    let log = TestLog(leafCount: 20)
    try await show(log, at: 20)
    #expect(await refusal { try await show(log, at: 19) }?.code == .logRollback)
    #expect(try memory.newest(of: logSigner().verifier)?.checkpoint.size == 20)
  }

  @Test func refusesAForkAndKeepsTheEvidence() async throws {
    try await show(TestLog(leafCount: 300), at: 290)
    for size in [290, 291, 300] {
      let fork = await refusal { try await show(TestLog(leafCount: 300, salt: 1), at: size) }
      #expect(fork?.code == .logFork && fork?.advice.contains(".checkpoint.refused-\(size)") == true)
      let kept = try FileManager.default.contentsOfDirectory(atPath: folder.path("state"))
      #expect(kept.contains { $0.hasSuffix(".refused-\(size)") })
    }
  }

  /// A disk that takes no evidence does not hide what it is evidence of.
  @Test func aForkIsToldWhereItsEvidenceCannotBeKept() async throws {
    try await show(TestLog(leafCount: 300), at: 290)
    let shown = try FileManager.default.contentsOfDirectory(atPath: folder.path("state"))
    let name = try #require(shown.first { $0.hasSuffix(".checkpoint") })
    // A folder is not replaced by a file.
    let refused = folder.path("state/\(name).refused-290")
    try FileManager.default.createDirectory(atPath: "\(refused)/in", withIntermediateDirectories: true)
    let fork = await refusal { try await show(TestLog(leafCount: 300, salt: 1), at: 290) }
    #expect(fork?.code == .logFork && fork?.message.contains("could not be kept") == true, "\(shown)")
  }

  /// An older epoch can be proven under the newest checkpoint: only the memory knows that there was a newer one.
  @Test func refusesAnApplicationThatWentBack() async throws {
    let app = Digest.zero
    func show(_ number: UInt64?, leaf: UInt8 = 0) async throws {
      let shown = number.map { SeenEpoch(number: $0, leafHash: TreeHash.leaf([UInt8($0), leaf])) }
      try await memory.advance(to: shown, from: try memory.newestEpoch(of: app), of: app)
    }
    try await show(nil)
    for number in [1, 1, 2, 5] as [UInt64] { try await show(number) }
    for number in [nil, 1, 4] as [UInt64?] {
      #expect(await refusal { try await show(number) }?.code == .viewRolledBack)
    }
    let fork = await refusal { try await show(5, leaf: 1) }
    #expect(fork?.code == .viewRolledBack && fork?.message.contains("another epoch 5 ") == true)
    #expect(fork?.message.contains("/newest-") == true)
    #expect(try memory.newestEpoch(of: app)?.number == 5)
    try await show(6)
  }

  /// A log that signed two histories is found out by the true tiles of the newer one, also where the older size is a
  /// power of two: there the proof begins with the older root itself.
  @Test func aForkIsProvenByTheNewerTree() async throws {
    let verifier = try logSigner().verifier
    for (number, old) in [252, 255, 256, 257, 299].enumerated() {
      let memory = CheckpointMemory(folder: folder.path("state-\(number)"))
      let before = TestLog(leafCount: 300)
      let first = try SignedCheckpoint(verifying: before.note(at: old), log: verifier)
      try await memory.advance(to: first, from: nil, of: verifier, reading: before)
      let other = TestLog(leafCount: 600, salt: 1)
      for new in [old + 1, 300, 511, 512, 513, 600] {
        let second = try SignedCheckpoint(verifying: other.note(at: new), log: verifier)
        let error = await refusal { try await memory.advance(to: second, from: first, of: verifier, reading: other) }
        #expect(error?.code == .logFork, "\(old), \(new)")
      }
      #expect(try memory.newest(of: verifier) == first)
    }
  }

  /// Whoever alters tiles of an honest log has it blamed for nothing: the source is at fault, and nothing is kept.
  @Test func anAlteredTileIsNoFork() async throws {
    let log = TestLog(leafCount: 600)
    let verifier = try logSigner().verifier
    try await show(log, at: 1)
    for old in [1, 2, 3, 128, 255, 256, 257, 299, 511, 512] {
      let first = try SignedCheckpoint(verifying: log.note(at: old), log: verifier)
      for new in [old + 1, 513, 600] where new > old {
        let second = try SignedCheckpoint(verifying: log.note(at: new), log: verifier)
        var refusals = 0
        for place in [nil] + Array(stride(from: 0, to: 256, by: 17)).map(Optional.some) + [1, 2, 43, 44] {
          log.lie.withLock { $0 = place.map(TestLog.Lie.one) ?? .all }
          let error = await refusal { try await memory.advance(to: second, from: first, of: verifier, reading: log) }
          #expect(error == nil || error?.code == .logRoot, "\(old), \(new): \(place ?? -1)")
          #expect(place != nil || error != nil, "\(old), \(new)")
          refusals += error == nil ? 0 : 1
        }
        #expect(refusals > 1, "\(old), \(new)")
      }
    }
    let kept = try FileManager.default.contentsOfDirectory(atPath: folder.path("state"))
    #expect(!kept.contains { $0.contains("refused") })
  }

  /// Tiles of the history that was seen first do not hide the fork: what does not fit the newer root is refused.
  @Test func aForkIsNotHiddenByOtherTiles() async throws {
    let verifier = try logSigner().verifier
    for old in [252, 256, 290] {
      let log = TestLog(leafCount: 600)
      let first = try SignedCheckpoint(verifying: log.note(at: old), log: verifier)
      let second = try SignedCheckpoint(verifying: TestLog(leafCount: 600, salt: 1).note(at: 600), log: verifier)
      let error = await refusal { try await memory.advance(to: second, from: first, of: verifier, reading: log) }
      #expect(error?.code == .logRoot, "\(old)")
    }
    #expect(try memory.newest(of: verifier) == nil)
  }

  /// A tile that is too short is one more that proves nothing.
  @Test func aShortTileIsNoFork() async throws {
    let log = TestLog(leafCount: 300)
    try await show(log, at: 290)
    log.lie.withLock { $0 = .short }
    #expect(await refusal { try await show(log, at: 300) }?.code == .logTile)
    #expect(try memory.newest(of: logSigner().verifier)?.checkpoint.size == 290)
  }

  @Test func anOlderAnswerOfAnotherProcessIsNoRollback() async throws {
    let log = TestLog(leafCount: 20)
    let verifier = try logSigner().verifier
    try await show(log, at: 10)
    let before = try memory.newest(of: verifier)
    // Another process asks later and is done sooner.
    try await show(log, at: 20)
    let shown = try SignedCheckpoint(verifying: log.note(at: 15), log: verifier)
    try await memory.advance(to: shown, from: before, of: verifier, reading: log)
    #expect(try memory.newest(of: verifier)?.checkpoint.size == 20)
  }
}

/// A log in memory that can show itself at any size.
private final class TestLog: Source {
  enum Lie {
    /// Every hash of a tile is another.
    case all
    /// One hash of each tile is, counted round and round.
    case one(Int)
    /// A byte is missing.
    case short
  }

  private let hashes: [Digest]
  let lie = Mutex<Lie?>(nil)

  init(leafCount: Int, salt: UInt8 = 0) {
    hashes = (0..<leafCount).map { TreeHash.leaf(Array("\($0)".utf8) + ($0 > 250 ? [salt] : [])) }
  }

  func note(at size: Int) throws -> SignedNote {
    var tree = Tree()
    _ = tree.append(hashes[..<size])
    return try Checkpoint(origin: "example.org/log", size: UInt64(size), root: tree.root).signed(by: logSigner())
  }

  func tile(_ coordinate: TileCoordinate) async throws -> [UInt8] {
    var tree = Tree()
    let start = coordinate.index << UInt64(8 * (coordinate.level + 1))
    let size = start + UInt64(coordinate.width) << UInt64(8 * coordinate.level)
    let tiles = tree.append(hashes[..<Int(min(size, UInt64(hashes.count)))]).tiles + tree.partialTiles
    guard var bytes = tiles.first(where: { $0.coordinate == coordinate })?.bytes else {
      throw PosternError(.sourceAbsent, "There is no such tile.", advice: "")
    }
    switch lie.withLock({ $0 }) {
    case nil: break
    case .all: for place in 0..<coordinate.width { bytes[32 * place] ^= 1 }
    case .one(let place): bytes[32 * (place % coordinate.width)] ^= 1
    case .short: bytes.removeLast()
    }
    return bytes
  }

  func checkpoint() async throws -> [UInt8] { try note(at: hashes.count).bytes }
  func entries(_ coordinate: BundleCoordinate) async throws -> [UInt8] { throw absent }
  func body(app: Digest, generation: UInt64, digest: Digest) async throws -> [UInt8] { throw absent }
  func objects(
    _ query: ObjectQuery, receive: @escaping @Sendable ([SourceObject]) async throws -> Void
  ) async throws { throw absent }

  private var absent: PosternError { PosternError(.sourceAbsent, "It is not here.", advice: "") }
}
