public import Core
import Sodium

/// A holder's seat in a charter.
public enum Holder: Hashable, Sendable {
  /// A member, by its number in charter order, from 0.
  case member(Int)
  /// The KMS.
  case kms
}

/// What a veil belongs to.
public struct VeilContext: Hashable, Sendable {
  /// The application's id.
  public let app: Digest
  /// The generation's number.
  public let generation: UInt64
  /// The digest of the charter under which the generation opened.
  public let charterDigest: Digest

  /// A context.
  ///
  /// - Parameters:
  ///   - app: the application's id.
  ///   - generation: the generation's number.
  ///   - charterDigest: the digest of the charter under which the generation opened.
  public init(app: Digest, generation: UInt64, charterDigest: Digest) {
    self.app = app
    self.generation = generation
    self.charterDigest = charterDigest
  }

  fileprivate func info(commit: Digest) -> [UInt8] {
    var bytes = Tag.veil.framed
    bytes.append(app)
    bytes.append(bigEndian: generation)
    bytes.append(charterDigest)
    bytes.append(commit)
    return bytes
  }
}

/// A generation's veil: the commitment to its secret, and the secret sealed to every holder.
///
/// `commit (32) ‖ copies (1,168 each)`, members in charter order, then the KMS.
public struct Veil: Hashable, Sendable {
  /// How many bytes a copy has.
  public static let copyByteCount = SealedMessage.overheadByteCount + VeilSecret.byteCount

  /// What the veil commits to.
  public let commit: Digest
  /// The body's bytes.
  public let bytes: [UInt8]
  private let memberCount: Int
  private let hasKMS: Bool

  /// Seals a secret to every holder.
  ///
  /// - Parameters:
  ///   - secret: the generation's veil secret.
  ///   - context: what the veil belongs to.
  ///   - members: the members' veil keys in charter order.
  ///   - kms: the KMS's veil key, nil without that door.
  public init(
    sealing secret: borrowing VeilSecret, context: VeilContext, members: [VeilPublicKey], kms: VeilPublicKey?
  ) {
    let commit = secret.commit(app: context.app, generation: context.generation)
    let info = context.info(commit: commit)
    var bytes = commit.bytes
    for key in members + (kms.map { [$0] } ?? []) {
      bytes += secret.withUnsafeBytes { SealedMessage.seal($0, to: key, info: info) }
    }
    self.commit = commit
    self.bytes = bytes
    memberCount = members.count
    hasKMS = kms != nil
  }

  /// Parses a veil's body; whether copies open is for their holders to find out.
  ///
  /// - Parameters:
  ///   - bytes: the body.
  ///   - memberCount: how many members the charter has.
  ///   - hasKMS: whether it has a KMS door.
  /// - Throws: `veil.encoding` for a wrong length, or for an encapsulation of low order with the copy's number.
  public init(parsing bytes: [UInt8], memberCount: Int, hasKMS: Bool) throws(PosternError) {
    let copyCount = memberCount + (hasKMS ? 1 : 0)
    guard bytes.count == Digest.byteCount + copyCount * Veil.copyByteCount,
      let commit = Digest(bytes.prefix(Digest.byteCount))
    else {
      throw PosternError(
        .veilEncoding, "The veil does not have one copy for each of \(copyCount) holders.",
        advice: "Refuse the generation: whoever opened it has to open another.")
    }
    self.commit = commit
    self.bytes = bytes
    self.memberCount = memberCount
    self.hasKMS = hasKMS
    if let copy = (0..<copyCount).first(where: { !SealedMessage.isAcceptable(copyBytes($0)) }) {
      throw PosternError(
        .veilEncoding, "Copy \(copy) of the veil has an encapsulation of low order.",
        advice: "Refuse the generation: whoever opened it has to open another.", index: copy)
    }
  }

  /// Opens a holder's copy.
  ///
  /// - Parameters:
  ///   - holder: whose copy.
  ///   - key: that holder's key.
  ///   - context: what the veil has to belong to.
  /// - Throws: `veil.sealed` when the holder has no copy or it does not open, `veil.commit` when it opens to
  ///   another secret.
  public func open(
    _ holder: Holder, with key: borrowing VeilKey, context: VeilContext
  ) throws(PosternError) -> VeilSecret {
    guard let index = index(of: holder) else {
      throw PosternError(.veilSealed, "The veil has no copy for this holder.", advice: "Ask another holder.")
    }
    return try VeilSecret(
      opening: copyBytes(index), with: key, info: context.info(commit: commit), app: context.app,
      generation: context.generation, commit: commit)
  }

  private func index(of holder: Holder) -> Int? {
    switch holder {
    case .member(let number): (0..<memberCount).contains(number) ? number : nil
    case .kms: hasKMS ? memberCount : nil
    }
  }

  private func copyBytes(_ index: Int) -> ArraySlice<UInt8> {
    let start = Digest.byteCount + index * Veil.copyByteCount
    return bytes[start..<start + Veil.copyByteCount]
  }
}
