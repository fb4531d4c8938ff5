import Bulk
public import Core
public import Envelope
import Records

/// An epoch's envelope and veil, and every proof of the envelope verified under a context that the reader computed.
///
/// They stay when an epoch's dump is collected, and so does the proof that the dealer knew every exponent and that both
/// doors open one secret.
public struct VerifiedDoors: Sendable {
  /// The application, as it was proven.
  public let application: VerifiedApplication
  /// The epoch.
  public let epoch: VerifiedEpoch
  /// The envelope, the KMS door included.
  public let envelope: VerifiedEnvelope
  /// The envelope's bytes.
  public let envelopeBody: [UInt8]
  /// The generation's veil.
  public let veil: Veil

  /// Verifies an epoch's envelope and veil.
  ///
  /// - Parameters:
  ///   - application: the proven application, with the epoch in question.
  ///   - envelopeBody: the envelope's bytes.
  ///   - veilBody: the veil's bytes.
  /// - Throws: `view.no-epoch`; `record.body-digest` when a body is not what the record names; `veil.encoding`,
  ///   `envelope.*`.
  public init(
    application: VerifiedApplication, envelopeBody: [UInt8], veilBody: [UInt8]
  ) async throws(PosternError) {
    guard let epoch = application.epoch else { throw .noEpoch }
    let fields = epoch.fields
    try requireBody(envelopeBody, fields.envelope)
    try requireBody(veilBody, fields.veil)
    let charter = application.charter
    let veil = try Veil(parsing: veilBody, memberCount: charter.members.count, hasKMS: charter.kms != nil)
    let context = try charter.envelopeContext(
      app: application.app, epoch: fields.number, generation: fields.generation, veilCommit: veil.commit)
    self.application = application
    self.epoch = epoch
    envelope = try await Envelope(parsing: envelopeBody, context: context).verifyOnAllCores()
    self.envelopeBody = envelopeBody
    self.veil = veil
  }
}

/// An epoch with all its bodies, its doors verified.
///
/// Whoever opens a door, or releases a share, starts from one: then the dealer knew every exponent, and both
/// doors open one secret.
public struct SealedEpoch: Sendable {
  /// The epoch's doors.
  public let doors: VerifiedDoors
  /// The capsule's bytes.
  public let capsule: [UInt8]

  /// Verifies an epoch's bodies.
  ///
  /// - Parameters:
  ///   - application: the proven application, with the epoch in question.
  ///   - envelopeBody: the envelope's bytes.
  ///   - veilBody: the veil's bytes.
  ///   - capsule: the capsule's bytes.
  /// - Throws: `view.no-epoch`; `record.body-digest` when a body is not what the record names; `veil.encoding`,
  ///   `envelope.*`.
  public init(
    application: VerifiedApplication, envelopeBody: [UInt8], veilBody: [UInt8], capsule: [UInt8]
  ) async throws(PosternError) {
    guard let epoch = application.epoch else { throw .noEpoch }
    try requireBody(capsule, epoch.fields.capsule)
    doors = try await VerifiedDoors(application: application, envelopeBody: envelopeBody, veilBody: veilBody)
    self.capsule = capsule
  }

  /// The application, as it was proven.
  public var application: VerifiedApplication { doors.application }
  /// The epoch.
  public var epoch: VerifiedEpoch { doors.epoch }
  /// The envelope, the KMS door included.
  public var envelope: VerifiedEnvelope { doors.envelope }
  /// The envelope's bytes.
  public var envelopeBody: [UInt8] { doors.envelopeBody }
  /// The generation's veil.
  public var veil: Veil { doors.veil }

  /// What the generation's veil belongs to.
  public var veilContext: VeilContext {
    VeilContext(
      app: application.app, generation: epoch.fields.generation, charterDigest: application.charterDigest)
  }
}

private func requireBody(_ body: [UInt8], _ digest: Digest) throws(PosternError) {
  guard SHA256.hash(body) == digest else {
    throw PosternError(
      .bodyDigest, "A body of the epoch does not match its digest \(digest).", advice: "Fetch it again.")
  }
}
