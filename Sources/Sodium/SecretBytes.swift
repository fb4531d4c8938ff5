import CSodium

/// A secret: bytes in locked memory between guard pages, wiped when the value goes away.
///
/// It cannot be copied by accident, has no description, and compares in constant time. An allocation costs
/// several system calls: one for each key, never one for each chunk.
///
/// `@unchecked Sendable`: the memory has one owner, and once `init` has returned only a `mutating` method
/// writes to it, for which the compiler demands exclusive access.
public struct SecretBytes: ~Copyable, @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  /// How many bytes the secret has.
  public let count: Int

  /// A secret that `fill` writes, into memory that is zero before.
  ///
  /// - Parameters:
  ///   - count: how many bytes, at least one.
  ///   - fill: writes the secret; what it throws is thrown on, and the memory is wiped.
  public init<Failure: Error>(
    count: Int, fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    Library.ready
    precondition(count > 0)
    guard let base = sodium_malloc(count) else { preconditionFailure("no memory for a secret") }
    sodium_memzero(base, count)
    self.base = base
    self.count = count
    try fill(UnsafeMutableRawBufferPointer(start: base, count: count))
  }

  /// A secret drawn from the operating system's source.
  ///
  /// - Parameter count: how many bytes, at least one.
  public static func random(count: Int) -> SecretBytes {
    SecretBytes(count: count) { randombytes_buf($0.octets, $0.count) }
  }

  /// Moves a secret into locked memory and wipes the array it came in.
  ///
  /// - Parameter bytes: at least one byte; empty afterwards.
  public init(consuming bytes: inout [UInt8]) {
    self.init(count: bytes.count) { memory in memory.copyBytes(from: bytes) }
    wipe(&bytes)
  }

  deinit { sodium_free(base) }

  /// Calls `body` with the secret's bytes, which must not leave it.
  public borrowing func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(UnsafeRawBufferPointer(start: base, count: count))
  }

  /// Calls `body` with the secret's bytes, to be overwritten in place; they must not leave it.
  public mutating func withUnsafeMutableBytes<Result: ~Copyable, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(UnsafeMutableRawBufferPointer(start: base, count: count))
  }

  /// A second owner with memory of its own.
  public borrowing func copy() -> SecretBytes {
    withUnsafeBytes { source in SecretBytes(count: source.count) { $0.copyMemory(from: source) } }
  }

  /// Whether two secrets are equal, in time that depends on their length only.
  public borrowing func equals(_ other: borrowing SecretBytes) -> Bool {
    count == other.count && sodium_memcmp(base, other.base, count) == 0
  }
}
