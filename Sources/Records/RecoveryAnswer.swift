public import Core

/// A member's answer to a recovery request: the body of a ballot that approves.
///
/// `u8 format ‖ recovery (32) ‖ u16 member number ‖ envelope digest (32) ‖ u32 length ‖ sealed releases ‖ u32
/// length ‖ sealed veil secret`. The ballot's signature covers this body's digest, so whoever judges takes member
/// number and messages from here and from nowhere else.
public struct RecoveryAnswer: Hashable, Sendable {
  private static let format: UInt8 = 1
  /// The most bytes that an answer may have: releases of 1,024 leaves and a veil secret, sealed.
  public static let byteCountLimit = 128 << 10

  /// The recovery that is answered: the request's digest.
  public let recovery: Digest
  /// The member's number, from 0 in charter order.
  public let member: UInt16
  /// Digest of the envelope whose leaves are released.
  public let envelope: Digest
  /// The member's releases, sealed to the recipient key that the request has at the member's number.
  public let sealedReleases: [UInt8]
  /// The veil secret, sealed to the request's veil recipient key; empty where the member gives none.
  public let sealedVeilSecret: [UInt8]

  /// An answer from its parts.
  public init(
    recovery: Digest, member: UInt16, envelope: Digest, sealedReleases: [UInt8], sealedVeilSecret: [UInt8]
  ) {
    self.recovery = recovery
    self.member = member
    self.envelope = envelope
    self.sealedReleases = sealedReleases
    self.sealedVeilSecret = sealedVeilSecret
  }

  /// An answer read from a body.
  ///
  /// - Parameter body: at most ``byteCountLimit`` bytes.
  /// - Throws: `recovery.answer-malformed`.
  public init(parsing body: [UInt8]) throws(PosternError) {
    let malformed = PosternError(
      .answerMalformed, "The answer's bytes are not of the format.", advice: "Let the member answer again.")
    guard body.count <= RecoveryAnswer.byteCountLimit else { throw malformed }
    var reader = ByteReader(body)
    do {
      guard try reader.read(UInt8.self) == RecoveryAnswer.format else { throw malformed }
      recovery = try reader.readDigest()
      member = try reader.read()
      envelope = try reader.readDigest()
      sealedReleases = Array(try reader.read(Int(try reader.read(UInt32.self))))
      sealedVeilSecret = Array(try reader.read(Int(try reader.read(UInt32.self))))
      try reader.finish()
    } catch {
      throw malformed
    }
  }

  /// The answer's bytes.
  public var body: [UInt8] {
    var bytes: [UInt8] = [RecoveryAnswer.format]
    bytes.append(recovery)
    bytes.append(bigEndian: member)
    bytes.append(envelope)
    bytes.append(bigEndian: UInt32(sealedReleases.count))
    bytes += sealedReleases
    bytes.append(bigEndian: UInt32(sealedVeilSecret.count))
    bytes += sealedVeilSecret
    return bytes
  }
}
