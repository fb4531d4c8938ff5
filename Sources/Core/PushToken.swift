/// What a client shows to write into its push: 16 random bytes, replaced by the next begin.
public struct PushToken: Hashable, Sendable {
  /// How many bytes a token has.
  public static let byteCount = 16

  private let high: UInt64
  private let low: UInt64

  private init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// A token from exactly ``byteCount`` bytes; nil for any other length.
  public init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == PushToken.byteCount else { return nil }
    func word(_ half: some Collection<UInt8>) -> UInt64 { half.reduce(0) { $0 << 8 | UInt64($1) } }
    self.init(high: word(bytes.prefix(8)), low: word(bytes.suffix(8)))
  }

  /// A new token from the operating system's source.
  public static func random() -> PushToken {
    var source = SystemRandomNumberGenerator()
    return PushToken(high: source.next(), low: source.next())
  }

  /// The sixteen bytes.
  public var bytes: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(PushToken.byteCount)
    bytes.append(bigEndian: high)
    bytes.append(bigEndian: low)
    return bytes
  }
}
