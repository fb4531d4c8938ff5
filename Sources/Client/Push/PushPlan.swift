import Core
import Dump
import Records
import Sodium

/// Which epoch a push is to become, after what the archive shows.
struct PushPlan: Sendable {
  /// The application, as it was proven.
  let application: VerifiedApplication
  /// The epoch's number.
  let number: UInt64
  /// The leaf hash of the epoch before; zeros for the first.
  let previous: Digest
  /// The state's version.
  let stateVersion: UInt64
  private let options: PushOptions

  /// Plans the epoch after the newest one.
  ///
  /// - Throws: `epoch.version-went-back`.
  init(_ options: PushOptions, application: VerifiedApplication) throws(PosternError) {
    let newest = application.epoch
    self.application = application
    self.options = options
    number = (newest?.fields.number ?? 0) + 1
    previous = newest?.leafHash ?? .zero
    let newestVersion = newest?.fields.stateVersion ?? 0
    stateVersion = options.stateVersion ?? newestVersion + 1
    guard stateVersion >= newestVersion else {
      throw PosternError(
        .epochVersion, "State version \(stateVersion) is lower than the newest epoch's, \(newestVersion).",
        advice: "Push the newer state, or recover the newest epoch first.")
    }
  }

  /// The number of the generation after the newest epoch's.
  var nextGeneration: UInt64 { (application.epoch?.fields.generation ?? 0) + 1 }

  /// Whether to push in the generation that is held.
  func choose(_ holding: GenerationChoice.Holding) -> GenerationChoice {
    GenerationChoice(
      holding: holding, newest: application.epoch.map { .init($0.fields) }, charter: application.charterDigest,
      opensNext: options.opensNextGeneration)
  }

  /// What makes the epoch once its dump is at the archive.
  var sealer: EpochSealer {
    EpochSealer(
      application: application, number: number, previous: previous, stateVersion: stateVersion,
      commitment: options.commitment)
  }

  /// Opens the push.
  ///
  /// - Throws: `push.too-large`; what the archive refuses a begin with.
  func begin(
    generation: UInt64, _ input: StateInput, _ archive: ArchiveConnection, signedBy key: borrowing SigningKey
  ) async throws -> PushToken {
    let limit = try await archive.describe().pushByteCountLimit
    let budget = input.byteCount.map { UInt64(sealedByteCountLimit(stateByteCount: $0)) } ?? limit
    guard budget <= limit else {
      throw PosternError(
        .pushTooLarge, "The state may take \(budget) bytes, and the archive takes \(limit) in one push.",
        advice: "Ask its operator for more, or push to another archive.")
    }
    let nonce = try await archive.challenge(app: application.app)
    let begin = Begin(
      app: application.app, epoch: number, previous: previous, generation: generation, budgetByteCount: budget,
      nonce: nonce, signedBy: key)
    return try await archive.begin(begin)
  }

  /// The most bytes that a state of this length can become: incompressible chunks, and nodes of four children.
  private func sealedByteCountLimit(stateByteCount: Int) -> Int {
    let chunker = application.charter.chunker
    let chunkCount = stateByteCount / chunker.chunkByteCount + 1
    // Above the chunks there is at most one node for three of them, all levels together, and some at the edges.
    let nodeByteCount = DumpLimits.nodeByteCount / DumpLimits.nodeChildCount * 2
    return chunkCount * (chunker.sealedChunkByteCount + nodeByteCount) + DumpLimits.nodeLevel * DumpLimits.nodeByteCount
  }
}

extension VerifiedApplication {
  /// Says that a key may push.
  ///
  /// - Throws: `push.not-an-uploader`.
  func requireUploader(_ key: VerificationKey) throws(PosternError) {
    guard charter.uploaders.contains(where: { $0.key == key }) else {
      throw PosternError(
        .beginAuthor, "The charter lists no uploader with this key.",
        advice: "Push with the key of a listed uploader, or have the charter amended.")
    }
  }
}
