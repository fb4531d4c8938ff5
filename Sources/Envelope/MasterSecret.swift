import Bulk
public import Core
public import Sodium

/// The one secret that a holder keeps: 32 random bytes, from which all its keys are derived.
///
/// A member's fits on paper as 24 words. A KMS's is what it provisions; it has no signing key.
public struct MasterSecret: ~Copyable, Sendable {
  /// How many bytes a master secret has.
  public static let byteCount = 32
  private let memory: SecretBytes

  private init(memory: consuming SecretBytes) {
    self.memory = memory
  }

  /// Moves a secret into locked memory and wipes the array it came in.
  ///
  /// - Parameter bytes: the secret; empty afterwards.
  /// - Throws: `key.length` when it does not have ``byteCount`` bytes; it is wiped all the same.
  public init(consuming bytes: inout [UInt8]) throws(PosternError) {
    guard bytes.count == MasterSecret.byteCount else {
      wipe(&bytes)
      throw PosternError(
        .keyLength, "A master secret has 32 bytes.", advice: "Give the whole secret and nothing else.")
    }
    self.init(memory: SecretBytes(consuming: &bytes))
  }

  /// A new secret from the operating system's source.
  public static func random() -> MasterSecret {
    MasterSecret(memory: .random(count: byteCount))
  }

  /// The holder's Ed25519 key: a member signs charters and answers with it, an uploader epochs, a requester requests.
  public borrowing func signingKey() -> SigningKey {
    SigningKey(seed: memory.derive(Tag.signingKey.framed))
  }

  /// The holder's key to its door or its leaves.
  public borrowing func shardKey() -> ShardKey {
    ShardKey(
      secret: SecretScalars { hash in
        hash.append(Tag.shardKey.framed)
        memory.withUnsafeBytes { hash.append($0) }
      })
  }

  /// The holder's post-quantum key, to which the veil's secret is sealed.
  public borrowing func veilKey() -> VeilKey {
    VeilKey(seed: memory.derive(Tag.veilKey.framed))
  }

  /// What an uploader seals the files of its state folder with: 32 bytes.
  public borrowing func stateSecret() -> SecretBytes {
    memory.derive(Tag.stateSecret.framed)
  }

  /// Calls `body` with the 32 bytes, to be kept in a file or sealed; they must not leave it otherwise.
  public borrowing func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try memory.withUnsafeBytes(body)
  }
}

extension SecretBytes {
  /// HKDF-SHA256 without a salt, to 32 bytes.
  borrowing func derive(_ info: [UInt8]) -> SecretBytes {
    withUnsafeBytes { input in
      SecretBytes(count: 32) { HKDF.derive(inputKey: input, info: info, into: $0) }
    }
  }
}
