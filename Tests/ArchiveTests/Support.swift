import Archive
import Bulk
import Core
import Envelope
import Fixtures
import Foundation
import Index
import Merkle
import Packs
import Records
import Sodium
import Synchronization
import Testing
import Trust

/// What an archive told when it stopped.
final class StopRecorder: Sendable {
  private let errors = Mutex<[PosternError]>([])

  var all: [PosternError] { errors.withLock { $0 } }

  var handler: @Sendable (PosternError) -> Void {
    { error in self.errors.withLock { $0.append(error) } }
  }
}

/// Opens an archive, which is not expected to stop unless the caller says what it does then.
///
/// The tasks of one that was open before may hold its folder for a moment after their last answer.
func openArchive(
  at path: String, limits: ArchiveLimits = ArchiveLimits(), files: any FileLayer = SystemFiles(),
  stop: @escaping @Sendable (PosternError) -> Void = { Issue.record("stopped: \($0)") }
) async throws -> Archive {
  for _ in 0..<3_000 {
    do throws(PosternError) {
      return try await Archive.open(at: path, limits: limits, files: files, stop: stop)
    } catch let error where error.code != .storageInUse {
      throw error
    } catch {}
    try await Task.sleep(for: .milliseconds(10))
  }
  return try await Archive.open(at: path, limits: limits, files: files, stop: stop)
}

/// A new archive in a folder of its own.
struct NewArchive {
  let folder: TemporaryFolder
  let path: String
  let archive: Archive

  init(limits: ArchiveLimits = ArchiveLimits(), inMemory: Bool = false) async throws {
    folder = try TemporaryFolder(inMemory: inMemory)
    path = folder.path("archive")
    let home = try Archive.create(at: path, origin: "example.org/log")
    archive = try await openArchive(at: path, limits: limits)
    #expect(archive.home == home)
  }
}

/// An application and the people who push for it.
struct Application: Sendable {
  let council: Council
  let charter: Charter
  let registration: Registration
  let generation: GenerationFixture

  init(home: NoteVerifier, seed: UInt64 = 1, retentionEpochs: UInt64 = 0) throws {
    council = try Council(memberCount: 2, seed: seed)
    var charter = try council.charter(home: home)
    charter.retentionEpochs = retentionEpochs
    self.charter = charter
    registration = try council.registration(of: charter)
    generation = try GenerationFixture(1, under: charter)
  }

  var app: Digest { charter.digest }

  /// A state of some chunks, most of which another seed's state shares.
  static func state(_ seed: UInt64, chunkCount: Int = 24) -> [UInt8] {
    var common = SeededGenerator(seed: 1)
    var bytes = common.bytes(chunkCount * 4_096)
    var own = SeededGenerator(seed: seed &+ 77)
    let place = Int(seed % UInt64(chunkCount)) * 4_096
    bytes.replaceSubrange(place..<place + 4_096, with: own.bytes(4_096))
    return bytes
  }

  func epoch(
    _ number: UInt64, after previous: Digest = .zero, state: [UInt8]? = nil, stateVersion: UInt64? = nil,
    in generation: GenerationFixture? = nil, uploader: Int = 0
  ) throws -> EpochFixture {
    let generation = generation ?? self.generation
    return try EpochFixture(
      number, after: previous, of: charter, in: generation,
      state: try SealedState(state ?? Self.state(number), in: generation), stateVersion: stateVersion,
      signedBy: council.uploader(uploader))
  }

  func register(in archive: Archive) async throws -> [UInt8] {
    let receipt = try await archive.register(
      leaf: registration.record.leaf, charter: registration.charter, signatures: registration.signatures,
      from: "here")
    await archive.finish()
    return receipt
  }

  func begin(
    _ epoch: EpochFixture, in archive: Archive, budgetByteCount: UInt64 = 1 << 30, uploader: Int = 0,
    from address: String = "here"
  ) async throws -> PushToken {
    let nonce = archive.challenge(app: app)
    let key = try council.uploader(uploader)
    return try await archive.begin(
      epoch.begin(nonce: nonce, budgetByteCount: budgetByteCount, signedBy: key).bytes, from: address)
  }

  /// Pushes as a client does: asks what is missing, sends that, seals.
  @discardableResult
  func push(_ epoch: EpochFixture, to archive: Archive, uploader: Int = 0) async throws -> Pushed {
    let token = try await begin(epoch, in: archive, uploader: uploader)
    let sent = try await archive.send(epoch.state.objects, in: token)
    let receipt = try await archive.sealAndShow(leaf: epoch.leaf, bodies: epoch.epochBodies, token: token)
    return Pushed(receipt: receipt, sent: sent)
  }
}

/// What a push gave.
struct Pushed {
  let receipt: [UInt8]
  let sent: [StoredObject]
}

extension EpochFixture {
  var epochBodies: EpochBodies { EpochBodies(envelope: envelope, veil: veil, capsule: capsule) }
  var leafHash: Digest { TreeHash.leaf(leaf) }
}

extension ObjectReader {
  /// All objects that were asked for, in the order in which they lie in the packs.
  consuming func readAll() throws -> [StoredObject] {
    var found: [StoredObject] = []
    while let batch = nextBatch() {
      var bytes = [UInt8](repeating: 0, count: batch.byteCount)
      try bytes.withMutableRawBytes { (memory) throws(PosternError) in try read(batch, into: memory) }
      var rest = bytes[...]
      for object in batch.objects {
        found.append(StoredObject(id: object.id, kind: object.kind, bytes: Array(rest.prefix(object.byteCount))))
        rest = rest.dropFirst(object.byteCount)
      }
    }
    return found
  }
}

extension Archive {
  /// Seals a push, and waits until what was admitted is on show.
  func sealAndShow(
    leaf: [UInt8], bodies: EpochBodies, token: PushToken?
  ) async throws(PosternError) -> [UInt8] {
    let receipt = try await seal(leaf: leaf, bodies: bodies, token: token)
    await finish()
    return receipt
  }

  /// Sends what the archive lacks of some objects, a few a batch.
  func send(_ objects: [StoredObject], in token: PushToken) async throws -> [StoredObject] {
    let missing = Bitmap(bytes: try await missing(objects.map(\.id), for: token))
    let lacking = objects.indices.filter { missing[$0] }.map { objects[$0] }
    for start in stride(from: 0, to: lacking.count, by: 7) {
      try await upload(MemoryBatch(lacking[start..<min(lacking.count, start + 7)]), to: token)
    }
    return lacking
  }

  /// Objects of admitted epochs.
  func storedObjects(_ ids: [Digest], app: Digest, generation: UInt64) throws -> [StoredObject] {
    let found = Dictionary(try objects(ids, app: app, generation: generation).readAll().map { ($0.id, $0) }) { $1 }
    return ids.compactMap { found[$0] }
  }

  /// Says that an epoch is shown, whole, and opens to its state again.
  func expectWhole(_ epoch: EpochFixture, of application: Application) throws {
    let (app, generation) = (application.app, epoch.fields.generation)
    let shown = try show(app, epoch: epoch.fields.number)
    #expect(shown.epoch?.leaf == epoch.leaf)
    var bodies: [Digest: [UInt8]] = [:]
    for (digest, body) in epoch.bodies {
      bodies[digest] = try self.body(digest, app: app, generation: generation)
      #expect(bodies[digest] == body)
    }
    let objects = try storedObjects(epoch.state.objects.map(\.id), app: app, generation: generation)
    #expect(objects == epoch.state.objects)
    let state = try EpochFixture.open(
      epoch.fields, bodies: bodies, objects: objects, of: application.charter, by: application.council)
    #expect(state == (try epoch.state.open()))
  }

  /// Says that a receipt verifies offline, and under what the archive shows now: one history.
  func expectGood(_ receipt: [UInt8], of leaf: [UInt8]) throws {
    let receipt = try Receipt(parsing: receipt)
    #expect(receipt.proven.leaf == leaf)
    let old = try receipt.verify(log: home).checkpoint
    let new = try SignedCheckpoint(parsing: try checkpoint(), log: home).checkpoint
    let proof = try ConsistencyProof(oldSize: old.size, newSize: new.size) { try tile($0) }
    try proof.verify(oldRoot: old.root, newRoot: new.root)
  }

  /// The size of the newest checkpoint.
  func size() throws -> UInt64 {
    try SignedCheckpoint(parsing: try checkpoint(), log: home).checkpoint.size
  }
}

/// The names of files somewhere below a folder, with their paths in it, sorted.
func files(in path: String) throws -> [String] {
  let all = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
  return all.filter { name in
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: "\(path)/\(name)", isDirectory: &isFolder) && !isFolder.boolValue
  }.sorted()
}

/// Says that the published log is what the archive has: checkpoint, tiles and bundles of its size.
func expectPublished(_ archive: Archive, at path: String) throws {
  func published(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: "\(path)/log/\(name)")))
  }
  #expect(try published("checkpoint") == archive.checkpoint())
  let size = try archive.size()
  for level in 0..<8 {
    var index: UInt64 = 0
    while let tile = TileCoordinate(level: level, index: index, treeSize: size) {
      #expect(try published(tile.path) == archive.tile(tile))
      if let bundle = BundleCoordinate(index: index, treeSize: size), level == 0 {
        #expect(try published(bundle.path) == archive.bundle(bundle))
      }
      index += 1
    }
  }
}
