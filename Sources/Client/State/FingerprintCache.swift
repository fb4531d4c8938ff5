package import Core
package import Dump

/// The file that tells a push which chunks did not change: fingerprint → reference of every chunk of one epoch, in the
/// state's order.
///
/// It saves work and nothing rests on it: a push without one compresses and seals every chunk, and gets the same ids.
/// `header ‖ blocks ‖ end`, laid out in `Schema/state.md`. Blocks are sealed one by one, so that neither reading nor
/// writing holds more than a few of them.
package enum FingerprintCache {
  static let magic = Array("postern/cache/v1".utf8)
  static let saltByteCount = 32
  static let headerByteCount = magic.count + saltByteCount + Subject.byteCount
  /// Chunks of one block; the last has fewer.
  package static let blockEntryCount = 4_096
  /// The most bytes that a block has before it is sealed.
  static let blockByteCount = blockEntryCount * Entry.byteCount
  /// `u64 chunks ‖ u64 epoch ‖ leaf hash (32)`, before it is sealed.
  static let endByteCount = 8 + 8 + Digest.byteCount

  /// What a cache is good for.
  package struct Subject: Equatable, Sendable {
    static let byteCount = 8 + Digest.byteCount + ChunkerParameters.byteCount

    /// The generation, which its number alone does not name.
    let generation: UInt64
    let veil: Digest
    let chunker: ChunkerParameters

    /// A generation's name, and how its states are cut.
    package init(generation: UInt64, veil: Digest, chunker: ChunkerParameters) {
      self.generation = generation
      self.veil = veil
      self.chunker = chunker
    }

    /// The header's last bytes.
    var bytes: [UInt8] {
      var bytes: [UInt8] = []
      bytes.append(bigEndian: generation)
      bytes.append(veil)
      return bytes + chunker.encoding
    }
  }

  /// One chunk.
  package struct Entry: Sendable {
    /// `fingerprint ‖ id ‖ key ‖ u32 sealed length ‖ u32 plain length`.
    static let byteCount = Fingerprint.byteCount + Digest.byteCount + ObjectKey.byteCount + 4 + 4

    package let fingerprint: Fingerprint
    package let reference: ObjectReference

    /// A chunk of a dump.
    package init(fingerprint: Fingerprint, reference: ObjectReference) {
      self.fingerprint = fingerprint
      self.reference = reference
    }

    private enum Offset {
      static let id = Fingerprint.byteCount
      static let key = id + Digest.byteCount
      static let sealedLength = key + ObjectKey.byteCount
      static let plainLength = sealedLength + 4
    }

    /// What an entry's bytes, exactly ``byteCount``, say of the chunk.
    static func reference(_ bytes: UnsafeRawBufferPointer) -> ObjectReference {
      precondition(bytes.count == Entry.byteCount)
      return ObjectReference(
        id: Digest(bytes.bytes.extracting(droppingFirst: Offset.id)),
        key: ObjectKey(bytes.bytes.extracting(droppingFirst: Offset.key)),
        sealedByteCount: length(bytes, Offset.sealedLength), plainByteCount: plainByteCount(bytes))
    }

    /// How many bytes of state an entry's chunk has.
    static func plainByteCount(_ bytes: UnsafeRawBufferPointer) -> Int { length(bytes, Offset.plainLength) }

    private static func length(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> Int {
      Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }

    /// Writes the entry to exactly ``byteCount`` bytes.
    func write(to memory: UnsafeMutableRawBufferPointer) {
      precondition(memory.count == Entry.byteCount)
      func room(_ offset: Int) -> UnsafeMutableRawBufferPointer { .init(rebasing: memory[offset...]) }
      fingerprint.withUnsafeBytes { memory.copyMemory(from: $0) }
      reference.id.withUnsafeBytes { room(Offset.id).copyMemory(from: $0) }
      reference.key.withUnsafeBytes { room(Offset.key).copyMemory(from: $0) }
      memory.storeBytes(
        of: UInt32(reference.sealedByteCount).bigEndian, toByteOffset: Offset.sealedLength, as: UInt32.self)
      memory.storeBytes(
        of: UInt32(reference.plainByteCount).bigEndian, toByteOffset: Offset.plainLength, as: UInt32.self)
    }
  }

  /// The nonce of a block, or of the end: a key seals each number once.
  static func nonce(_ number: UInt64) -> [UInt8] {
    var nonce: [UInt8] = [0, 0, 0, 0]
    nonce.append(bigEndian: number)
    return nonce
  }

  /// The number under which the end is sealed; no block gets there.
  static let endNumber = UInt64.max
}
