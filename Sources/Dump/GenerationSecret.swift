public import Core
public import Sodium

/// The secret from which every key of a generation's chunks and nodes derives, together with what they seal.
///
/// Alone it opens nothing: a key takes the exact sealed content too. It lets its holder confirm a guess of a
/// chunk, and it lets a recovered node go on deduplicating.
public struct GenerationSecret: ~Copyable, Sendable {
  /// How many bytes it has.
  public static let byteCount = 32

  private let secret: SecretBytes

  /// Takes over a secret.
  ///
  /// - Throws: `dump.secret-length` when it has not ``byteCount`` bytes.
  public init(_ secret: consuming SecretBytes) throws(PosternError) {
    guard secret.count == GenerationSecret.byteCount else { throw .secretLength }
    self.secret = secret
  }

  private init(unchecked secret: consuming SecretBytes) {
    self.secret = secret
  }

  /// A fresh secret, for a generation that opens.
  public static func random() -> GenerationSecret {
    GenerationSecret(unchecked: .random(count: byteCount))
  }

  /// Calls `body` with the secret's bytes, which must not leave it.
  public borrowing func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try secret.withUnsafeBytes(body)
  }

  /// A second owner with memory of its own.
  public borrowing func copy() -> GenerationSecret {
    GenerationSecret(unchecked: secret.copy())
  }

  /// Whether two secrets are equal, in time that does not depend on them.
  public borrowing func equals(_ other: borrowing GenerationSecret) -> Bool {
    secret.equals(other.secret)
  }
}
