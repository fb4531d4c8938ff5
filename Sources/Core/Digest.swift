/// A SHA-256 digest: the name of a chunk, node, body, record or application.
///
/// Thirty-two bytes, kept as four big-endian words so that comparison, which sorts ids as bytes, and
/// hashing need no loop.
public struct Digest: Hashable, Sendable {
  /// How many bytes a digest has.
  public static let byteCount = 32

  /// Thirty-two zero bytes, which formats use where there is no predecessor.
  public static let zero = Digest(0, 0, 0, 0)

  private let word0: UInt64
  private let word1: UInt64
  private let word2: UInt64
  private let word3: UInt64

  private init(_ word0: UInt64, _ word1: UInt64, _ word2: UInt64, _ word3: UInt64) {
    self.word0 = word0
    self.word1 = word1
    self.word2 = word2
    self.word3 = word3
  }

  /// A digest from exactly ``byteCount`` bytes; nil for any other length.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == Digest.byteCount else { return nil }
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
    self.init(words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian)
  }

  /// A digest from the ``byteCount`` bytes at the start of a span.
  ///
  /// - Precondition: the span has at least ``byteCount`` bytes.
  public init(_ bytes: RawSpan) {
    precondition(bytes.byteCount >= Digest.byteCount)
    func word(_ index: Int) -> UInt64 {
      bytes.unsafeLoadUnaligned(fromByteOffset: index * 8, as: UInt64.self).bigEndian
    }
    self.init(word(0), word(1), word(2), word(3))
  }

  /// A digest from 64 hexadecimal digits of either case; nil for anything else.
  public init?(hex: String) {
    guard let bytes = [UInt8](hex: hex) else { return nil }
    self.init(bytes)
  }

  /// The thirty-two bytes.
  public var bytes: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: Digest.byteCount) { buffer, count in
      withUnsafeBytes { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: $0) }
      count = Digest.byteCount
    }
  }

  /// Sixty-four lower-case hexadecimal digits.
  public var hex: String { bytes.hex }

  /// The first eight bytes as a big-endian number: where an index wants a short key.
  public var prefix: UInt64 { word0 }

  /// Calls `body` with the thirty-two bytes, without an allocation.
  public func withUnsafeBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let words = (word0.bigEndian, word1.bigEndian, word2.bigEndian, word3.bigEndian)
    return try Swift.withUnsafeBytes(of: words, body)
  }
}

extension Digest: Comparable {
  /// Whether `left` sorts first, byte by byte.
  public static func < (left: Digest, right: Digest) -> Bool {
    if left.word0 != right.word0 { return left.word0 < right.word0 }
    if left.word1 != right.word1 { return left.word1 < right.word1 }
    if left.word2 != right.word2 { return left.word2 < right.word2 }
    return left.word3 < right.word3
  }
}

extension Digest: CustomStringConvertible {
  /// The digest in hexadecimal.
  public var description: String { hex }
}
