/// Decimal numbers of the text formats: ASCII digits without a leading zero.
enum Decimal {
  /// The number; nil for a sign, a leading zero, an empty text or more than 64 bits.
  static func parse(_ text: ArraySlice<UInt8>) -> UInt64? {
    guard let first = text.first, text.count == 1 || first != UInt8(ascii: "0") else { return nil }
    return digits(text)
  }

  /// The number that digits spell, leading zeros allowed; nil for anything but digits and beyond 64 bits.
  static func digits(_ text: ArraySlice<UInt8>) -> UInt64? {
    guard !text.isEmpty else { return nil }
    var number: UInt64 = 0
    for digit in text {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      let (tens, overflow) = number.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
      guard !overflow, !carry else { return nil }
      number = sum
    }
    return number
  }
}

/// The newline that ends each line of the text formats.
let newline = UInt8(ascii: "\n")

/// Takes a text apart line by line, without copying it.
struct LineReader {
  /// What has not been read yet.
  private(set) var rest: ArraySlice<UInt8>

  /// A reader at the start of a text.
  init(_ text: ArraySlice<UInt8>) {
    rest = text
  }

  /// The next line without its newline; nil where no further newline follows.
  mutating func next() -> ArraySlice<UInt8>? {
    guard let end = rest.firstIndex(of: newline) else { return nil }
    defer { rest = rest[(end + 1)...] }
    return rest[rest.startIndex..<end]
  }
}

/// Whether two texts are the same bytes.
///
/// `==` on `String` also equates texts that Unicode calls canonically equivalent; names and origins are
/// signed as bytes.
func sameBytes(_ left: String, _ right: String) -> Bool {
  left.utf8.elementsEqual(right.utf8)
}
