import Bulk
public import Core
public import Envelope
import Records

/// An epoch with its bodies, and every proof of its envelope verified under a context that the reader computed.
///
/// Whoever opens a door, or releases a share, starts from one: then the dealer knew every exponent, and both
/// doors open one secret.
public struct SealedEpoch: Sendable {
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
    let fields = epoch.fields
    for (body, digest) in [(envelopeBody, fields.envelope), (veilBody, fields.veil), (capsule, fields.capsule)] {
      guard SHA256.hash(body) == digest else {
        throw PosternError(
          .bodyDigest, "A body of the epoch does not match its digest \(digest).", advice: "Fetch it again.")
      }
    }
    let charter = application.charter
    let veil = try Veil(parsing: veilBody, memberCount: charter.members.count, hasKMS: charter.kms != nil)
    let context = try charter.envelopeContext(
      app: application.app, epoch: fields.number, generation: fields.generation, veilCommit: veil.commit)
    self.application = application
    self.epoch = epoch
    envelope = try await Envelope(parsing: envelopeBody, context: context).verifyOnAllCores()
    self.envelopeBody = envelopeBody
    self.veil = veil
    self.capsule = capsule
  }

  /// What the generation's veil belongs to.
  public var veilContext: VeilContext {
    VeilContext(
      app: application.app, generation: epoch.fields.generation, charterDigest: application.charterDigest)
  }
}
