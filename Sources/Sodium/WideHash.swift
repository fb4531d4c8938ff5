import CSodium
public import Core

/// SHA-512 (FIPS 180-4) on its way to a scalar or a point, in memory that is wiped.
///
/// Lives on the stack of the call that lends it: what it absorbs may be secret.
public struct WideHash: ~Copyable {
  /// How many bytes come out.
  static let byteCount = 64

  private let state: UnsafeMutablePointer<crypto_hash_sha512_state>

  private init(_ state: UnsafeMutablePointer<crypto_hash_sha512_state>) {
    self.state = state
  }

  /// Absorbs bytes.
  public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty else { return }
    crypto_hash_sha512_update(state, bytes.octets, UInt64(bytes.count))
  }

  /// Absorbs bytes.
  public mutating func append(_ bytes: [UInt8]) {
    bytes.withUnsafeBytes { append($0) }
  }

  /// Absorbs a digest's thirty-two bytes.
  public mutating func append(_ digest: Digest) {
    digest.withUnsafeBytes { append($0) }
  }

  /// Absorbs a point's thirty-two bytes.
  public mutating func append(_ point: Point) {
    point.octets.withUnsafeBytes { append($0) }
  }

  /// Absorbs `str(tag)`: the length as `u16`, then the bytes.
  public mutating func append(string tag: String) {
    var framed: [UInt8] = []
    framed.append(string: tag)
    append(framed)
  }

  /// The sixty-four bytes of SHA-512 of public bytes.
  package static func hash(_ bytes: [UInt8]) -> [UInt8] {
    compute({ $0.append(bytes) }, use: { Array($0) })
  }

  /// Hashes what `absorb` appends and hands the sixty-four bytes to `use`; wipes them and the state.
  static func compute<Result>(
    _ absorb: (inout WideHash) -> Void, use: (UnsafeRawBufferPointer) -> Result
  ) -> Result {
    Library.ready
    return withUnsafeTemporaryAllocation(of: crypto_hash_sha512_state.self, capacity: 1) { memory in
      withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 8) { output in
        guard let state = memory.baseAddress else { preconditionFailure("memory for a hash's state") }
        defer {
          wipe(UnsafeMutableRawBufferPointer(memory))
          wipe(output)
        }
        crypto_hash_sha512_init(state)
        var hash = WideHash(state)
        absorb(&hash)
        crypto_hash_sha512_final(state, output.octets)
        return use(UnsafeRawBufferPointer(output))
      }
    }
  }
}
