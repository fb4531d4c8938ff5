import Bulk
public import Sodium

/// What tells an uploader that a chunk is one that it knows: sixteen bytes, GMAC of the chunk under the uploader's key.
///
/// It is nobody else's affair, and is published nowhere: whoever knew the key could make two chunks with one
/// fingerprint, and have a later epoch hold the wrong one.
public struct Fingerprint: Hashable, Sendable {
  /// How many bytes a fingerprint has.
  public static let byteCount = GMAC.byteCount

  private let word0: UInt64
  private let word1: UInt64

  /// The fingerprint in the first ``byteCount`` bytes.
  public init(_ bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count >= Fingerprint.byteCount)
    word0 = bytes.loadUnaligned(as: UInt64.self)
    word1 = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
  }

  /// Eight of its bytes, for a table of those that are at hand.
  public var shortened: UInt64 { word0 }

  /// Calls `body` with the bytes.
  public func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try Swift.withUnsafeBytes(of: (word0, word1), body)
  }
}

/// The key of an uploader's fingerprints: 32 bytes that never leave it.
public struct FingerprintKey: ~Copyable, Sendable {
  /// How many bytes a key has.
  public static let byteCount = AES256GCM.keyByteCount

  fileprivate let secret: SecretBytes

  /// A key.
  ///
  /// - Parameter secret: ``byteCount`` bytes that nobody else can derive.
  public init(_ secret: consuming SecretBytes) {
    precondition(secret.count == FingerprintKey.byteCount)
    self.secret = secret
  }
}

/// Takes fingerprints, one thread at a time; a ``WorkerPool`` keeps one a core.
public struct Fingerprinter: ~Copyable, Sendable {
  private var code: GMAC

  /// A fingerprinter under a key.
  public init(key: borrowing FingerprintKey) {
    code = key.secret.withUnsafeBytes { GMAC(key: $0) }
  }

  /// A chunk's fingerprint.
  public mutating func fingerprint(_ chunk: UnsafeRawBufferPointer) -> Fingerprint {
    withUnsafeTemporaryAllocation(byteCount: Fingerprint.byteCount, alignment: 8) { output in
      code.tag(of: chunk, into: output)
      return Fingerprint(UnsafeRawBufferPointer(output))
    }
  }
}
