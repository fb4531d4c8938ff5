extension [UInt8] {
  /// Appends an unsigned integer, most significant byte first: `u8`, `u16`, `u32` and `u64` of the formats.
  public mutating func append(bigEndian value: some FixedWidthInteger & UnsignedInteger) {
    Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
  }

  /// Appends a digest's thirty-two bytes.
  public mutating func append(_ digest: Digest) {
    digest.withUnsafeBytes { append(contentsOf: $0) }
  }

  /// Appends `str(s)`: the length of the UTF-8 bytes as `u16`, then the bytes as they stand, not normalised.
  ///
  /// - Precondition: the text has at most 65,535 bytes; whoever reads text from outside has bounded it before.
  public mutating func append(string text: some StringProtocol) {
    let utf8 = text.utf8
    precondition(utf8.count <= Int(UInt16.max))
    append(bigEndian: UInt16(utf8.count))
    append(contentsOf: utf8)
  }
}
