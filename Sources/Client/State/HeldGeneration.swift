import Bulk
public import Core
public import Dump
public import Envelope
public import Records
import Sodium

/// A generation's secrets, as an uploader keeps them: the generation secret, `W`, and the veil that seals `W`.
///
/// They are on the disk before the first upload of the generation. Lost, the next push opens the next one.
public struct HeldGeneration: ~Copyable, Sendable {
  /// Its number, from 1.
  public let number: UInt64
  /// Digest of the charter under which it opened.
  public let charter: Digest
  /// The veil's body.
  public let veilBody: [UInt8]
  /// Digest of the veil's body, what every epoch of the generation names; taken once, since a large council's veil has
  /// more than a mebibyte.
  public let veilDigest: Digest
  /// The veil's commitment.
  public let veilCommit: Digest
  /// What chunk and node keys derive from.
  public let secret: GenerationSecret
  /// `W`: the second half of every capsule key.
  public let veilSecret: VeilSecret

  /// Opens a generation: draws its secrets and seals `W` to every holder of the charter.
  public init(opening number: UInt64, app: Digest, charter: Charter) {
    let veilSecret = VeilSecret.random()
    let digest = charter.digest
    let veil = Veil(
      sealing: veilSecret, context: VeilContext(app: app, generation: number, charterDigest: digest),
      members: charter.members.map(\.veil), kms: charter.kms?.veil)
    self.init(
      number: number, charter: digest, veilBody: veil.bytes, veilCommit: veil.commit, secret: .random(),
      veilSecret: veilSecret)
  }

  /// A generation that is known already: recovered, or read from the disk.
  public init(
    number: UInt64, charter: Digest, veilBody: [UInt8], veilCommit: Digest, secret: consuming GenerationSecret,
    veilSecret: consuming VeilSecret
  ) {
    self.number = number
    self.charter = charter
    self.veilBody = veilBody
    veilDigest = SHA256.hash(veilBody)
    self.veilCommit = veilCommit
    self.secret = secret
    self.veilSecret = veilSecret
  }
}

extension HeldGeneration {
  private static let format: UInt8 = 1
  /// Both secrets.
  private static let secretByteCount = GenerationSecret.byteCount + VeilSecret.byteCount
  /// A veil of 1,025 holders, and the rest.
  static let fileByteCountLimit = 2 << 20

  /// The file's bytes: `u8 format ‖ u64 number ‖ charter (32) ‖ commit (32) ‖ veil` in public, the secrets sealed.
  borrowing func sealed(by seal: borrowing StateSeal) -> [UInt8] {
    var publicPart: [UInt8] = [HeldGeneration.format]
    publicPart.append(bigEndian: number)
    publicPart.append(charter)
    publicPart.append(veilCommit)
    publicPart += veilBody
    let secrets = SecretBytes(count: HeldGeneration.secretByteCount) { memory in
      secret.withUnsafeBytes { memory.copyMemory(from: $0) }
      let rest = UnsafeMutableRawBufferPointer(rebasing: memory[GenerationSecret.byteCount...])
      veilSecret.withUnsafeBytes { rest.copyMemory(from: $0) }
    }
    return seal.seal(secrets, publicPart: publicPart)
  }

  /// Reads a file.
  ///
  /// - Throws: `state.malformed`, `state.does-not-open`.
  static func open(
    _ bytes: [UInt8], with seal: borrowing StateSeal, path: String
  ) throws(PosternError) -> HeldGeneration {
    let opened = try seal.open(bytes, secretByteCount: secretByteCount, path: path)
    let front: (number: UInt64, charter: Digest, commit: Digest, veil: [UInt8])
    do {
      var reader = ByteReader(opened.publicPart)
      guard try reader.read(UInt8.self) == format else { throw PosternError.stateMalformed(path) }
      front = (
        try reader.read(), try reader.readDigest(), try reader.readDigest(), Array(try reader.read(reader.remaining))
      )
    } catch {
      throw .stateMalformed(path)
    }
    let secret = opened.secret.withUnsafeBytes { secrets in
      SecretBytes(count: GenerationSecret.byteCount) {
        $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: secrets[..<GenerationSecret.byteCount]))
      }
    }
    var veil = opened.secret.withUnsafeBytes { Array($0[GenerationSecret.byteCount...]) }
    return HeldGeneration(
      number: front.number, charter: front.charter, veilBody: front.veil, veilCommit: front.commit,
      secret: try GenerationSecret(secret), veilSecret: try VeilSecret(consuming: &veil))
  }
}
