import Archive
import Client
import Core
import Dump
import Envelope
import Foundation
import Logging
import Merkle
import Records
import Service
import Sodium
import Wire

/// An archive on a loopback port in a folder that goes when it ends, with applications that are registered with it.
final class LocalArchive: Sendable {
  /// Why a measurement cannot go on.
  struct Failure: Error {
    let reason: String
  }

  private let folder: String
  private let connection: ArchiveConnection
  private let applications: [Application]

  private struct Application: Sendable {
    let app: Digest
    let uploader: [UInt8]
    let kms: [UInt8]
  }

  private init(folder: String, connection: ArchiveConnection, applications: [Application]) {
    self.folder = folder
    self.connection = connection
    self.applications = applications
  }

  /// Serves a new archive while `body` runs.
  static func run(applicationCount: Int = 1, _ body: (LocalArchive) async throws -> Void) async throws {
    // It is called once, while this function waits for it: whatever it captures has one user at a time.
    nonisolated(unsafe) let body = body
    let folder = FileManager.default.temporaryDirectory.appending(path: "postern-benchmark-\(UUID())").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let home = try Archive.create(at: folder + "/data", origin: "benchmark.example/log")
    let archive = try await Archive.open(at: folder + "/data") { fatalError("\($0)") }
    let logger = Logger(label: "benchmark") { _ in SwiftLogNoOpLogHandler() }
    let transport = WireServerTransport(host: "127.0.0.1", port: 0, logger: logger)
    let serving = Task { try await ArchiveServer(archive, version: "benchmark", logger: logger).serve(over: transport) }
    let bound = try await transport.boundAddress
    try await ArchiveConnection.open(ArchiveAddress(host: bound.host, port: bound.port)) { connection in
      var applications: [Application] = []
      for number in 0..<applicationCount {
        applications.append(try await register(name: "bench-\(number)", home: home, over: connection))
      }
      try await body(LocalArchive(folder: folder, connection: connection, applications: applications))
    }
    transport.beginGracefulShutdown()
    try await serving.value
  }

  /// Registers an application of one member, one uploader and a KMS.
  private static func register(
    name: String, home: NoteVerifier, over connection: ArchiveConnection
  ) async throws -> Application {
    let (uploader, kms) = (randomBytes(32), randomBytes(32))
    let member = try key(.member, randomBytes(32))
    let identity = MemberIdentity(name: member.name, master: member.master)
    let policy = try Policy(root: Gate(threshold: 1, children: [.member(identity.shardKey, weight: 1)]))
    let node = Charter.Node(name: "node", key: try key(.uploader, uploader).signingKey().verificationKey)
    let asker = Charter.Node(name: "asker", key: try key(.requester, randomBytes(32)).signingKey().verificationKey)
    guard let nonce = Digest(randomBytes(Digest.byteCount)) else { throw Failure(reason: "a nonce has 32 bytes") }
    var file = try CharterFile(
      Charter(
        nonce: nonce, name: name, members: [Charter.Member(identity)], recovery: policy, governance: policy,
        kms: Charter.KMSDoor(path: "bench/door", KMSIdentity(master: try key(.kms, kms).master)), uploaders: [node],
        requesters: [asker], home: home, chunker: .content(.kib16), retentionEpochs: 0))
    try file.sign(with: member)
    let registration = try file.registration(by: member)
    _ = try await connection.register(
      leaf: registration.leaf, charter: registration.charter, signatures: registration.signatures)
    return Application(app: file.charter.digest, uploader: uploader, kms: kms)
  }

  private static func key(_ role: HolderRole, _ secret: [UInt8]) throws -> KeyFile {
    var secret = secret
    return try KeyFile(role: role, name: "bench", master: MasterSecret(consuming: &secret))
  }

  /// Writes a state to a file.
  ///
  /// - Returns: the file's path.
  func write(_ state: [UInt8]) throws -> String {
    let path = folder + "/state-\(UUID())"
    try Data(state).write(to: URL(filePath: path))
    return path
  }

  /// Pushes a file as an application's next epoch.
  func push(_ path: String, application number: Int = 0) async throws {
    let application = applications[number]
    let options = PushOptions(
      app: application.app, input: .file(path: path), statePath: folder + "/uploader-\(number)")
    _ = try await Pusher.push(options, key: LocalArchive.key(.uploader, application.uploader), over: connection)
  }

  /// Recovers the newest epoch through the KMS door.
  func recover() async throws {
    let application = applications[0]
    let verified = try await connection.verified(app: application.app, memory: nil)
    let sealed = try await connection.sealedEpoch(of: verified)
    let opening = try KMSDoorOpener.open(sealed, key: LocalArchive.key(.kms, application.kms))
    _ = try await Recoverer.recover(
      RecoverOptions(output: .file(path: folder + "/recovered")), opening: opening, capsule: sealed.capsule,
      from: connection)
  }
}
