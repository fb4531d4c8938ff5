import Bulk
import Core
import Dump
import Testing

/// The frozen cuts, made by another implementation of `Schema/dump.md`.
@Suite struct CutVectorTests {
  private struct File: Decodable {
    let generation_secret: HexBytes
    let cut_key: HexBytes
    let gear: Gear
    let streams: [Stream]
  }

  private struct Gear: Decodable {
    let sha256: HexBytes
    let words: [Word]
  }

  private struct Word: Decodable {
    let byte: UInt8
    let word: HexBytes
  }

  private struct Stream: Decodable {
    let name: String
    let rule: String
    let byte: UInt8?
    let length: Int
    let average: Int
    let nominated: Int
    let first: [Nomination]
    let ends: [Int]
    let sealed: [Sealed]?

    /// The stream itself, from the rule that the schema states.
    func bytes() throws -> [UInt8] {
      var bytes: [UInt8] = []
      var number = UInt32(0)
      while bytes.count < length {
        switch rule {
        case "noise":
          var text = Array("noise".utf8)
          text.append(bigEndian: number)
          bytes += SHA256.hash(text).bytes
        case "lines":
          let square = UInt64(number) * UInt64(number) % 1_000_003
          bytes += Array("account \(number) holds \(square)\n".utf8)
        default: bytes.append(try #require(byte))
        }
        number += 1
      }
      return Array(bytes[..<length])
    }
  }

  private struct Nomination: Decodable {
    let position: Int
    let state: HexBytes
    let block: HexBytes
  }

  private struct Sealed: Decodable {
    let length: Int
    let id: HexBytes
  }

  private func bigEndian(_ number: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(bigEndian: number)
    return bytes
  }

  @Test func everyWordOfTheGearHashIsAsStated() throws {
    let file: File = try vectors("dump-cuts.json")
    #expect(SHA256.hash(GearHash.table.flatMap(bigEndian)).bytes == file.gear.sha256.bytes)
    for word in file.gear.words { #expect(bigEndian(GearHash.table[Int(word.byte)]) == word.word.bytes) }
  }

  @Test func everyNominationIsAsStated() throws {
    let file: File = try vectors("dump-cuts.json")
    var cipher = withUnsafeTemporaryAllocation(byteCount: AES128.keyByteCount, alignment: 1) { memory in
      memory.copyBytes(from: file.cut_key.bytes)
      return AES128(key: UnsafeRawBufferPointer(memory))
    }
    for stream in file.streams {
      let bytes = try stream.bytes()
      var (state, nominated): (UInt64, [(position: Int, state: UInt64)]) = (0, [])
      for (offset, byte) in bytes.enumerated() {
        state = GearHash.state(after: byte, state)
        guard offset + 1 >= GearHash.windowByteCount, state < GearHash.nominationLimit else { continue }
        nominated.append((offset + 1, state))
      }
      #expect(nominated.count == stream.nominated, "\(stream.name)")
      for (nomination, expected) in zip(nominated, stream.first) {
        #expect(nomination.position == expected.position, "\(stream.name)")
        #expect(bigEndian(nomination.state) == expected.state.bytes, "\(stream.name)")
        var block = expected.state.bytes + [UInt8](repeating: 0, count: 8)
        block.withUnsafeMutableBytes { cipher.encrypt($0) }
        #expect(block == expected.block.bytes, "\(stream.name)")
      }
    }
  }

  @Test func everyStreamIsCutAsStated() throws {
    let file: File = try vectors("dump-cuts.json")
    let secret = try file.generation_secret.secret()
    #expect(file.streams.count >= 10)
    for stream in file.streams {
      let parameters = try ChunkerParameters(contentByteCount: stream.average)
      var chunker = Chunker(parameters, secret: secret)
      var sealer = ChunkSealer(secret: secret, chunker: parameters)
      var cuts: [Range<Int>] = []
      let batch = try stream.bytes().withUnsafeBytes { bytes in
        _ = chunker.cut(bytes, isEnd: true, into: &cuts)
        return sealer.seal(cuts, of: bytes)
      }
      #expect(cuts.map(\.upperBound) == stream.ends, "\(stream.name)")
      guard let sealed = stream.sealed else { continue }
      #expect(batch.chunks.map(\.reference.sealedByteCount) == sealed.map(\.length), "\(stream.name)")
      #expect(batch.chunks.map(\.reference.id.bytes) == sealed.map(\.id.bytes), "\(stream.name)")
    }
  }
}
