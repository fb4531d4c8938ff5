/// Base 64 with the standard alphabet and padding (RFC 4648, section 4), one spelling for each byte string.
///
/// Notes are compared and signed as text, so a second spelling of the same bytes (missing padding, stray
/// bits behind the last byte, line breaks) would be a second note: `decode` takes none of them.
public enum Base64 {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
  private static let padding = UInt8(ascii: "=")

  /// The value of each digit; 255 where a byte is none.
  private static let values: [UInt8] = {
    var values = [UInt8](repeating: 255, count: 256)
    for (value, digit) in alphabet.enumerated() { values[Int(digit)] = UInt8(value) }
    return values
  }()

  /// ASCII digits and padding, four for each three bytes begun.
  public static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    var window: UInt32 = 0
    var bitCount = 0
    for byte in bytes {
      window = window << 8 | UInt32(byte)
      bitCount += 8
      while bitCount >= 6 {
        bitCount -= 6
        text.append(alphabet[Int(window >> UInt32(bitCount)) & 63])
      }
    }
    if bitCount > 0 { text.append(alphabet[Int(window << UInt32(6 - bitCount)) & 63]) }
    while !text.count.isMultiple(of: 4) { text.append(padding) }
    return text
  }

  /// The bytes that `text` spells; nil where it is not what ``encode(_:)`` writes for them.
  public static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    guard text.count.isMultiple(of: 4) else { return nil }
    let digits = text.prefix(text.count - min(2, text.reversed().prefix { $0 == padding }.count))
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count / 4 * 3)
    var window: UInt32 = 0
    var bitCount = 0
    for digit in digits {
      let value = values[Int(digit)]
      guard value < 64 else { return nil }
      window = window << 6 | UInt32(value)
      bitCount += 6
      guard bitCount >= 8 else { continue }
      bitCount -= 8
      bytes.append(UInt8(truncatingIfNeeded: window >> UInt32(bitCount)))
    }
    guard window & (1 << UInt32(bitCount) - 1) == 0 else { return nil }
    return bytes
  }
}
