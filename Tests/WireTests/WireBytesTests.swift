import NIOCore
import Testing
import Wire

@Suite struct WireBytesTests {
  @Test func aSplitMessageIsTheSameMessage() {
    let split = WireBytes(head: ByteBuffer(bytes: [1, 2]), tail: ByteBuffer(bytes: [3]))
    let whole = WireBytes([1, 2, 3])
    #expect(split == whole)
    #expect(split.hashValue == whole.hashValue)
    #expect(split.count == 3)
    #expect(split.withUnsafeBytes { Array($0) } == [1, 2, 3])
    #expect(WireBytes(head: ByteBuffer(bytes: [1]), tail: ByteBuffer()).tail == nil)
    #expect(WireBytes(repeating: 7, count: 2) == WireBytes([7, 7]))
  }

  @Test func writingJoins() {
    var bytes = WireBytes(head: ByteBuffer(bytes: [1, 2]), tail: ByteBuffer(bytes: [3]))
    bytes.withUnsafeMutableBytes { $0[2] = 9 }
    #expect(bytes == WireBytes([1, 2, 9]))
  }
}
