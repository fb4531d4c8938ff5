/// Reads a format front to back and refuses to read past its end.
///
/// Every length is checked against what is left before anything is sliced or copied, so that no number in
/// the input decides how much memory is taken.
public struct ByteReader: Sendable {
  private let bytes: ArraySlice<UInt8>
  /// Index of the next byte in `bytes`.
  private var position: Int

  /// A reader over bytes that stay as they are; nothing is copied.
  public init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  /// A reader over a whole array.
  public init(_ bytes: [UInt8]) {
    self.init(bytes[...])
  }

  /// How many bytes have been read.
  public var offset: Int { position - bytes.startIndex }

  /// How many bytes are left.
  public var remaining: Int { bytes.endIndex - position }

  /// The next `count` bytes, as a slice of the input.
  ///
  /// - Throws: ``ByteReader/Failure/truncated`` when fewer are left.
  public mutating func read(_ count: Int) throws(Failure) -> ArraySlice<UInt8> {
    guard count >= 0, count <= remaining else { throw .truncated }
    defer { position += count }
    return bytes[position..<position + count]
  }

  /// The next big-endian unsigned integer.
  ///
  /// - Throws: ``ByteReader/Failure/truncated`` when too few bytes are left.
  @inlinable
  public mutating func read<Value: FixedWidthInteger & UnsignedInteger>(
    _ type: Value.Type = Value.self
  ) throws(Failure) -> Value {
    Value(truncatingIfNeeded: try readNumber(MemoryLayout<Value>.size))
  }

  /// The next big-endian unsigned integer of at most eight bytes: one function for all widths, since nodes and batches
  /// have thousands of numbers.
  @usableFromInline
  mutating func readNumber(_ byteCount: Int) throws(Failure) -> UInt64 {
    precondition(byteCount <= MemoryLayout<UInt64>.size)
    return try read(byteCount).reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// The next thirty-two bytes as a digest.
  ///
  /// - Throws: ``ByteReader/Failure/truncated`` when too few bytes are left.
  public mutating func readDigest() throws(Failure) -> Digest {
    try read(Digest.byteCount).withUnsafeBytes { Digest($0.bytes) }
  }

  /// The next `str(s)`: a `u16` length, then that many bytes of valid UTF-8.
  ///
  /// - Parameter limit: the most bytes that the text may have.
  /// - Throws: ``ByteReader/Failure/truncated`` when the text is cut short, ``ByteReader/Failure/tooLong``
  ///   beyond the limit, ``ByteReader/Failure/notUTF8`` when the bytes are no text.
  public mutating func readString(limit: Int) throws(Failure) -> String {
    let count = Int(try read(UInt16.self))
    guard count <= limit else { throw .tooLong }
    guard let text = String(validating: try read(count), as: UTF8.self) else { throw .notUTF8 }
    return text
  }

  /// Says that the format ends here.
  ///
  /// - Throws: ``ByteReader/Failure/trailing`` when bytes are left.
  public func finish() throws(Failure) {
    guard remaining == 0 else { throw .trailing }
  }

  /// Why bytes could not be read; the caller turns it into an error of its own format.
  public enum Failure: String, Error, Sendable {
    /// The bytes end before the field does.
    case truncated
    /// A text is longer than its limit.
    case tooLong
    /// A text is not UTF-8.
    case notUTF8
    /// Bytes follow where the format ends.
    case trailing
  }
}
