import Bulk
public import Core
public import Sodium

/// Every member's signature over a genesis charter: a body beside the charter's.
///
/// `u8 format ‖ u16 count ‖ count × signature (64)`, in charter order. A member signs
/// `str("postern/v1/sign/charter-body") ‖ charter digest`.
public struct CharterSignatures: Hashable, Sendable {
  private static let format: UInt8 = 1

  /// One signature a member, in charter order.
  public let signatures: [Signature]

  /// The signatures of all members, in charter order.
  public init(_ signatures: [Signature]) {
    self.signatures = signatures
  }

  /// Signatures read from a body.
  ///
  /// - Throws: `charter.malformed`.
  public init(parsing body: [UInt8]) throws(PosternError) {
    var reader = ByteReader(body)
    var signatures: [Signature] = []
    do {
      guard try reader.read(UInt8.self) == CharterSignatures.format else { throw PosternError.malformedCharter }
      for _ in 0..<(try reader.read(UInt16.self)) {
        guard let signature = Signature(try reader.read(Signature.byteCount)) else {
          throw PosternError.malformedCharter
        }
        signatures.append(signature)
      }
      try reader.finish()
    } catch {
      throw .malformedCharter
    }
    self.signatures = signatures
  }

  /// The body's bytes.
  public var body: [UInt8] {
    var bytes: [UInt8] = [CharterSignatures.format]
    bytes.append(bigEndian: UInt16(signatures.count))
    for signature in signatures { bytes += signature.bytes }
    return bytes
  }

  /// A member's signature over a charter.
  public static func sign(charter digest: Digest, with key: borrowing SigningKey) -> Signature {
    key.sign(message(digest))
  }

  /// Whether a member's signature over a charter verifies.
  public static func verifies(_ signature: Signature, charter digest: Digest, by key: VerificationKey) -> Bool {
    key.verifies(signature, over: message(digest))
  }

  private static func message(_ digest: Digest) -> [UInt8] {
    signingMessage(label: "charter-body", digest.bytes)
  }

  /// Says that every member that the charter names has signed it.
  ///
  /// - Throws: `charter.signature`, with the number of the first member whose signature is missing or bad.
  public func verify(_ charter: Charter) throws(PosternError) {
    let digest = charter.digest
    for (index, member) in charter.members.enumerated() {
      let isSigned =
        index < signatures.count
        && CharterSignatures.verifies(signatures[index], charter: digest, by: member.signing)
      guard isSigned else {
        throw PosternError(
          .charterSignature, "Member “\(member.name)” has not signed this charter.",
          advice: "Let the member run “postern charter sign” on this very file.", index: index)
      }
    }
    guard signatures.count == charter.members.count else { throw .malformedCharter }
  }
}
