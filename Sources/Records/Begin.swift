public import Core
public import Sodium

/// A signed begin: an uploader asks to push one epoch, so that nobody fills a disk unsigned.
///
/// `u8 format ‖ app (32) ‖ uploader (32) ‖ u64 epoch ‖ previous (32) ‖ u64 generation ‖ u64 byte budget ‖
/// nonce (32) ‖ signature (64)`, the signature over `str("postern/v1/sign/begin") ‖` the bytes before it. It
/// is no leaf: it is judged, answered and forgotten.
public struct Begin: Hashable, Sendable {
  private static let format: UInt8 = 1
  /// What every object takes of the budget beside its bytes: its lines in footer and index.
  public static let objectOverheadByteCount = 256
  /// How many bytes a signed begin has.
  public static let byteCount = 1 + 32 + 32 + 8 + 32 + 8 + 8 + 32 + 64

  /// The application.
  public let app: Digest
  /// Who pushes.
  public let uploader: VerificationKey
  /// The epoch that it wants to publish.
  public let epoch: UInt64
  /// RFC 6962 hash of the leaf of the epoch before; zeros for epoch 1.
  public let previous: Digest
  /// The generation that the dump is sealed under.
  public let generation: UInt64
  /// How many bytes the push may store at the most.
  ///
  /// Every object that is stored counts its bytes and ``objectOverheadByteCount``, bodies included; what the archive
  /// has already counts nothing.
  public let budgetByteCount: UInt64
  /// The archive's nonce, good for this begin alone.
  public let nonce: Digest
  /// The uploader's signature.
  public let signature: Signature

  /// A begin that its uploader signs now.
  public init(
    app: Digest, epoch: UInt64, previous: Digest, generation: UInt64, budgetByteCount: UInt64, nonce: Digest,
    signedBy key: borrowing SigningKey
  ) {
    self.app = app
    uploader = key.verificationKey
    self.epoch = epoch
    self.previous = previous
    self.generation = generation
    self.budgetByteCount = budgetByteCount
    self.nonce = nonce
    let unsigned = Begin.unsignedBytes(
      app: app, uploader: uploader, epoch: epoch, previous: previous, generation: generation,
      budgetByteCount: budgetByteCount, nonce: nonce)
    signature = key.sign(signingMessage(label: "begin", unsigned))
  }

  /// A begin read from bytes, its signature verified.
  ///
  /// - Throws: `push.begin-malformed`, `push.begin-signature`.
  public init(verifying bytes: [UInt8]) throws(PosternError) {
    guard bytes.count == Begin.byteCount else { throw .malformedBegin }
    var reader = ByteReader(bytes)
    do {
      guard try reader.read(UInt8.self) == Begin.format else { throw PosternError.malformedBegin }
      app = try reader.readDigest()
      guard let uploader = VerificationKey(try reader.read(VerificationKey.byteCount)) else {
        throw PosternError.malformedBegin
      }
      self.uploader = uploader
      epoch = try reader.read()
      previous = try reader.readDigest()
      generation = try reader.read()
      budgetByteCount = try reader.read()
      nonce = try reader.readDigest()
      guard let signature = Signature(try reader.read(Signature.byteCount)) else { throw PosternError.malformedBegin }
      self.signature = signature
    } catch {
      throw .malformedBegin
    }
    let unsigned = Array(bytes.dropLast(Signature.byteCount))
    guard uploader.verifies(signature, over: signingMessage(label: "begin", unsigned)) else {
      throw PosternError(
        .beginSignature, "The begin's signature does not verify under the uploader key that it names.",
        advice: "Sign it again with that key, over the archive's newest nonce.")
    }
  }

  /// The begin's bytes.
  public var bytes: [UInt8] {
    Begin.unsignedBytes(
      app: app, uploader: uploader, epoch: epoch, previous: previous, generation: generation,
      budgetByteCount: budgetByteCount, nonce: nonce) + signature.bytes
  }

  private static func unsignedBytes(
    app: Digest, uploader: VerificationKey, epoch: UInt64, previous: Digest, generation: UInt64,
    budgetByteCount: UInt64, nonce: Digest
  ) -> [UInt8] {
    var bytes: [UInt8] = [format]
    bytes.append(app)
    bytes += uploader.bytes
    bytes.append(bigEndian: epoch)
    bytes.append(previous)
    bytes.append(bigEndian: generation)
    bytes.append(bigEndian: budgetByteCount)
    bytes.append(nonce)
    return bytes
  }
}

extension PosternError {
  fileprivate static let malformedBegin = PosternError(
    .beginMalformed, "The begin's bytes are not of the format.",
    advice: "Use a client of the same version as the archive.")
}
