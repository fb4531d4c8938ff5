import Bulk
public import Core
public import Merkle
public import Records
public import Trust

/// What an archive proved about an application whose id the reader knew beforehand.
///
/// There is no other way to make one than ``init(app:note:charter:epoch:charterBody:signaturesBody:)``, which
/// trusts nobody: everything follows from the app id, which is the digest of the charter.
public struct VerifiedApplication: Sendable {
  /// The application's id.
  public let app: Digest
  /// The charter in force, as far as this archive shows.
  public let charter: Charter
  /// The charter's digest.
  public let charterDigest: Digest
  /// The charter's bytes.
  public let charterBody: [UInt8]
  /// The bytes of its members' signatures.
  public let signaturesBody: [UInt8]
  /// The charter's record with its place in the log.
  public let charterLeaf: ProvenLeaf
  /// The log's checkpoint, under the key of the charter's home.
  public let checkpoint: SignedCheckpoint
  /// The epoch that was asked for; nil where the application has none yet.
  public let epoch: VerifiedEpoch?

  /// Verifies what an archive, or a file, shows of an application.
  ///
  /// - Parameters:
  ///   - app: the application's id, which the reader knows from elsewhere.
  ///   - note: the checkpoint.
  ///   - charter: the record of the application's charter.
  ///   - epoch: the record of the epoch in question; nil where there is none.
  ///   - charterBody: the charter.
  ///   - signaturesBody: its members' signatures.
  /// - Throws: `view.*` when something else is shown than was asked for; `charter.*`, `policy.*`, `record.*` when
  ///   charter or record break a rule; `log.*` when the log did not sign the checkpoint or it does not cover a record.
  public init(
    app: Digest, note: [UInt8], charter leaf: ProvenLeaf, epoch: ProvenLeaf?, charterBody: [UInt8],
    signaturesBody: [UInt8]
  ) async throws(PosternError) {
    guard SHA256.hash(charterBody) == app else { throw .foreignView }
    let bodies = Bodies([charterBody, signaturesBody])
    guard case .charter(let checked) = try await check(leaf: leaf.leaf, bodies: bodies, charter: nil) else {
      throw .wrongRecord
    }
    guard checked.record.app == app else { throw .foreignView }
    let checkpoint = try SignedCheckpoint(parsing: note, log: checked.charter.home)
    try leaf.verify(under: checkpoint)
    self.app = app
    charter = checked.charter
    charterDigest = app
    self.charterBody = charterBody
    self.signaturesBody = signaturesBody
    charterLeaf = leaf
    self.checkpoint = checkpoint
    if let epoch {
      self.epoch = try VerifiedEpoch(epoch, app: app, charter: charter, under: checkpoint)
    } else {
      self.epoch = nil
    }
  }
}

/// An epoch's record that stands in the home log of its application's charter, signed by a listed uploader.
public struct VerifiedEpoch: Sendable {
  /// The record.
  public let record: Record
  /// The record's fields.
  public let fields: EpochFields
  /// RFC 6962 hash of the record's leaf.
  public let leafHash: Digest
  /// The record with its place in the log.
  public let proven: ProvenLeaf

  init(
    _ proven: ProvenLeaf, app: Digest, charter: Charter, under checkpoint: SignedCheckpoint
  ) throws(PosternError) {
    let record = try Record(parsing: proven.leaf)
    guard case .epoch(let shown) = record.fields else { throw .wrongRecord }
    guard record.app == app, shown.charter == charter.digest else { throw .foreignView }
    let fields = try record.verifiedEpoch(of: app, under: charter)
    try proven.verify(under: checkpoint)
    self.record = record
    self.fields = fields
    self.proven = proven
    leafHash = TreeHash.leaf(proven.leaf)
  }

  /// The epoch as a memory keeps it.
  var seen: SeenEpoch { SeenEpoch(number: fields.number, leafHash: leafHash) }

  /// Refuses an epoch that cannot stand behind another, which no log admits.
  ///
  /// - Parameter previous: the epoch before it; nil for the first.
  /// - Throws: `epoch.*`.
  public func requireSuccessor(of previous: VerifiedEpoch?) throws(PosternError) {
    let line = previous.map {
      ApplicationState.EpochLine(
        number: $0.fields.number, leafHash: $0.leafHash, stateVersion: $0.fields.stateVersion)
    }
    try judge(fields, after: line, in: previous.map { (number: $0.fields.generation, veil: $0.fields.veil) })
  }

  /// The epoch's receipt: its record, with the checkpoint that covers it.
  ///
  /// - Throws: `log.proof`, `receipt.leaf` for a record that fits no receipt.
  public func receipt(under checkpoint: SignedCheckpoint) throws(PosternError) -> Receipt {
    try Receipt(proven, note: checkpoint.note)
  }
}

extension PosternError {
  static let foreignView = PosternError(
    .viewApplication, "What is shown does not belong to the application that was asked for.",
    advice: "Check the application's id; if it is right, ask another archive.")

  static let wrongRecord = PosternError(
    .viewRecord, "What is shown is another record than the one that was asked for.", advice: "Ask another archive.")

  static let noEpoch = PosternError(
    .viewNoEpoch, "The application has no epoch yet.", advice: "Push one first, or ask another archive.")
}
