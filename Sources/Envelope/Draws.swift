import Sodium

/// Where the fresh bytes of a proof and of a dealing come from.
///
/// What ships uses ``SystemDraws``. The conformance checker brings another, which repeats a vector's draws.
package protocol DrawSource {
  /// Fills 32 bytes that hedge a proof's nonce.
  mutating func fillNonce(_ memory: UnsafeMutableRawBufferPointer)
  /// Fills 64 bytes that become a polynomial's coefficient.
  mutating func fillCoefficient(_ memory: UnsafeMutableRawBufferPointer)
}

/// Draws from the operating system's source.
package struct SystemDraws: DrawSource {
  /// A source; it has no state.
  package init() {}

  package mutating func fillNonce(_ memory: UnsafeMutableRawBufferPointer) { fillRandom(memory) }

  package mutating func fillCoefficient(_ memory: UnsafeMutableRawBufferPointer) { fillRandom(memory) }
}

/// Draws `byteCount` bytes by `fill`, lends them to `use` and wipes them.
func withDraw<Result>(
  byteCount: Int, fill: (UnsafeMutableRawBufferPointer) -> Void, use: (UnsafeRawBufferPointer) -> Result
) -> Result {
  withUnsafeTemporaryAllocation(byteCount: byteCount, alignment: 8) { memory in
    defer { wipe(memory) }
    fill(memory)
    return use(UnsafeRawBufferPointer(memory))
  }
}
