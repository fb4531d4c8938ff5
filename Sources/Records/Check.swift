public import Core
import Envelope
import Merkle
import Sodium

/// A record that passed everything that costs time and needs no order: the only thing that `apply` takes.
///
/// Made by ``check(leaf:bodies:charter:)`` and by nothing else.
public enum Checked: Sendable {
  /// A charter that could be opened and amended, signed by every member.
  case charter(CheckedCharter)
  /// An epoch by an uploader of the charter, whose doors open one secret.
  case epoch(CheckedEpoch)
}

/// A charter record that was checked.
public struct CheckedCharter: Sendable {
  /// The record.
  public let record: Record
  /// RFC 6962 hash of the record's leaf.
  public let leafHash: Digest
  /// The record's fields.
  public let fields: CharterFields
  /// The charter that it brings.
  public let charter: Charter
}

/// An epoch record that was checked under one charter.
public struct CheckedEpoch: Sendable {
  /// The record.
  public let record: Record
  /// RFC 6962 hash of the record's leaf.
  public let leafHash: Digest
  /// The record's fields.
  public let fields: EpochFields
  /// The commitment of the veil that the record names.
  public let veilCommit: Digest
  /// Digest of the recovery policy that the envelope was dealt under.
  public let policy: Digest
}

extension Record {
  /// The bodies that ``check(leaf:bodies:charter:)`` reads for this record.
  ///
  /// They are never pruned or withheld, so that a log can be replayed for ever.
  public var checkedBodies: [Digest] {
    switch fields {
    case .charter(let fields): [fields.body, fields.signatures]
    case .epoch(let fields): [fields.envelope, fields.veil]
    case .motion, .ballot: []
    }
  }
}

/// Judges all of a record that needs no order: signatures, shapes, the charter's rules, the envelope's proofs.
///
/// Pure: the same leaf, bodies and charter give the same verdict for ever, in an archive and to whoever asks after it.
/// Archives run it off the sequencer, since an envelope of 1,000 leaves takes a quarter of a second.
///
/// - Parameters:
///   - leaf: the record's bytes.
///   - bodies: at least the record's ``Record/checkedBodies``.
///   - charter: the application's charter in force; nil where it has none yet.
/// - Returns: what ``apply(_:to:)`` takes.
/// - Throws: `record.*`, `charter.*`, `envelope.*` and the codes of what a charter holds.
public func check(
  leaf: [UInt8], bodies: Bodies, charter: Charter?
) async throws(PosternError) -> Checked {
  let record = try Record(parsing: leaf)
  let leafHash = TreeHash.leaf(leaf)
  switch record.fields {
  case .charter(let fields):
    try record.verifySignature()
    return .charter(try check(record, leafHash, fields, bodies))
  case .epoch:
    guard let charter else { throw .unknownApplication(record.app) }
    let fields = try record.verifiedEpoch(of: record.app, under: charter)
    return .epoch(try await check(record, leafHash, fields, bodies, under: charter))
  case .motion, .ballot:
    throw PosternError(
      .recordUnknown, "This version admits charters and epochs to the log, not motions or ballots.",
      advice: "Hand the motion or ballot over as a file.")
  }
}

private func check(
  _ record: Record, _ leafHash: Digest, _ fields: CharterFields, _ bodies: Bodies
) throws(PosternError) -> CheckedCharter {
  let charter = try Charter(parsing: try body(fields.body, in: bodies))
  try charter.validate()
  guard fields.version == 1, fields.previous == .zero, record.app == fields.body else {
    throw PosternError(
      .charterMalformed, "The record does not bring a first charter whose digest is the application's id.",
      advice: "Register the charter with “postern charter register”.")
  }
  guard record.author.role == .member, record.author.key == charter.members.first?.signing else {
    throw PosternError(
      .recordAuthor, "A first charter's record is signed by the first member that the charter names.",
      advice: "Let that member register the charter.")
  }
  try CharterSignatures(parsing: try body(fields.signatures, in: bodies)).verify(charter)
  return CheckedCharter(record: record, leafHash: leafHash, fields: fields, charter: charter)
}

private func check(
  _ record: Record, _ leafHash: Digest, _ fields: EpochFields, _ bodies: Bodies,
  under charter: Charter
) async throws(PosternError) -> CheckedEpoch {
  let veil = try Veil(
    parsing: try body(fields.veil, in: bodies), memberCount: charter.members.count, hasKMS: charter.kms != nil)
  let context = try charter.envelopeContext(
    app: record.app, epoch: fields.number, generation: fields.generation, veilCommit: veil.commit)
  let envelope = try Envelope(parsing: try body(fields.envelope, in: bodies), context: context)
  _ = try await envelope.verifyOnAllCores()
  return CheckedEpoch(
    record: record, leafHash: leafHash, fields: fields, veilCommit: veil.commit, policy: charter.policyDigest)
}

private func body(_ digest: Digest, in bodies: Bodies) throws(PosternError) -> [UInt8] {
  guard let body = bodies[digest] else {
    throw PosternError(
      .bodyDigest, "A body that the record names is missing or does not match its digest \(digest).",
      advice: "Send the record together with the bodies that it was signed over.")
  }
  return body
}
