import Core
import Testing

@Suite struct ByteReaderTests {
  @Test func readsBackWhatWasAppended() throws {
    let digest = try #require(Digest(hex: String(repeating: "0f", count: 32)))
    var bytes: [UInt8] = []
    bytes.append(bigEndian: UInt8(7))
    bytes.append(bigEndian: UInt16(0x0102))
    bytes.append(bigEndian: UInt32(0x0304_0506))
    bytes.append(bigEndian: UInt64.max - 1)
    bytes.append(digest)
    bytes.append(string: "Größe")
    #expect(bytes[..<7].elementsEqual([7, 1, 2, 3, 4, 5, 6]))

    var reader = ByteReader(bytes)
    #expect(try reader.read(UInt8.self) == 7)
    #expect(try reader.read(UInt16.self) == 0x0102)
    #expect(try reader.read(UInt32.self) == 0x0304_0506)
    #expect(try reader.read(UInt64.self) == UInt64.max - 1)
    #expect(try reader.readDigest() == digest)
    #expect(try reader.readString(limit: 7) == "Größe")
    try reader.finish()
    #expect(reader.offset == bytes.count)
  }

  @Test func refusesToReadPastTheEnd() {
    var reader = ByteReader([1, 2, 3])
    #expect(throws: ByteReader.Failure.truncated) { try reader.read(UInt32.self) }
    #expect(throws: ByteReader.Failure.truncated) { try reader.read(4) }
    #expect(throws: ByteReader.Failure.truncated) { try reader.read(-1) }
    #expect(throws: ByteReader.Failure.truncated) { try reader.readDigest() }
    #expect(throws: ByteReader.Failure.trailing) { try reader.finish() }
    #expect(reader.remaining == 3)
  }

  @Test func refusesTextThatIsTooLongOrNoText() {
    var long = ByteReader([0, 3, 97, 97, 97])
    #expect(throws: ByteReader.Failure.tooLong) { try long.readString(limit: 2) }
    var broken = ByteReader([0, 2, 0xC3, 0x28])
    #expect(throws: ByteReader.Failure.notUTF8) { try broken.readString(limit: 8) }
    var short = ByteReader([0, 9, 97])
    #expect(throws: ByteReader.Failure.truncated) { try short.readString(limit: 16) }
  }
}
