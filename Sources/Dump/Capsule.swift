import Bulk
public import Core
public import Sodium

/// The small sealed part of an epoch that holds what opens the rest: the root's key, the generation secret,
/// and how to read the state.
///
/// It is sealed under the capsule key of the epoch's envelope, which is fresh every epoch, so the nonce is
/// zeros: **an envelope is dealt for one capsule only.** Every capsule has ``sealedByteCount`` bytes, so that
/// neither the kind of content nor the chunker's parameters show in its length.
public struct Capsule: ~Copyable, Sendable {
  /// How many bytes a capsule has.
  public static let sealedByteCount = messageByteCount + AES256GCM.tagByteCount
  /// How many bytes the capsule key has.
  public static let keyByteCount = AES256GCM.keyByteCount

  private static let format: UInt8 = 1
  private static let messageByteCount = 240

  /// What the state's bytes are.
  public enum ContentKind: UInt8, CaseIterable, Sendable {
    /// Bytes of no known structure: a file, or what came through a pipe.
    case bytes = 1
    /// A directory, as an archive of it that `Schema/directory.md` describes.
    case directory = 2
  }

  /// Which root a capsule goes with, as the epoch's record states it in public.
  public struct Root: Hashable, Sendable {
    /// The root node's id.
    public let id: Digest
    /// How many bytes of it are stored.
    public let sealedByteCount: Int

    /// A root from its parts.
    public init(id: Digest, sealedByteCount: Int) {
      self.id = id
      self.sealedByteCount = sealedByteCount
    }

    /// What the capsule's tag binds: `id ‖ u32 length`.
    fileprivate var associatedData: [UInt8] {
      var bytes = id.bytes
      bytes.append(bigEndian: UInt32(sealedByteCount))
      return bytes
    }
  }

  /// What the state's bytes are.
  public let contentKind: ContentKind
  /// The dump's root; its plain length is the state's.
  public let root: ObjectReference
  /// The generation's secret, so that a recovered node can go on deduplicating.
  public let generationSecret: GenerationSecret
  /// How the state was cut.
  public let chunker: ChunkerParameters

  /// A capsule from its parts.
  public init(
    contentKind: ContentKind, root: ObjectReference, generationSecret: consuming GenerationSecret,
    chunker: ChunkerParameters
  ) {
    self.contentKind = contentKind
    self.root = root
    self.generationSecret = generationSecret
    self.chunker = chunker
  }

  /// The capsule's bytes, sealed for this root.
  ///
  /// - Parameter key: the capsule key, ``keyByteCount`` bytes, which seals nothing else.
  public borrowing func seal(under key: borrowing SecretBytes) -> [UInt8] {
    let root = Root(id: root.id, sealedByteCount: root.sealedByteCount)
    return [UInt8](unsafeUninitializedCapacity: Capsule.sealedByteCount) { buffer, count in
      let output = UnsafeMutableRawBufferPointer(
        start: buffer.baseAddress, count: Capsule.sealedByteCount)
      let message = UnsafeMutableRawBufferPointer(rebasing: output[..<Capsule.messageByteCount])
      write(to: message)
      var cipher = AES256GCM()
      key.withUnsafeBytes { key in
        root.associatedData.withUnsafeBytes {
          cipher.seal(UnsafeRawBufferPointer(message), key: key, associatedData: $0, into: output)
        }
      }
      count = output.count
    }
  }

  /// Opens a capsule.
  ///
  /// - Parameters:
  ///   - sealed: the capsule's bytes.
  ///   - root: the root that the epoch's record names.
  ///   - key: the capsule key, ``keyByteCount`` bytes.
  /// - Throws: `capsule.length`, `capsule.does-not-open`, `capsule.malformed`, `capsule.content-kind` or
  ///   `dump.chunker`.
  public init(
    opening sealed: [UInt8], root: Root, under key: borrowing SecretBytes
  ) throws(PosternError) {
    let message = try Capsule.open(sealed, root: root, under: key)
    self = try message.withUnsafeBytes { (bytes) throws(PosternError) -> Capsule in
      try Capsule(parsing: bytes, root: root)
    }
  }

  /// Whether a key is this capsule's: the check of a combined secret before it is used.
  ///
  /// - Parameters:
  ///   - key: a candidate for the capsule key.
  ///   - sealed: the capsule's bytes.
  ///   - root: the root that the epoch's record names.
  public static func opens(under key: borrowing SecretBytes, _ sealed: [UInt8], root: Root) -> Bool {
    do {
      _ = try open(sealed, root: root, under: key)
      return true
    } catch {
      return false
    }
  }
}

extension Capsule {
  /// Where the fields of the message lie.
  private enum Field {
    static let format = 0
    static let contentKind = 1
    static let rootKey = 2..<34
    static let generationSecret = 34..<66
    static let stateByteCount = 66
    static let chunker = 74..<(74 + ChunkerParameters.byteCount)
  }

  private borrowing func write(to message: UnsafeMutableRawBufferPointer) {
    message.initializeMemory(as: UInt8.self, repeating: 0)
    message[Field.format] = Capsule.format
    message[Field.contentKind] = contentKind.rawValue
    root.key.withUnsafeBytes {
      UnsafeMutableRawBufferPointer(rebasing: message[Field.rootKey]).copyMemory(from: $0)
    }
    generationSecret.withUnsafeBytes {
      UnsafeMutableRawBufferPointer(rebasing: message[Field.generationSecret]).copyMemory(from: $0)
    }
    let count = UInt64(root.plainByteCount).bigEndian
    message.storeBytes(of: count, toByteOffset: Field.stateByteCount, as: UInt64.self)
    UnsafeMutableRawBufferPointer(rebasing: message[Field.chunker]).copyBytes(from: chunker.encoding)
  }

  private static func open(
    _ sealed: [UInt8], root: Root, under key: borrowing SecretBytes
  ) throws(PosternError) -> SecretBytes {
    guard sealed.count == sealedByteCount else { throw .capsuleLength }
    let rootByteCounts = DumpLimits.nodeByteCountMinimum...DumpLimits.nodeByteCount
    guard key.count == keyByteCount, rootByteCounts.contains(root.sealedByteCount) else { throw .capsuleSealed }
    return try SecretBytes(count: messageByteCount) { message throws(PosternError) in
      var cipher = AES256GCM()
      let opens = key.withUnsafeBytes { key in
        sealed.withUnsafeBytes { sealed in
          root.associatedData.withUnsafeBytes {
            cipher.open(sealed, key: key, associatedData: $0, into: message)
          }
        }
      }
      guard opens else { throw .capsuleSealed }
    }
  }

  private init(parsing message: UnsafeRawBufferPointer, root: Root) throws(PosternError) {
    guard message[Field.format] == Capsule.format else { throw .malformedCapsule }
    guard let contentKind = ContentKind(rawValue: message[Field.contentKind]) else { throw .unknownContent }
    var reader = ByteReader(Array(message[Field.chunker]))
    let chunker = try ChunkerParameters(reading: &reader)
    let count = UInt64(bigEndian: message.loadUnaligned(fromByteOffset: Field.stateByteCount, as: UInt64.self))
    guard count <= UInt64(DumpLimits.stateByteCount), message[Field.chunker.upperBound...].allSatisfy({ $0 == 0 })
    else { throw .malformedCapsule }
    let key = ObjectKey(UnsafeRawBufferPointer(rebasing: message[Field.rootKey]).bytes)
    let secret = try GenerationSecret(
      SecretBytes(count: GenerationSecret.byteCount) { memory in
        memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: message[Field.generationSecret]))
      })
    self.init(
      contentKind: contentKind,
      root: ObjectReference(
        id: root.id, key: key, sealedByteCount: root.sealedByteCount, plainByteCount: Int(count)),
      generationSecret: secret, chunker: chunker)
  }
}
