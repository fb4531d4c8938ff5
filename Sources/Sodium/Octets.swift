/// Thirty-two bytes kept inline: the storage of a point and of a scalar, which need no heap that way.
struct Octets: Hashable, Sendable {
  static let byteCount = 32

  /// The bytes as they lie in memory, eight a word.
  private var word0: UInt64 = 0
  private var word1: UInt64 = 0
  private var word2: UInt64 = 0
  private var word3: UInt64 = 0

  /// Thirty-two zeros.
  init() {}

  /// Exactly thirty-two bytes; nil for any other length.
  init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == Octets.byteCount else { return nil }
    withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
  }

  /// A number in little-endian order.
  init(littleEndian value: UInt64) {
    word0 = value.littleEndian
  }

  /// A number in little-endian order, its least significant 64 bits first.
  init(littleEndian words: (UInt64, UInt64, UInt64, UInt64)) {
    word0 = words.0.littleEndian
    word1 = words.1.littleEndian
    word2 = words.2.littleEndian
    word3 = words.3.littleEndian
  }

  var isZero: Bool { word0 | word1 | word2 | word3 == 0 }

  /// Whether the bytes, read as a little-endian number, are below another's; for public values only.
  func isBelow(_ bound: Octets) -> Bool {
    if word3 != bound.word3 { return word3.littleEndian < bound.word3.littleEndian }
    if word2 != bound.word2 { return word2.littleEndian < bound.word2.littleEndian }
    if word1 != bound.word1 { return word1.littleEndian < bound.word1.littleEndian }
    return word0.littleEndian < bound.word0.littleEndian
  }

  var array: [UInt8] { withUnsafeBytes { Array($0) } }

  func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    Swift.withUnsafeBytes(of: self, body)
  }

  mutating func withUnsafeMutableBytes<Result>(_ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
    Swift.withUnsafeMutableBytes(of: &self, body)
  }
}

/// Calls a function of libsodium that writes thirty-two bytes from two times thirty-two.
@inline(__always)
func combine(
  _ left: Octets, _ right: Octets,
  with operation: (UnsafeMutablePointer<UInt8>, UnsafePointer<UInt8>, UnsafePointer<UInt8>) -> Void
) -> Octets {
  var result = Octets()
  result.withUnsafeMutableBytes { result in
    left.withUnsafeBytes { left in
      right.withUnsafeBytes { right in operation(result.octets, left.octets, right.octets) }
    }
  }
  return result
}
