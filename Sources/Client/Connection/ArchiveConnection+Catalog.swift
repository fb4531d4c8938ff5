public import Core
import FoundationEssentials
import Merkle
import Records
public import Trust
import Wire

extension ArchiveConnection {
  /// Asks who the archive is.
  ///
  /// - Throws: `log.key` and its like when its key cannot be read; `wire.*`.
  public func describe() async throws -> ArchiveDescription {
    let answer = try await ask { try await client.describe() }
    return ArchiveDescription(
      verifier: try NoteVerifier(parsing: answer.verifierKey), version: answer.version,
      pushByteCountLimit: answer.pushByteLimit)
  }

  /// Registers an application.
  ///
  /// - Parameters:
  ///   - leaf: the charter's record, signed by the charter's first member.
  ///   - charter: the charter.
  ///   - signatures: every member's signature over it.
  /// - Returns: the record's receipt, unverified.
  /// - Throws: `charter.*`, `record.*`, `wire.*`.
  public func register(leaf: [UInt8], charter: [UInt8], signatures: [UInt8]) async throws -> Receipt {
    var request = Postern_V1_RegisterRequest()
    request.leaf = Data(leaf)
    request.charter = Data(charter)
    request.signatures = Data(signatures)
    let answer = try await retry.once { try await client.register(request) }
    return try Receipt(parsing: Array(answer.receipt))
  }

  /// Lists an application's epochs, newest first.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - page: what ``EpochPage/next`` of the page before said; nil for the first.
  ///   - limit: the most epochs of a page, 1 to 1,000.
  /// - Throws: `wire.*`.
  public func list(app: Digest, after page: [UInt8]? = nil, limit: Int = 100) async throws -> EpochPage {
    var request = Postern_V1_ListRequest()
    request.app = Data(app.bytes)
    return try await list(request, page, limit)
  }

  /// Lists the epochs, of whatever application, that were sealed under a recovery policy, newest first.
  ///
  /// - Parameters:
  ///   - policy: digest of the policy.
  ///   - page: what ``EpochPage/next`` of the page before said; nil for the first.
  ///   - limit: the most epochs of a page, 1 to 1,000.
  /// - Throws: `wire.*`.
  public func list(policy: Digest, after page: [UInt8]? = nil, limit: Int = 100) async throws -> EpochPage {
    var request = Postern_V1_ListRequest()
    request.policy = Data(policy.bytes)
    return try await list(request, page, limit)
  }

  private func list(_ request: Postern_V1_ListRequest, _ page: [UInt8]?, _ limit: Int) async throws -> EpochPage {
    var request = request
    request.after = Data(page ?? [])
    request.limit = UInt32(limit)
    let answer = try await ask { [request] in try await client.list(request) }
    return EpochPage(
      epochs: try answer.epochs.map { try EpochSummary($0) }, next: answer.next.isEmpty ? nil : Array(answer.next))
  }

  /// What the archive shows of an application, proven against its id.
  ///
  /// - Parameters:
  ///   - app: the application's id, known from elsewhere.
  ///   - epoch: which epoch; nil for the newest that the archive shows.
  ///   - memory: what this machine saw of logs before; nil to remember nothing.
  /// - Throws: `view.*`, `charter.*`, `record.*`, `log.*` (`log.fork` and `log.rollback` among them), `epoch.*`,
  ///   `source.*`, `wire.*`.
  public func verified(
    app: Digest, epoch: UInt64? = nil, memory: CheckpointMemory?
  ) async throws -> VerifiedApplication {
    // The first charter names the log, and what was seen of it is read before the log is asked again.
    let charterBody = try await genesisCharter(of: app)
    let home = try Charter(parsing: charterBody).home
    let remembered = try memory?.newest(of: home)
    let seen = try memory?.newestEpoch(of: app)
    let answer = try await shown(app, epoch)
    let (signatures, leaf) = try await signatures(of: answer, app: app)
    let application = try await VerifiedApplication(
      app: app, note: answer.note, charter: leaf, epoch: answer.epoch, charterBody: charterBody,
      signaturesBody: signatures)
    if let epoch, application.epoch?.fields.number != epoch { throw PosternError.wrongRecord }
    try await memory?.advance(to: application.checkpoint, from: remembered, of: home, reading: self)
    if epoch == nil { try await memory?.advance(to: application.epoch?.seen, from: seen, of: app) }
    return application
  }

  /// Another epoch of an application whose charter was proven already.
  ///
  /// - Parameters:
  ///   - number: which epoch.
  ///   - application: the application, as this archive proved it.
  ///   - memory: what this machine saw of logs before; nil to remember nothing.
  /// - Throws: `view.*`, `record.*`, `log.*`, `epoch.*`, `wire.*`.
  public func epoch(
    _ number: UInt64, of application: VerifiedApplication, memory: CheckpointMemory?
  ) async throws -> VerifiedEpoch {
    let charter = application.charter
    let remembered = try memory?.newest(of: charter.home)
    let answer = try await shown(application.app, number)
    let checkpoint = try SignedCheckpoint(parsing: answer.note, log: charter.home)
    guard let proven = answer.epoch else { throw PosternError.wrongRecord }
    let epoch = try VerifiedEpoch(proven, app: application.app, charter: charter, under: checkpoint)
    guard epoch.fields.number == number else { throw PosternError.wrongRecord }
    try await memory?.advance(to: checkpoint, from: remembered, of: charter.home, reading: self)
    return epoch
  }

  /// The charter whose digest is the application's id.
  private func genesisCharter(of app: Digest) async throws -> [UInt8] {
    do {
      return try await checkedBody(app: app, generation: 0, digest: app)
    } catch let error as PosternError where error.code == .archiveNotFound {
      throw PosternError(
        .epochUnknownApplication, "The archive knows no application \(app).",
        advice: "Register its charter first, or check the application's id and the archive's address.")
    }
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
    return try await SealedEpoch(
      application: application, envelopeBody: try await envelope, veilBody: try await veil,
      capsule: try await capsule)
  }

  /// What an archive shows of an application, unverified.
  private struct Shown {
    let note: [UInt8]
    let charters: [ProvenLeaf]
    let epoch: ProvenLeaf?
  }

  private func shown(_ app: Digest, _ epoch: UInt64?) async throws -> Shown {
    if let epoch {
      var request = Postern_V1_ShowRequest()
      request.app = Data(app.bytes)
      request.epoch = epoch
      let answer = try await ask { [request] in try await client.show(request) }
      return Shown(
        note: Array(answer.checkpoint), charters: try answer.charters.map { try ProvenLeaf($0) },
        epoch: answer.hasEpoch ? try ProvenLeaf(answer.epoch) : nil)
    }
    var request = Postern_V1_LatestRequest()
    request.app = Data(app.bytes)
    let answer = try await ask { [request] in try await client.latest(request) }
    return Shown(
      note: Array(answer.checkpoint), charters: try answer.charters.map { try ProvenLeaf($0) },
      epoch: answer.hasEpoch ? try ProvenLeaf(answer.epoch) : nil)
  }

  /// The only charter's record, and the signatures that it names.
  private func signatures(of shown: Shown, app: Digest) async throws -> (body: [UInt8], leaf: ProvenLeaf) {
    // A second charter would be a motion's doing, which this version does not know.
    guard let leaf = shown.charters.first, shown.charters.count == 1,
      case .charter(let fields) = try Record(parsing: leaf.leaf).fields
    else { throw PosternError.wrongRecord }
    return (try await checkedBody(app: app, generation: 0, digest: fields.signatures), leaf)
  }
}

extension EpochSummary {
  fileprivate init(_ row: Postern_V1_EpochRow) throws(PosternError) {
    app = try digest(row.app)
    epoch = row.epoch
    generation = row.generation
    stateVersion = row.stateVersion
    commitment = row.commitment.isEmpty ? nil : try digest(row.commitment)
    policy = try digest(row.policy)
    leafIndex = row.index
    root = try digest(row.root)
    addedByteCount = row.addedBytes
  }
}

extension ProvenLeaf {
  fileprivate init(_ message: Postern_V1_ProvenLeaf) throws(PosternError) {
    guard message.path.count <= InclusionProof.maximumHashCount else { throw .answerShape }
    var path: [Digest] = []
    for hash in message.path { path.append(try digest(hash)) }
    self.init(index: message.index, leaf: Array(message.leaf), path: path)
  }
}

/// The digest that a message's field holds.
private func digest(_ field: Data) throws(PosternError) -> Digest {
  guard let digest = Digest(field) else { throw .answerShape }
  return digest
}

extension PosternError {
  static let answerShape = PosternError(
    .answerShape, "The archive's answer is not of the shape that the protocol gives it.",
    advice: "Use a client of the archive's version, or another archive.")
}
