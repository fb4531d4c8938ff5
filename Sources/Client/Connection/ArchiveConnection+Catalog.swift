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
    let answer = try await retry.noting { try await client.register(request) }
    return try Receipt(parsing: Array(answer.receipt))
  }

  /// Lists an application's epochs, newest first.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - page: what ``EpochPage/next`` of the page before said; nil for the first.
  ///   - limit: the most epochs of a page, 1 to 1,000.
  /// - Throws: `wire.*`; `wire.answer` for a page with more, and for an empty one that is not to be the last.
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
  /// - Throws: `wire.*`; `wire.answer` for a page with more, and for an empty one that is not to be the last.
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
    // Otherwise an archive could go on for ever with nothing, or with more than anybody wants.
    let hasRows = !answer.epochs.isEmpty
    guard answer.epochs.count <= limit, hasRows || answer.next.isEmpty else { throw PosternError.answerShape }
    return EpochPage(
      epochs: try answer.epochs.map { try EpochSummary($0) }, next: answer.next.isEmpty ? nil : Array(answer.next))
  }
}

extension ArchiveConnection: Catalog {
  /// The archive's records of an application, unverified.
  ///
  /// - Throws: `archive.not-found`, `epoch.unknown-app`, `wire.*`.
  public func show(_ app: Digest, epoch: UInt64?) async throws -> ShownRecords {
    guard let epoch else {
      var request = Postern_V1_LatestRequest()
      request.app = Data(app.bytes)
      let answer = try await ask { [request] in try await client.latest(request) }
      return try ShownRecords(answer.checkpoint, answer.charters, answer.hasEpoch ? answer.epoch : nil)
    }
    var request = Postern_V1_ShowRequest()
    request.app = Data(app.bytes)
    request.epoch = epoch
    let answer = try await ask { [request] in try await client.show(request) }
    return try ShownRecords(answer.checkpoint, answer.charters, answer.hasEpoch ? answer.epoch : nil)
  }
}

extension ShownRecords {
  fileprivate init(
    _ note: Data, _ charters: [Postern_V1_ProvenLeaf], _ epoch: Postern_V1_ProvenLeaf?
  ) throws(PosternError) {
    var leaves: [ProvenLeaf] = []
    for charter in charters { leaves.append(try ProvenLeaf(charter)) }
    var shown: ProvenLeaf?
    if let epoch { shown = try ProvenLeaf(epoch) }
    self.init(note: Array(note), charters: leaves, epoch: shown)
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
