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
  /// The number of the generation after the newest epoch's.
  let nextGeneration: UInt64
  private let options: PushOptions

  /// Plans the epoch after the newest one.
  ///
  /// - Throws: `epoch.version-went-back`; `view.record` for numbers that no archive counts up to.
  init(_ options: PushOptions, application: VerifiedApplication) throws(PosternError) {
    let newest = application.epoch
    self.application = application
    self.options = options
    previous = newest?.leafHash ?? .zero
    let newestVersion = newest?.fields.stateVersion ?? 0
    guard let number = PushPlan.successor(of: newest?.fields.number ?? 0),
      let nextGeneration = PushPlan.successor(of: newest?.fields.generation ?? 0)
    else {
      throw PosternError(
        .viewRecord, "The newest epoch has the last number, or the last generation, that there is.",
        advice: "Do not rely on it: no archive that counts from 1 gets there.")
    }
    self.number = number
    self.nextGeneration = nextGeneration
    guard let stateVersion = options.stateVersion ?? PushPlan.successor(of: newestVersion) else {
      throw PosternError(
        .epochVersion, "The newest epoch has the highest state version that there is, \(newestVersion).",
        advice: "Push with that version again: “--state-version \(newestVersion)”.")
    }
    self.stateVersion = stateVersion
    guard stateVersion >= newestVersion else {
      throw PosternError(
        .epochVersion, "State version \(stateVersion) is lower than the newest epoch's, \(newestVersion).",
        advice: "Push the newer state, or recover the newest epoch first.")
    }
  }

  private static func successor(of number: UInt64) -> UInt64? {
    let (next, isTooLarge) = number.addingReportingOverflow(1)
    return isTooLarge ? nil : next
  }

  /// Whether to push in the generation that is held.
  func choose(_ holding: GenerationChoice.Holding) -> GenerationChoice {
    GenerationChoice(
      holding: holding, newest: application.epoch.map { .init($0.fields) }, next: nextGeneration,
      charter: application.charterDigest, opensNext: options.opensNextGeneration)
  }

  /// Why a push is in another generation than the newest epoch's; nil where it goes on in that one.
  ///
  /// - Parameters:
  ///   - number: the generation that it is in.
  ///   - holding: what the state folder had before.
  func opening(of number: UInt64, instead holding: GenerationChoice.Holding?) -> GenerationOpening? {
    let newest = application.epoch?.fields
    guard number != newest?.generation else { return nil }
    return GenerationOpening(
      holding: holding, newest: newest.map { .init($0) }, charter: application.charterDigest,
      opensNext: options.opensNextGeneration)
  }

  /// The newest epoch, where this push would only say it again; nil where it says something new.
  ///
  /// Whoever gives no state version means the next one: that is how an application whose state stays as it is shows
  /// that it lives. Only where the push before was cut off is the same state still the same push.
  ///
  /// - Parameters:
  ///   - root: the dump's root, which no other generation's dump can have.
  ///   - uploader: who pushes.
  ///   - settled: the epoch of a push that was cut off, and whose receipt came just now; nil where there was none.
  func repeated(root: Digest, by uploader: VerificationKey, settled: UInt64?) -> VerifiedEpoch? {
    guard let newest = application.epoch, !options.opensNextGeneration else { return nil }
    let fields = newest.fields
    let saysItsVersion = options.stateVersion.map { $0 == fields.stateVersion } ?? (settled == fields.number)
    guard saysItsVersion, fields.root == root, fields.commitment == options.commitment,
      fields.charter == application.charterDigest, newest.record.author.key == uploader
    else { return nil }
    return newest
  }

  /// What makes the epoch once its dump is at the archive.
  func sealer(of contentKind: Capsule.ContentKind) -> EpochSealer {
    EpochSealer(
      application: application, number: number, previous: previous, stateVersion: stateVersion,
      commitment: options.commitment, contentKind: contentKind)
  }

  /// Opens the push.
  ///
  /// - Throws: `push.too-large`; what the archive refuses a begin with.
  func begin(
    generation: UInt64, _ input: StateInput, _ archive: ArchiveConnection, signedBy key: consuming SigningKey
  ) async throws -> RenewingPush {
    let limit = try await archive.describe().pushByteCountLimit
    let budget = input.byteCount.map { UInt64(sealedByteCountLimit(stateByteCount: $0)) } ?? limit
    guard budget <= limit else {
      throw PosternError(
        .pushTooLarge,
        "The state may take \(budget) bytes, sealed and with all that goes with it, and the archive takes \(limit) in one push.",
        advice: "Ask its operator for more, or push to another archive.")
    }
    let terms = RenewingPush.Terms(
      app: application.app, epoch: number, previous: previous, generation: generation, budgetByteCount: budget)
    return try await RenewingPush(terms, over: archive, signedBy: key)
  }

  /// More than envelope, veil and capsule count together.
  private static let bodiesByteCount = 4 << 20

  /// The most bytes that a state of this length counts against the budget: incompressible chunks, as many as there can
  /// be, their nodes, and what every object counts beside its bytes.
  private func sealedByteCountLimit(stateByteCount: Int) -> Int {
    let chunker = application.charter.chunker
    let chunkCount = chunker.chunkCountLimit(stateByteCount: stateByteCount)
    let objectCount = chunkCount + TreeBuilder.nodeCountLimit(chunkCount: chunkCount)
    return chunker.sealedByteCountLimit(stateByteCount: stateByteCount)
      + TreeBuilder.sealedByteCountLimit(chunkCount: chunkCount)
      + objectCount * Begin.objectOverheadByteCount + PushPlan.bodiesByteCount
  }
}
