import Core
import Sodium
import Testing

@Suite struct SecretBytesTests {
  @Test func aSecretIsMovedWrittenCopiedAndCompared() {
    var bytes: [UInt8] = [1, 2, 3]
    var secret = SecretBytes(consuming: &bytes)
    #expect(bytes.isEmpty)
    let copy = secret.copy()
    let same = secret.equals(copy)
    #expect(same)
    secret.withUnsafeMutableBytes { $0[1] = 9 }
    let changed = secret.withUnsafeBytes { Array($0) }
    #expect(changed == [1, 9, 3])
    let equalities = [secret.equals(copy), secret.equals(SecretBytes(count: 2) { _ in })]
    #expect(equalities == [false, false])
  }

  @Test func randomBytesAreDrawn() {
    var memory = [UInt8](repeating: 0, count: 64)
    memory.withUnsafeMutableBytes { fillRandom($0) }
    #expect(memory != [UInt8](repeating: 0, count: 64))
    #expect(randomBytes(32) != randomBytes(32))
    #expect(randomBytes(0).isEmpty)
    let first = SecretBytes.random(count: 32)
    let repeated = first.equals(.random(count: 32))
    #expect(!repeated)
  }

  /// What was removed from an array's end is still in its memory, which is looked at as a whole.
  @Test func whatWasRemovedIsWipedToo() {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(256)
    bytes += [UInt8](repeating: 7, count: 200)
    bytes.removeLast(150)
    func memory() -> [UInt8] {
      let capacity = bytes.capacity
      return bytes.withUnsafeBytes { Array(UnsafeRawBufferPointer(start: $0.baseAddress, count: capacity)) }
    }
    // What lies behind them was never written, and may be anything.
    #expect(memory().count { $0 == 7 } >= 200)
    wipe(&bytes)
    #expect(bytes.isEmpty && bytes.capacity >= 256)
    #expect(memory().allSatisfy { $0 == 0 })
  }

  @Test func bytesAreWipedAndCompared() {
    var bytes: [UInt8] = [1, 2]
    wipe(&bytes)
    #expect(bytes.isEmpty)
    #expect(constantTimeEquals([1, 2], [1, 2]))
    #expect(!constantTimeEquals([1, 2], [1, 3]))
    #expect(!constantTimeEquals([1, 2], [1]))
  }
}
