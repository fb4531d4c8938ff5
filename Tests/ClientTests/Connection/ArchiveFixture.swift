import Archive
import Bulk
import Client
import Core
import Dump
import Envelope
import Fixtures
import FoundationEssentials
import Logging
import Merkle
import Records
import Service
import Sodium
import Trust
import Synchronization
import Wire

/// A real archive in this process, on a loopback port, and an application that is registered with it.
final class ArchiveFixture: Sendable {
  static let names = ["ana", "bo", "cy"]

  private let folder: TemporaryFolder
  let address: ArchiveAddress
  let charter: Charter
  private let secrets: [String: [UInt8]]

  var path: String { folder.path }
  var app: Digest { charter.digest }
  var dataPath: String { path + "/data" }
  var statePath: String { path + "/uploader" }

  private init(folder: TemporaryFolder, address: ArchiveAddress, charter: Charter, secrets: [String: [UInt8]]) {
    self.folder = folder
    self.address = address
    self.charter = charter
    self.secrets = secrets
  }

  func file(_ name: String) -> String { path + "/" + name }

  func key(_ role: HolderRole, _ name: String) throws -> KeyFile {
    var secret = secrets[name] ?? randomBytes(32)
    return try KeyFile(role: role, name: name, master: MasterSecret(consuming: &secret))
  }

  /// The uploader that the charter lists.
  func uploader() throws -> KeyFile { try key(.uploader, "tee") }

  func options(_ input: StateInput.Origin) -> PushOptions {
    PushOptions(app: app, input: input, statePath: statePath)
  }

  /// Writes a state and pushes it.
  @discardableResult
  func push(_ state: [UInt8], over archive: ArchiveConnection, as uploader: String = "tee") async throws -> PushReport {
    let path = file("state-\(randomBytes(4).hex)")
    try Data(state).write(to: URL(filePath: path))
    var options = options(.file(path: path))
    if uploader != "tee" { options.statePath += "-\(uploader)" }
    return try await Pusher.push(options, key: key(.uploader, uploader), over: archive)
  }

  /// Opens the newest epoch, or a certain one, through the KMS door.
  func open(_ epoch: UInt64? = nil, over archive: ArchiveConnection) async throws -> (SealedEpoch, DoorBox) {
    let application = try await archive.verified(app: app, epoch: epoch, memory: nil)
    let sealed = try await archive.sealedEpoch(of: application)
    return (sealed, DoorBox(try KMSDoorOpener.open(sealed, key: key(.kms, "kms"))))
  }

  /// Serves a new archive with a registered application while `body` runs.
  static func run(
    chunker: ChunkerParameters = .fixed(.kib4),
    _ body: @Sendable (ArchiveFixture, ArchiveConnection) async throws -> Void
  ) async throws {
    let folder = try TemporaryFolder()
    let home = try Archive.create(at: folder.path("data"), origin: "example.org/log")
    let names = names + ["tee", "spare", "ops", "kms"]
    let secrets = Dictionary(uniqueKeysWithValues: names.map { ($0, randomBytes(32)) })
    let unplaced = ArchiveFixture(
      folder: folder, address: ArchiveAddress(host: "127.0.0.1", port: 1),
      charter: try charter(secrets, home: home, chunker: chunker), secrets: secrets)
    try await unplaced.serve { fixture, archive in
      var file = try CharterFile(fixture.charter)
      for name in ArchiveFixture.names { try file.sign(with: fixture.key(.member, name)) }
      let registration = try file.registration(by: fixture.key(.member, "ana"))
      let receipt = try await archive.register(
        leaf: registration.leaf, charter: registration.charter, signatures: registration.signatures)
      _ = try receipt.verify(log: home)
      try await body(fixture, archive)
    }
  }

  /// Serves the data folder while `body` runs, on a port of its own.
  func serve(_ body: @Sendable (ArchiveFixture, ArchiveConnection) async throws -> Void) async throws {
    let archive = try await Archive.open(at: dataPath) { fatalError("\($0)") }
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let transport = WireServerTransport(host: "127.0.0.1", port: 0, logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        try await ArchiveServer(archive, version: "test", logger: logger).serve(over: transport)
      }
      let bound = try await transport.boundAddress
      let address = ArchiveAddress(host: bound.host, port: bound.port)
      let placed = ArchiveFixture(folder: folder, address: address, charter: charter, secrets: secrets)
      try await ArchiveConnection.open(address) { connection in try await body(placed, connection) }
      transport.beginGracefulShutdown()
      try await group.waitForAll()
    }
  }

  /// Serves another archive, of the same key, that was this one until now, while `body` runs: the log has two histories
  /// once both go on.
  ///
  /// - Parameter entryCount: the entries of the log; once the last of them is published, the folder is at rest.
  func serveFork(
    after entryCount: Int, _ body: @Sendable (ArchiveFixture, ArchiveConnection) async throws -> Void
  ) async throws {
    let checkpoint = URL(filePath: "\(dataPath)/log/checkpoint")
    while try String(contentsOf: checkpoint, encoding: .utf8).split(separator: "\n")[1] != "\(entryCount)" {
      try await Task.sleep(for: .milliseconds(1))
    }
    let fork = ArchiveFixture(folder: try TemporaryFolder(), address: address, charter: charter, secrets: secrets)
    try FileManager.default.copyItem(atPath: dataPath, toPath: fork.dataPath)
    try FileManager.default.copyItem(atPath: statePath, toPath: fork.statePath)
    try await fork.serve(body)
  }

  private static func charter(
    _ secrets: [String: [UInt8]], home: NoteVerifier, chunker: ChunkerParameters
  ) throws -> Charter {
    func master(_ name: String) throws -> MasterSecret {
      var secret = secrets[name] ?? []
      return try MasterSecret(consuming: &secret)
    }
    func node(_ name: String) throws -> Charter.Node {
      Charter.Node(name: name, key: try master(name).signingKey().verificationKey)
    }
    let members = try names.map { Charter.Member(MemberIdentity(name: $0, master: try master($0))) }
    let policy = try Policy(root: Gate(threshold: 2, children: members.map { .member($0.shard, weight: 1) }))
    return Charter(
      nonce: SHA256.hash(randomBytes(32)), name: "ledger", members: members, recovery: policy, governance: policy,
      kms: Charter.KMSDoor(path: "ledger/door", KMSIdentity(master: try master("kms"))),
      uploaders: [try node("tee"), try node("spare")], requesters: [try node("ops")], home: home,
      chunker: chunker, retentionEpochs: 0)
  }
}

/// Holds an opening, which has one owner, where tests hand it around.
final class DoorBox: Sendable {
  let opening: DoorOpening

  init(_ opening: consuming DoorOpening) {
    self.opening = opening
  }
}

/// A state with a bit of everything: pages that compress, pages that do not, zeros, and repeats.
func sampleState(byteCount: Int, seed: UInt64 = 1) -> [UInt8] {
  var generator = SeededGenerator(seed: seed)
  var state: [UInt8] = []
  state.reserveCapacity(byteCount + 4_096)
  while state.count < byteCount {
    switch generator.next() % 4 {
    case 0: state += [UInt8](repeating: 0, count: 4_096)
    case 1: state += generator.bytes(4_096)
    case 2: state += (0..<512).flatMap { _ in withUnsafeBytes(of: generator.next() % 1_000) { Array($0) } }
    default: state += Array(state.prefix(4_096))
    }
  }
  return Array(state.prefix(byteCount))
}
