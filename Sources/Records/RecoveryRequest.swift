import Bulk
public import Core
public import Envelope
public import Sodium

/// What a recovering node asks the council for: the body of a motion to recover.
///
/// `u8 format ‖ app (32) ‖ u64 epoch ‖ epoch leaf hash (32) ‖ charter digest (32) ‖ envelope digest (32) ‖ veil
/// commitment (32) ‖ u16 members ‖ members × recipient key (1,216) ‖ veil recipient key (1,216) ‖ next uploader
/// key (32, zeros for none)`. The digest of these bytes is the recovery's name in every answer. The motion that
/// carries it is signed by a requester of the charter.
public struct RecoveryRequest: Hashable, Sendable {
  private static let format: UInt8 = 1
  /// The most bytes that a request may have: 1,024 members and the veil's recipient.
  public static let byteCountLimit = 1_300_000

  /// The application.
  public let app: Digest
  /// The epoch to open.
  public let epoch: UInt64
  /// RFC 6962 hash of that epoch's leaf.
  public let epochLeafHash: Digest
  /// Digest of the charter that the epoch was sealed under.
  public let charter: Digest
  /// Digest of the epoch's envelope.
  public let envelope: Digest
  /// The commitment of the generation's veil.
  public let veilCommit: Digest
  /// One key a member, in charter order: what a member's releases are sealed to.
  public let memberRecipients: [VeilPublicKey]
  /// The key that a member's copy of the veil secret is sealed to.
  public let veilRecipient: VeilPublicKey
  /// The uploader key that the node will use next, where it says so.
  public let nextUploader: VerificationKey?

  /// A request from its parts.
  public init(
    app: Digest, epoch: UInt64, epochLeafHash: Digest, charter: Digest, envelope: Digest, veilCommit: Digest,
    memberRecipients: [VeilPublicKey], veilRecipient: VeilPublicKey, nextUploader: VerificationKey?
  ) {
    self.app = app
    self.epoch = epoch
    self.epochLeafHash = epochLeafHash
    self.charter = charter
    self.envelope = envelope
    self.veilCommit = veilCommit
    self.memberRecipients = memberRecipients
    self.veilRecipient = veilRecipient
    self.nextUploader = nextUploader
  }

  /// A request read from a body: every key is checked, and all are distinct.
  ///
  /// - Parameter body: at most ``byteCountLimit`` bytes.
  /// - Throws: `recovery.request-malformed`.
  public init(parsing body: [UInt8]) throws(PosternError) {
    guard body.count <= RecoveryRequest.byteCountLimit else { throw .malformedRequest }
    var reader = ByteReader(body)
    do {
      guard try reader.read(UInt8.self) == RecoveryRequest.format else { throw PosternError.malformedRequest }
      app = try reader.readDigest()
      epoch = try reader.read()
      epochLeafHash = try reader.readDigest()
      charter = try reader.readDigest()
      envelope = try reader.readDigest()
      veilCommit = try reader.readDigest()
      var recipients: [VeilPublicKey] = []
      for _ in 0..<(try reader.read(UInt16.self)) {
        recipients.append(try VeilPublicKey(try reader.read(VeilPublicKey.byteCount)))
      }
      memberRecipients = recipients
      veilRecipient = try VeilPublicKey(try reader.read(VeilPublicKey.byteCount))
      let next = try reader.read(VerificationKey.byteCount)
      nextUploader = next.allSatisfy { $0 == 0 } ? nil : VerificationKey(next)
      try reader.finish()
    } catch {
      throw .malformedRequest
    }
    guard Set(memberRecipients + [veilRecipient]).count == memberRecipients.count + 1 else { throw .malformedRequest }
  }

  /// The request's bytes.
  public var body: [UInt8] {
    var bytes: [UInt8] = [RecoveryRequest.format]
    bytes.append(app)
    bytes.append(bigEndian: epoch)
    bytes.append(epochLeafHash)
    bytes.append(charter)
    bytes.append(envelope)
    bytes.append(veilCommit)
    bytes.append(bigEndian: UInt16(memberRecipients.count))
    for recipient in memberRecipients { bytes += recipient.bytes }
    bytes += veilRecipient.bytes
    bytes += nextUploader?.bytes ?? [UInt8](repeating: 0, count: VerificationKey.byteCount)
    return bytes
  }

  /// The recovery's name: digest of the request.
  public var recovery: Digest { SHA256.hash(body) }
}

extension PosternError {
  fileprivate static let malformedRequest = PosternError(
    .requestMalformed, "The recovery request is not of the format, or a key in it is none or stands twice.",
    advice: "Let the recovering node write a new request.")
}
