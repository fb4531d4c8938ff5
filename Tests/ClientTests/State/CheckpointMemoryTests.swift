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
      #expect(await refusal { try await show(TestLog(leafCount: 300, salt: 1), at: size) }?.code == .logFork)
      let kept = try FileManager.default.contentsOfDirectory(atPath: folder.path("state"))
      #expect(kept.contains { $0.hasSuffix(".refused-\(size)") })
    }
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

  /// Tiles that are not the log's prove nothing, in either direction.
  @Test func believesNoTiles() async throws {
    let log = TestLog(leafCount: 300)
    try await show(log, at: 290)
    log.isLying.withLock { $0 = true }
    #expect(await refusal { try await show(log, at: 300) }?.code == .logFork)
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
  private let hashes: [Digest]
  let isLying = Mutex(false)

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
    if isLying.withLock({ $0 }) { bytes[0] ^= 1 }
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
