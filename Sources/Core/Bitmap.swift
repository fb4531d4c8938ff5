/// A bit for each of many places, the lowest bit of a byte first: as the index and the protocol keep them.
public struct Bitmap: Hashable, Sendable {
  /// The bits, eight a byte.
  public private(set) var bytes: [UInt8]

  /// Bits as they were kept.
  public init(bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// Bits that are all clear.
  ///
  /// - Parameter count: how many places there are.
  public init(count: Int) {
    self.init(bytes: [UInt8](repeating: 0, count: Bitmap.byteCount(count)))
  }

  /// How many bytes so many bits take.
  public static func byteCount(_ count: Int) -> Int { (count + 7) / 8 }

  /// Whether there are no places; where there are some, it is false, though all bits be clear.
  public var isEmpty: Bool { bytes.isEmpty }

  /// The bit of a place; beyond the end it is clear, and cannot be set.
  public subscript(place: Int) -> Bool {
    get { place / 8 < bytes.count && bytes[place / 8] >> UInt8(place % 8) & 1 == 1 }
    set {
      let bit: UInt8 = 1 << UInt8(place % 8)
      if newValue { bytes[place / 8] |= bit } else { bytes[place / 8] &= ~bit }
    }
  }
}
