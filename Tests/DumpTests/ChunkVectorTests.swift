import Bulk
import Core
import Dump
import Testing

/// The frozen form of a chunk, made by another implementation of `Schema/dump.md`.
@Suite struct ChunkVectorTests {
  private struct File: Decodable {
    let generation_secret: HexBytes
    let chunks: [Chunk]
    let refused: [Refused]
  }

  private struct Chunk: Decodable {
    let name: String
    let chunk_size: Int
    let plain: HexBytes
    let coding: Int
    let message: HexBytes
    let key: HexBytes
    let id: HexBytes
    let object: HexBytes
  }

  private struct Refused: Decodable {
    let name: String
    let code: String
    let chunk_size: Int
    let plain_length: Int
    let key: HexBytes
    let id: HexBytes
    let object: HexBytes
  }

  @Test func everyMessageSealsToTheSameObject() throws {
    let file: File = try vectors("dump-chunks.json")
    var sealer = ObjectSealer(secret: try file.generation_secret.secret(), purpose: .chunk)
    for vector in file.chunks {
      var object = vector.message.bytes + [UInt8](repeating: 0xEE, count: AES256GCM.tagByteCount)
      let (id, key) = object.withUnsafeMutableBytes { sealer.seal($0, publicByteCount: 0) }
      #expect(object == vector.object.bytes, "\(vector.name)")
      #expect(id.bytes == vector.id.bytes, "\(vector.name)")
      #expect(bytes(of: key) == vector.key.bytes, "\(vector.name)")
    }
  }

  /// A raw chunk has one form only; a compressed one depends on the compressor, and on nothing else.
  @Test func everyStateSealsToTheSameChunk() throws {
    let file: File = try vectors("dump-chunks.json")
    let secret = try file.generation_secret.secret()
    for vector in file.chunks {
      var sealer = ChunkSealer(secret: secret, chunker: try ChunkerParameters(fixedByteCount: vector.chunk_size))
      let batch = vector.plain.bytes.withUnsafeBytes { sealer.seal([0..<$0.count], of: $0) }
      #expect(batch.chunks.count == 1)
      #expect(batch.bytes.count == vector.object.bytes.count, "\(vector.name)")
      if vector.coding == 0 { #expect(batch.bytes == vector.object.bytes, "\(vector.name)") }
    }
  }

  @Test func everyObjectOpens() throws {
    let file: File = try vectors("dump-chunks.json")
    for vector in file.chunks {
      let opened = try open(
        vector.object, id: vector.id, key: vector.key, chunkSize: vector.chunk_size, plain: vector.plain.bytes.count)
      #expect(opened == vector.plain.bytes, "\(vector.name)")
    }
  }

  @Test func everyRefusedObjectNamesItsRule() throws {
    let file: File = try vectors("dump-chunks.json")
    #expect(file.refused.count >= 14)
    for vector in file.refused {
      let refusal = code {
        _ = try open(
          vector.object, id: vector.id, key: vector.key, chunkSize: vector.chunk_size, plain: vector.plain_length)
      }
      #expect(refusal?.rawValue == vector.code, "\(vector.name)")
    }
  }

  private func open(
    _ object: HexBytes, id: HexBytes, key: HexBytes, chunkSize: Int, plain plainByteCount: Int
  ) throws -> [UInt8] {
    var opener = ChunkOpener(chunker: try ChunkerParameters(fixedByteCount: chunkSize))
    let reference = ObjectReference(
      id: try id.digest(), key: try key.key(), sealedByteCount: object.bytes.count, plainByteCount: plainByteCount)
    var output = [UInt8](repeating: 0xEE, count: plainByteCount)
    try object.bytes.withUnsafeBytes { object in
      try output.withUnsafeMutableBytes { try opener.open(object, reference, into: $0) }
    }
    return output
  }
}
