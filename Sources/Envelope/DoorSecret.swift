import Bulk
public import Core
package import Sodium

/// What a door opens: a point that nobody else can compute, from which the capsule's key is derived.
public struct DoorSecret: ~Copyable, Sendable {
  /// The point's 32 bytes.
  package let memory: SecretBytes

  init(_ point: Point) {
    memory = SecretBytes(count: Point.byteCount) { memory in
      point.withUnsafeBytes { memory.copyMemory(from: $0) }
    }
  }

  /// The key that seals the capsule of this envelope's epoch.
  ///
  /// HKDF-SHA256 of the door's secret and the veil's, salted with the envelope's digest. A wrong secret gives
  /// a wrong key; the capsule's authentication tag tells.
  ///
  /// - Parameters:
  ///   - veil: the generation's veil secret.
  ///   - envelope: the envelope's digest.
  public borrowing func capsuleKey(veil: borrowing VeilSecret, envelope: Digest) -> CapsuleKey {
    let input = SecretBytes(count: memory.count + VeilSecret.byteCount) { input in
      memory.withUnsafeBytes { input.copyMemory(from: $0) }
      veil.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: input[Point.byteCount...]).copyMemory(from: $0) }
    }
    return CapsuleKey(
      memory: SecretBytes(count: CapsuleKey.byteCount) { key in
        input.withUnsafeBytes { input in
          HKDF.derive(inputKey: input, salt: envelope.bytes, info: Array(Tag.capsule.rawValue.utf8), into: key)
        }
      })
  }
}

/// The AES-256-GCM key of one epoch's capsule.
public struct CapsuleKey: ~Copyable, Sendable {
  /// How many bytes the key has.
  public static let byteCount = 32
  private let memory: SecretBytes

  fileprivate init(memory: consuming SecretBytes) {
    self.memory = memory
  }

  /// Calls `body` with the 32 bytes, which must not leave it.
  public borrowing func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try memory.withUnsafeBytes(body)
  }
}
