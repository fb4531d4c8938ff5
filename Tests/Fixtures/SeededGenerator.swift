public import Core

/// Random numbers that a seed repeats (SplitMix64).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// A generator that goes on from a seed.
  public init(seed: UInt64) {
    state = seed
  }

  /// A generator of a fresh seed, which is printed so that a failure can be repeated.
  public static func printing(_ test: String = #function) -> SeededGenerator {
    let seed = UInt64.random(in: 0 ... .max)
    print("\(test): seed \(seed)")
    return SeededGenerator(seed: seed)
  }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// So many random bytes.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count { bytes.append(bigEndian: next()) }
    bytes.removeLast(bytes.count - count)
    return bytes
  }

  /// A random digest.
  public mutating func digest() -> Digest {
    guard let digest = Digest(bytes(Digest.byteCount)) else { preconditionFailure("thirty-two bytes are a digest") }
    return digest
  }
}
