import Client
import Core
import Dump
import Fixtures
import Sodium
import Testing

/// In which stretches of the state objects are sent, and in which order.
@Suite struct PushWindowTests {
  private var generator = SeededGenerator.printing()

  /// A piece as a chunker cuts one: it begins with what the last one left, and ends with a chunk.
  private mutating func piece(_ number: Int, isSealed: Bool = true) throws -> SealedPiece {
    var chunks: [SealedPiece.Chunk] = []
    var secret = generator.bytes(FingerprintKey.byteCount)
    var fingerprinter = Fingerprinter(key: FingerprintKey(SecretBytes(consuming: &secret)))
    var left = 256 << 10
    while left > 64 << 10 {
      let byteCount = 8_192 + Int(generator.next() % 57_345)
      let id = generator.digest()
      let reference = ObjectReference(
        id: id, key: try #require(ObjectKey(generator.bytes(32))), sealedByteCount: 533, plainByteCount: byteCount)
      let fingerprint = id.withUnsafeBytes { fingerprinter.fingerprint($0) }
      chunks.append(.init(fingerprint: fingerprint, reference: reference, offset: isSealed ? 0 : nil))
      left -= byteCount
    }
    return SealedPiece(number: number, chunks: chunks, buffer: nil)
  }

  /// Windows end at multiples of 32 MiB, but for a piece, however long the state is and whether it is known or not.
  @Test mutating func everyWindowEndsWithThePieceThatReachesItsEnd() throws {
    var window = PushWindow()
    var (offset, number) = (0, 0)
    for end in (1...12).map({ $0 * PushWindow.byteCount }) {
      while !window.isFull {
        #expect(offset < end)
        let piece = try piece(number, isSealed: generator.next() % 3 > 0)
        window.append(piece)
        offset += piece.plainByteCount
        number += 1
      }
      #expect(offset >= end && offset - end < 256 << 10)
      window = window.next
      #expect(!window.isFull && window.entries.isEmpty)
    }
  }

  /// Chunks come before nodes, each by rising id and once.
  @Test mutating func objectsAreSorted() throws {
    let pieces = try (0..<4).map { try piece($0) }
    var window = PushWindow()
    for piece in pieces + pieces { window.append(piece) }
    var secret = generator.bytes(GenerationSecret.byteCount)
    var builder = TreeBuilder(secret: try GenerationSecret(SecretBytes(consuming: &secret)))
    var nodes: [SealedNode] = []
    for chunk in pieces.flatMap(\.references) { try builder.append(chunk, completed: &nodes) }
    _ = try builder.finish(completed: &nodes)
    for node in nodes { window.append(node) }
    window.sort()
    let chunkIds = pieces.flatMap(\.references).map(\.id).sorted()
    #expect(window.entries.map(\.id) == chunkIds + nodes.map(\.reference.id).sorted())
    #expect(window.entries.map(\.kind) == chunkIds.map { _ in .chunk } + nodes.map { _ in .node })
  }
}

extension SealedPiece {
  fileprivate var references: [ObjectReference] { chunks.map(\.reference) }
  fileprivate var plainByteCount: Int { references.reduce(0) { $0 + $1.plainByteCount } }
}
