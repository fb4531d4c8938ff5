import Bulk
public import Core
import Sodium

/// `W`: the second half of every capsule key of a generation, which is in no envelope.
///
/// An envelope falls with discrete logarithms; this does not. The uploader draws it when a generation opens.
public struct VeilSecret: ~Copyable, Sendable {
  /// How many bytes it has.
  public static let byteCount = 32
  private let memory: SecretBytes

  private init(memory: consuming SecretBytes) {
    self.memory = memory
  }

  /// Moves a secret into locked memory and wipes the array it came in.
  ///
  /// - Throws: `key.length` when it does not have ``byteCount`` bytes; it is wiped all the same.
  public init(consuming bytes: inout [UInt8]) throws(PosternError) {
    guard bytes.count == VeilSecret.byteCount else {
      wipe(&bytes)
      throw PosternError(.keyLength, "A veil's secret has 32 bytes.", advice: "Take it from its own place again.")
    }
    self.init(memory: SecretBytes(consuming: &bytes))
  }

  /// A new secret from the operating system's source.
  public static func random() -> VeilSecret {
    VeilSecret(memory: .random(count: byteCount))
  }

  /// A second owner with memory of its own.
  public borrowing func copy() -> VeilSecret {
    VeilSecret(memory: memory.copy())
  }

  /// `SHA-256(str(tag) ‖ app ‖ u64(generation) ‖ W)`: what the veil and every envelope of the generation bind.
  public borrowing func commit(app: Digest, generation: UInt64) -> Digest {
    var bytes = Tag.veilCommit.framed
    bytes.append(app)
    bytes.append(bigEndian: generation)
    var hash = SHA256()
    hash.update(bytes)
    memory.withUnsafeBytes { hash.update($0) }
    return hash.finish()
  }

  /// Calls `body` with the 32 bytes, to be sealed; they must not leave it otherwise.
  public borrowing func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try memory.withUnsafeBytes(body)
  }

  /// Opens a sealed copy and checks that it is what was committed to.
  ///
  /// - Throws: `veil.sealed` when it does not open, `veil.commit` when it is another secret.
  init(
    opening message: ArraySlice<UInt8>, with key: borrowing RecipientKey, info: [UInt8], app: Digest,
    generation: UInt64, commit: Digest
  ) throws(PosternError) {
    guard var plaintext = SealedMessage.open(message, with: key, info: info) else {
      throw PosternError(
        .veilSealed, "The copy of the veil's secret does not open with this key.", advice: "Ask another holder.")
    }
    let mismatch = PosternError(
      .veilCommit, "The copy opens to a secret that the veil does not commit to.", advice: "Ask another holder.")
    guard plaintext.count == VeilSecret.byteCount else {
      wipe(&plaintext)
      throw mismatch
    }
    let secret = VeilSecret(memory: SecretBytes(consuming: &plaintext))
    guard secret.commit(app: app, generation: generation) == commit else { throw mismatch }
    self = secret
  }
}
