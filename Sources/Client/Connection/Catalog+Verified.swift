public import Core
import Merkle
import Records
public import Trust

extension Catalog {
  /// What is shown of an application, proven against its id.
  ///
  /// A copy that is older than what `memory` has seen is refused where the newest epoch is asked for, and not where
  /// somebody names the epoch: then an older copy is what is wanted, and nothing of it is remembered.
  ///
  /// - Parameters:
  ///   - app: the application's id, known from elsewhere.
  ///   - epoch: which epoch; nil for the newest that is shown.
  ///   - memory: what this machine saw of logs before; nil to remember nothing.
  /// - Throws: `view.*`, `charter.*`, `record.*`, `log.*` (`log.fork` and `log.rollback` among them), `epoch.*`,
  ///   `source.*`, `wire.*`; of a folder `folder.*`.
  public func verified(
    app: Digest, epoch: UInt64? = nil, memory: CheckpointMemory?
  ) async throws -> VerifiedApplication {
    // The first charter names the log, and what was seen of it is read before the log is asked again.
    let charterBody = try await genesisCharter(of: app)
    let home = try Charter(parsing: charterBody).home
    let remembered = try memory?.newest(of: home)
    let seen = try memory?.newestEpoch(of: app)
    let shown = try await show(app, epoch: epoch)
    let (signatures, leaf) = try await signatures(of: shown, app: app)
    let application = try await VerifiedApplication(
      app: app, note: shown.note, charter: leaf, epoch: shown.epoch, charterBody: charterBody,
      signaturesBody: signatures)
    if let epoch, application.epoch?.fields.number != epoch { throw PosternError.wrongRecord }
    let isNamed = epoch != nil
    try await memory?.advance(to: application.checkpoint, from: remembered, of: home, reading: self, isNamed: isNamed)
    if !isNamed {
      try await memory?.advance(to: application.epoch?.seen, from: seen, of: app, isCopy: isCopy)
    }
    return application
  }

  /// Another epoch of an application whose charter was proven already.
  ///
  /// - Parameters:
  ///   - number: which epoch.
  ///   - application: the application, as this source proved it.
  ///   - memory: what this machine saw of logs before; nil to remember nothing.
  /// - Throws: `view.*`, `record.*`, `log.*`, `epoch.*`, `source.*`, `wire.*`.
  public func epoch(
    _ number: UInt64, of application: VerifiedApplication, memory: CheckpointMemory?
  ) async throws -> VerifiedEpoch {
    let charter = application.charter
    let remembered = try memory?.newest(of: charter.home)
    let shown = try await show(application.app, epoch: number)
    let checkpoint = try SignedCheckpoint(parsing: shown.note, log: charter.home)
    guard let proven = shown.epoch else { throw PosternError.wrongRecord }
    let epoch = try VerifiedEpoch(proven, app: application.app, charter: charter, under: checkpoint)
    guard epoch.fields.number == number else { throw PosternError.wrongRecord }
    try await memory?.advance(to: checkpoint, from: remembered, of: charter.home, reading: self, isNamed: true)
    return epoch
  }

  /// Fetches the bodies of a proven application's epoch and verifies its envelope.
  ///
  /// - Throws: `view.no-epoch`, `envelope.*`, `veil.encoding`, `source.*`, `wire.*`.
  public func sealedEpoch(of application: VerifiedApplication) async throws -> SealedEpoch {
    guard let fields = application.epoch?.fields else { throw PosternError.noEpoch }
    let app = application.app
    async let envelope = checkedBody(app: app, generation: fields.generation, digest: fields.envelope)
    async let veil = checkedBody(app: app, generation: fields.generation, digest: fields.veil)
    async let capsule = checkedBody(app: app, generation: fields.generation, digest: fields.capsule)
    do {
      return try await SealedEpoch(
        application: application, envelopeBody: try await envelope, veilBody: try await veil,
        capsule: try await capsule)
    } catch let error as PosternError where error.code == .sourceAbsent && isCopy {
      throw PosternError(
        .sourceAbsent, "Its log shows epoch \(fields.number), and the dump of that epoch is not in it.",
        advice: error.advice)
    }
  }

  /// Reads the dump of an epoch that was taken because it was the newest, and says so where a newer one took its place.
  ///
  /// With a small retention an epoch is collected soon after the next ones have come, also from under a reader.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - number: the epoch that was the newest.
  ///   - body: what reads.
  /// - Throws: `archive.not-found`, with what came meanwhile if something did; what `body` throws.
  public func readingNewest<Result>(
    _ number: UInt64, of app: Digest, _ body: () async throws -> Result
  ) async throws -> Result {
    do {
      return try await body()
    } catch let error as PosternError where error.code == .archiveNotFound {
      guard let newest = try? await verified(app: app, memory: nil).epoch?.fields.number, newest > number else {
        throw error
      }
      throw PosternError.overtaken(number, by: newest)
    }
  }

  /// Fetches envelope and veil of a proven application's epoch and verifies them, as far as they are here all of it.
  ///
  /// - Returns: the doors, and the whole epoch where its capsule is here: an archive whose application keeps only so
  ///   many epochs may have collected an older one's.
  /// - Throws: as ``sealedEpoch(of:)``.
  public func doors(of application: VerifiedApplication) async throws -> (doors: VerifiedDoors, sealed: SealedEpoch?) {
    do {
      let sealed = try await sealedEpoch(of: application)
      return (sealed.doors, sealed)
    } catch let error as PosternError
      where error.code == .archiveNotFound && application.charter.retentionEpochs > 0
    {
      guard let fields = application.epoch?.fields else { throw error }
      let app = application.app
      async let envelope = checkedBody(app: app, generation: fields.generation, digest: fields.envelope)
      async let veil = checkedBody(app: app, generation: fields.generation, digest: fields.veil)
      let doors = try await VerifiedDoors(
        application: application, envelopeBody: try await envelope, veilBody: try await veil)
      return (doors, nil)
    }
  }

  /// The charter whose digest is the application's id.
  private func genesisCharter(of app: Digest) async throws -> [UInt8] {
    do {
      return try await checkedBody(app: app, generation: 0, digest: app)
    } catch let error as PosternError where error.code == .archiveNotFound || error.code == .sourceAbsent {
      throw isCopy ? PosternError.notCopied(app) : PosternError.unknownApplication(app)
    }
  }

  /// The only charter's record, and the signatures that it names.
  private func signatures(of shown: ShownRecords, app: Digest) async throws -> (body: [UInt8], leaf: ProvenLeaf) {
    // A second charter would be a motion's doing, which this version does not know.
    guard let leaf = shown.charters.first, shown.charters.count == 1,
      case .charter(let fields) = try Record(parsing: leaf.leaf).fields
    else { throw PosternError.wrongRecord }
    return (try await checkedBody(app: app, generation: 0, digest: fields.signatures), leaf)
  }
}

extension CheckpointMemory {
  /// Says that what a catalog shows continues what was seen, and remembers it.
  ///
  /// - Parameter isNamed: whether somebody named the epoch: then a copy may be older, and need not prove that it
  ///   continues; two histories are refused all the same.
  fileprivate func advance(
    to shown: SignedCheckpoint, from remembered: SignedCheckpoint?, of log: NoteVerifier, reading catalog: some Catalog,
    isNamed: Bool
  ) async throws {
    guard catalog.isCopy, let remembered else {
      return try await advance(to: shown, from: remembered, of: log, reading: catalog)
    }
    guard shown.checkpoint.size >= remembered.checkpoint.size else {
      if isNamed { return }
      throw PosternError.olderCopy(shown.checkpoint, than: remembered.checkpoint)
    }
    do {
      try await advance(to: shown, from: remembered, of: log, reading: catalog)
    } catch let error as PosternError where [.sourceAbsent, .logRoot, .logTile].contains(error.code) {
      // A tile that rotted shows no more than one that is not there.
      if isNamed { return }
      throw PosternError.unprovenCopy(shown.checkpoint, after: remembered.checkpoint)
    }
  }
}

extension PosternError {
  fileprivate static func overtaken(_ number: UInt64, by newest: UInt64) -> PosternError {
    PosternError(
      .archiveNotFound,
      "Epoch \(newest) has come while epoch \(number), the newest until then, was read, and the archive does not keep "
        + "all of epoch \(number) any more.",
      advice: "Run it again: it takes the newest epoch. The charter's retention says how many pushes may come "
        + "meanwhile; where that is too few, stop pushing until it is done.")
  }

  fileprivate static func notCopied(_ app: Digest) -> PosternError {
    PosternError(
      .epochUnknownApplication, "The folder holds nothing of the application \(app).",
      advice: "Check the application's id, or name the folder that it was pulled into.")
  }

  private static let onPurpose =
    "If it is the copy that you mean to use, name the epoch with --epoch; otherwise pull again, or use a newer copy."

  fileprivate static func olderCopy(_ shown: Checkpoint, than seen: Checkpoint) -> PosternError {
    PosternError(
      .folderOlder,
      "The folder's log has \(shown.size) entries, and this machine has seen \(seen.size) of “\(seen.origin)”: what is "
        + "newest in it may not be the newest.",
      advice: onPurpose)
  }

  fileprivate static func unprovenCopy(_ shown: Checkpoint, after seen: Checkpoint) -> PosternError {
    PosternError(
      .folderUnproven,
      "The folder lacks tiles, or has damaged ones, that would show that its log, of \(shown.size) entries, continues "
        + "the \(seen.size) that this machine has seen of “\(seen.origin)”.",
      advice: onPurpose)
  }
}
