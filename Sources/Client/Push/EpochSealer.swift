import Bulk
import Core
import Dump
import Envelope
import Records
import Sodium

/// Makes an epoch of a dump that the archive has: deals the envelope, seals the capsule, signs the record.
struct EpochSealer: Sendable {
  let application: VerifiedApplication
  let number: UInt64
  let previous: Digest
  let stateVersion: UInt64
  let commitment: Digest?
  let contentKind: Capsule.ContentKind

  /// Deals, seals and signs.
  ///
  /// - Parameters:
  ///   - root: the dump's root.
  ///   - generation: the generation that the dump was sealed in.
  ///   - key: the uploader's signing key.
  /// - Throws: `envelope.no-door` for a charter without any door, which no archive admits.
  func seal(
    root: ObjectReference, in generation: borrowing HeldGeneration, signedBy key: borrowing SigningKey
  ) throws(PosternError) -> PendingEpoch {
    let charter = application.charter
    let context = try charter.envelopeContext(
      app: application.app, epoch: number, generation: generation.number, veilCommit: generation.veilCommit)
    let dealing = Envelope.deal(context: context)
    let capsuleKey = dealing.secret.capsuleKey(veil: generation.veilSecret, envelope: dealing.digest)
    let capsule = Capsule(
      contentKind: contentKind, root: root, generationSecret: generation.secret.copy(), chunker: charter.chunker)
    let sealed = capsule.seal(under: capsuleKey.secret())
    let fields = EpochFields(
      number: number, previous: previous, charter: application.charterDigest, generation: generation.number,
      stateVersion: stateVersion, commitment: commitment, root: root.id,
      rootByteCount: UInt32(root.sealedByteCount), envelope: dealing.digest, veil: generation.veilDigest,
      capsule: SHA256.hash(sealed))
    let record = Record(app: application.app, role: .uploader, fields: .epoch(fields), signedBy: key)
    return PendingEpoch(
      record: record, fields: fields, envelope: dealing.transcript, veil: generation.veilBody, capsule: sealed)
  }
}

extension CapsuleKey {
  /// The key as the capsule takes it.
  borrowing func secret() -> SecretBytes {
    withUnsafeBytes { key in SecretBytes(count: key.count) { $0.copyMemory(from: key) } }
  }
}
