public import Core
import Envelope

extension EpochEvidence {
  /// The evidence of an epoch that an archive proved.
  ///
  /// - Throws: `log.proof`, `receipt.leaf` for a record that fits no receipt.
  public init(_ sealed: SealedEpoch) throws(PosternError) {
    self.init(
      charter: sealed.application.charterBody, charterSignatures: sealed.application.signaturesBody,
      receipt: try sealed.epoch.receipt(under: sealed.application.checkpoint), envelope: sealed.envelopeBody,
      veil: sealed.veil.bytes)
  }
}
