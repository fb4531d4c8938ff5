import Bulk
import Core
import Dump
import Sodium
import Testing

@Suite struct CapsuleTests {
  private struct File: Decodable {
    let generation_secret: HexBytes
    let capsules: [Vector]
    let refused: [Refused]
  }

  private struct Vector: Decodable {
    let chunk_size: Int
    let capsule_key: HexBytes
    let root: HexBytes
    let root_length: Int
    let root_key: HexBytes
    let state_length: Int
    let content_kind: UInt8
    let sealed: HexBytes
  }

  private struct Refused: Decodable {
    let name: String
    let code: String
    let capsule_key: HexBytes
    let root: HexBytes
    let root_length: Int
    let sealed: HexBytes
  }

  private func key(_ bytes: [UInt8]) -> SecretBytes {
    var bytes = bytes
    return SecretBytes(consuming: &bytes)
  }

  private func opens(_ sealed: [UInt8], _ root: Capsule.Root, _ keyBytes: [UInt8]) -> Bool {
    Capsule.opens(under: key(keyBytes), sealed, root: root)
  }

  private func refusal(
    _ sealed: [UInt8], _ root: Capsule.Root, _ keyBytes: [UInt8]
  ) -> PosternError.Code? {
    do {
      _ = try Capsule(opening: sealed, root: root, under: key(keyBytes))
      return nil
    } catch {
      return error.code
    }
  }

  @Test func everyCapsuleIsAsFrozen() throws {
    let file: File = try vectors("dump-capsules.json")
    for vector in file.capsules {
      let key = key(vector.capsule_key.bytes)
      let chunker = try ChunkerParameters(fixedByteCount: vector.chunk_size)
      let root = ObjectReference(
        id: try vector.root.digest(), key: try vector.root_key.key(), sealedByteCount: vector.root_length,
        plainByteCount: vector.state_length)
      let contentKind = try #require(Capsule.ContentKind(rawValue: vector.content_kind))
      let capsule = Capsule(
        contentKind: contentKind, root: root, generationSecret: try file.generation_secret.secret(), chunker: chunker)
      let sealed = capsule.seal(under: key)
      #expect(sealed == vector.sealed.bytes)
      let publicRoot = Capsule.Root(id: root.id, sealedByteCount: root.sealedByteCount)
      let opened = try Capsule(opening: vector.sealed.bytes, root: publicRoot, under: key)
      #expect(opened.contentKind == contentKind)
      #expect(opened.chunker == chunker)
      #expect(opened.root.id == root.id && opened.root.sealedByteCount == root.sealedByteCount)
      #expect(opened.root.plainByteCount == root.plainByteCount)
      #expect(bytes(of: opened.root.key) == vector.root_key.bytes)
      let isSame = opened.generationSecret.equals(try file.generation_secret.secret())
      #expect(isSame)
      #expect(opens(vector.sealed.bytes, publicRoot, vector.capsule_key.bytes))
    }
  }

  /// A capsule says how its state was cut, at one length.
  @Test func everyChunkerIsReadBack() throws {
    let chunk = try madeUpChunk(1)
    let publicRoot = Capsule.Root(id: chunk.id, sealedByteCount: chunk.sealedByteCount)
    for chunker in everyChunker {
      let capsule = Capsule(contentKind: .bytes, root: chunk, generationSecret: .random(), chunker: chunker)
      let sealed = capsule.seal(under: key([UInt8](repeating: 3, count: Capsule.keyByteCount)))
      #expect(sealed.count == Capsule.sealedByteCount)
      let opened = try Capsule(
        opening: sealed, root: publicRoot, under: key([UInt8](repeating: 3, count: Capsule.keyByteCount)))
      #expect(opened.chunker == chunker)
    }
  }

  @Test func everyKindOfContentHasAVector() throws {
    let file: File = try vectors("dump-capsules.json")
    #expect(Set(file.capsules.map(\.content_kind)) == Set(Capsule.ContentKind.allCases.map(\.rawValue)))
  }

  @Test func everyRefusedCapsuleNamesItsRule() throws {
    let file: File = try vectors("dump-capsules.json")
    #expect(file.refused.count >= 8)
    for vector in file.refused {
      let root = Capsule.Root(id: try vector.root.digest(), sealedByteCount: vector.root_length)
      let refused = refusal(vector.sealed.bytes, root, vector.capsule_key.bytes)
      #expect(refused?.rawValue == vector.code, "\(vector.name)")
    }
  }

  @Test func refusesEveryChangedByteKeyAndRoot() throws {
    let file: File = try vectors("dump-capsules.json")
    let vector = try #require(file.capsules.last)
    let (id, length) = (try vector.root.digest(), vector.root_length)
    let root = Capsule.Root(id: id, sealedByteCount: length)
    let good = vector.capsule_key.bytes
    for place in vector.sealed.bytes.indices {
      var sealed = vector.sealed.bytes
      sealed[place] ^= 0x10
      #expect(refusal(sealed, root, good) == .capsuleSealed)
      #expect(!opens(sealed, root, good))
    }
    for count in [0, 15, 16, Capsule.sealedByteCount - 1] {
      #expect(refusal(Array(vector.sealed.bytes[..<count]), root, good) == .capsuleLength)
    }
    #expect(refusal(vector.sealed.bytes + [0], root, good) == .capsuleLength)
    for place in 0..<Capsule.keyByteCount {
      var other = vector.capsule_key.bytes
      other[place] ^= 1
      #expect(!opens(vector.sealed.bytes, root, other))
    }
    for count in [1, 31, 33] {
      #expect(refusal(vector.sealed.bytes, root, [UInt8](repeating: 1, count: count)) == .capsuleSealed)
    }
    for length in [0, 19, length + 1, 5_013, 1 << 40] {
      #expect(refusal(vector.sealed.bytes, .init(id: id, sealedByteCount: length), good) == .capsuleSealed)
    }
    #expect(refusal(vector.sealed.bytes, .init(id: .zero, sealedByteCount: length), good) == .capsuleSealed)
    #expect(refusal(vector.sealed.bytes, root, good) == nil)
  }

  /// Random capsules come back, and what a faulty uploader could seal in one, a byte changed under the right key, is
  /// refused, or is another capsule whose one form it is.
  @Test func everyCapsuleHasOneForm() throws {
    var random = SeededGenerator.printing()
    var refusedCount = 0
    for chunker in everyChunker {
      let root = ObjectReference(
        id: random.digest(), key: try #require(ObjectKey(random.bytes(32))),
        sealedByteCount: Int.random(in: DumpLimits.nodeByteCountMinimum...DumpLimits.nodeByteCount, using: &random),
        plainByteCount: Int.random(in: 0...DumpLimits.stateByteCount, using: &random))
      let publicRoot = Capsule.Root(id: root.id, sealedByteCount: root.sealedByteCount)
      let keyBytes = random.bytes(Capsule.keyByteCount)
      let contentKind = try #require(Capsule.ContentKind.allCases.randomElement(using: &random))
      let sealed = Capsule(
        contentKind: contentKind, root: root, generationSecret: secret(UInt8(random.next() % 256)), chunker: chunker
      ).seal(under: key(keyBytes))
      let opened = try Capsule(opening: sealed, root: publicRoot, under: key(keyBytes))
      #expect(opened.root.plainByteCount == root.plainByteCount && bytes(of: opened.root.key) == bytes(of: root.key))
      #expect(opened.contentKind == contentKind && opened.chunker == chunker)
      let again = opened.seal(under: key(keyBytes))
      #expect(again == sealed)

      var associatedData = root.id.bytes
      associatedData.append(bigEndian: UInt32(root.sealedByteCount))
      var message = [UInt8](repeating: 0, count: sealed.count - AES256GCM.tagByteCount)
      var cipher = AES256GCM()
      let opens = cipher.open(sealed, key: keyBytes, associatedData: associatedData, into: &message)
      #expect(opens)
      for place in message.indices {
        for change in [UInt8(1), 0x80, UInt8(1 + random.next() % 255)] {
          var other = message
          other[place] ^= change
          let forged = cipher.seal(other, key: keyBytes, associatedData: associatedData)
          do {
            let capsule = try Capsule(opening: forged, root: publicRoot, under: key(keyBytes))
            let form = capsule.seal(under: key(keyBytes))
            #expect(form == forged, "byte \(place)")
          } catch {
            let codes: [PosternError.Code] = [.capsuleMalformed, .capsuleContentKind, .dumpChunker]
            #expect(codes.contains(error.code), "byte \(place): \(error.code)")
            refusedCount += 1
          }
        }
      }
    }
    // The format, the kind and what is zeros: more than half of the bytes have one value.
    #expect(refusedCount > everyChunker.count * 3 * 150)
  }

  @Test func generationSecretsHaveThirtyTwoBytes() throws {
    for count in [1, 31, 33, 64] {
      #expect(code { _ = try GenerationSecret(SecretBytes.random(count: count)) } == .dumpSecretLength)
    }
    let one = GenerationSecret.random()
    let other = GenerationSecret.random()
    let answers = [one.equals(other), one.equals(one.copy())]
    #expect(answers == [false, true])
  }
}
