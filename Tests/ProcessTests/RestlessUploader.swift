import Bulk
import Client
import Core
import Fixtures
import Foundation
import Records
import Sodium
import Synchronization
import Trust

/// An uploader that pushes one random state after the other, until it is told to stop or meets an error.
final class RestlessUploader: Sendable {
  /// A state that was pushed, and what came of it.
  struct Attempt: Sendable {
    let path: String
    let digest: Digest
    /// The epoch that the application's newest was when it was tried first.
    let number: Int
  }

  /// What an acknowledged push left.
  struct Acknowledged: Sendable {
    let app: Digest
    let epoch: UInt64
    let leafIndex: UInt64
    let stateDigest: Digest
    let receipt: Receipt
    let isRepeat: Bool
  }

  let app: Digest
  let name: String
  let publicKey: VerificationKey
  private let keyText: [UInt8]
  private let folder: String
  private let statePath: String
  private let work: Mutex<Work>
  private let sealing = Atomic(false)

  private struct Work {
    var generator: SeededGenerator
    var state: [UInt8] = []
    var number = 0
  }

  /// An uploader.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - keyPath: its key.
  ///   - folder: where its states and what it remembers go.
  ///   - seed: what its states follow from.
  init(app: Digest, keyPath: String, folder: String, seed: UInt64) throws {
    self.app = app
    keyText = try InputFile.read(keyPath, byteCountLimit: KeyFile.textByteCountLimit)
    let key = try RestlessUploader.key(keyText)
    name = key.name
    publicKey = try key.signingKey().verificationKey
    self.folder = folder
    statePath = "\(folder)/\(name)-state"
    work = Mutex(Work(generator: SeededGenerator(seed: seed)))
  }

  static func key(_ text: [UInt8]) throws -> KeyFile {
    try KeyFile(parsing: text) { () throws(PosternError) in SecretBytes.random(count: 1) }
  }

  /// The next state: the last one with some pages changed, or one of another length altogether.
  func nextAttempt() throws -> Attempt {
    let (state, number) = work.withLock { work in
      work.number += 1
      switch Int.random(in: 0..<8, using: &work.generator) {
      case 0: work.state = []
      case 1, 2: work.state = work.generator.bytes(Int.random(in: 1...40_000, using: &work.generator))
      case 3: work.state = work.generator.bytes(Int.random(in: 500_000...4_000_000, using: &work.generator))
      default:
        for _ in 0..<10 where !work.state.isEmpty {
          let place = Int.random(in: work.state.indices, using: &work.generator)
          work.state[place] &+= 1
        }
      }
      return (work.state, work.number)
    }
    let path = "\(folder)/\(name).\(number)"
    try Data(state).write(to: URL(filePath: path))
    return Attempt(path: path, digest: SHA256.hash(state), number: number)
  }

  /// Whether a record was signed, and its answer has not come: the moments that a commit happens in.
  var isSealing: Bool { sealing.load(ordering: .relaxed) }

  /// Pushes a state once.
  func push(_ attempt: Attempt, to address: ArchiveAddress) async throws -> Acknowledged {
    let options = PushOptions(app: app, input: .file(path: attempt.path), statePath: statePath)
    let keyText = keyText
    defer { sealing.store(false, ordering: .relaxed) }
    let report = try await ArchiveConnection.open(address) { connection in
      let key = try RestlessUploader.key(keyText)
      return try await Pusher.push(options, key: key, over: connection) { progress in
        self.sealing.store(progress.phase == .sealing, ordering: .relaxed)
      }
    }
    let receipt = try Receipt(parsing: InputFile.read(report.receiptPath, byteCountLimit: 1 << 20))
    return Acknowledged(
      app: app, epoch: report.epoch, leafIndex: report.leafIndex, stateDigest: attempt.digest, receipt: receipt,
      isRepeat: report.isRepeat)
  }

  /// Pushes a state as often as another uploader is faster.
  ///
  /// - Parameter limit: how often.
  func pushPastOthers(_ attempt: Attempt, to address: ArchiveAddress, limit: Int = 20) async throws -> Acknowledged {
    for _ in 1..<limit {
      do {
        return try await push(attempt, to: address)
      } catch let error as PosternError where RestlessUploader.lostRace.contains(error.code) {}
    }
    return try await push(attempt, to: address)
  }

  /// What a push is refused with when another uploader's epoch came first.
  static let lostRace: Set<PosternError.Code> = [.epochTaken, .epochPrevious, .epochGeneration, .epochVeil]
  /// What it may meet besides when the server is killed and started again meanwhile.
  static let interrupted: Set<PosternError.Code> = ["wire.unavailable", "push.unknown"]
}
