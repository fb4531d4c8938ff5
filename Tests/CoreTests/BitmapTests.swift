import Core
import Testing

@Suite struct BitmapTests {
  @Test func theLowestBitOfAByteIsFirst() {
    var bits = Bitmap(count: 17)
    #expect(bits.bytes == [0, 0, 0] && !bits.isEmpty && Bitmap(count: 0).isEmpty)
    for place in [0, 3, 7, 8, 16] { bits[place] = true }
    #expect(bits.bytes == [0b1000_1001, 1, 1])
    #expect((0..<24).filter { bits[$0] } == [0, 3, 7, 8, 16])
    bits[3] = false
    bits[4] = false
    #expect(bits == Bitmap(bytes: [0b1000_0001, 1, 1]))
  }

  /// What says of some places that they are dead says nothing of those behind.
  @Test func beyondTheEndNothingIsSet() {
    #expect(!Bitmap(bytes: [0xff])[8] && !Bitmap(count: 0)[0] && Bitmap(bytes: [0xff])[7])
  }
}
