public import Core

/// How an application's states are cut into chunks, as its charter says and every capsule repeats.
///
/// Five bytes: `u8 kind ‖ u32 size`. Kind 1 is ``fixed(_:)``, kind 2 is ``content(_:)``.
public enum ChunkerParameters: Hashable, Sendable {
  /// Chunks of one size, the last one shorter: for states that are paged files.
  case fixed(FixedSize)
  /// Chunks that end where the content says so: for everything else.
  case content(ContentAverage)

  /// The sizes of fixed chunks, in bytes.
  public enum FixedSize: UInt32, CaseIterable, Sendable {
    /// 4 KiB: a database's pages, least added by scattered changes, most metadata.
    case kib4 = 4_096
    /// 8 KiB.
    case kib8 = 8_192
    /// 16 KiB.
    case kib16 = 16_384
    /// 32 KiB.
    case kib32 = 32_768
    /// 64 KiB: least metadata, for states that change in large pieces.
    case kib64 = 65_536
  }

  /// The averages of chunks that are cut by content, in bytes.
  public enum ContentAverage: UInt32, CaseIterable, Sendable {
    /// 8 KiB: less added by scattered changes, more metadata.
    case kib8 = 8_192
    /// 16 KiB: the default.
    case kib16 = 16_384
    /// 32 KiB: less metadata.
    case kib32 = 32_768
  }

  /// Whether the content says where chunks end.
  public var cutsByContent: Bool {
    if case .content = self { true } else { false }
  }

  /// What a charter says that says nothing else.
  public static let standard = ChunkerParameters.content(.kib16)

  /// How many bytes ``encoding`` has.
  public static let byteCount = 5

  private enum Kind {
    static let fixed: UInt8 = 1
    static let content: UInt8 = 2
  }

  /// Fixed chunks of a size that came from outside.
  ///
  /// - Parameter fixedByteCount: 4,096, 8,192, 16,384, 32,768 or 65,536.
  /// - Throws: `dump.chunker` for any other.
  public init(fixedByteCount: Int) throws(PosternError) {
    guard let value = UInt32(exactly: fixedByteCount), let size = FixedSize(rawValue: value) else {
      throw .unknownChunker
    }
    self = .fixed(size)
  }

  /// Chunks cut by content, of an average that came from outside.
  ///
  /// - Parameter contentByteCount: 8,192, 16,384 or 32,768.
  /// - Throws: `dump.chunker` for any other.
  public init(contentByteCount: Int) throws(PosternError) {
    guard let value = UInt32(exactly: contentByteCount), let average = ContentAverage(rawValue: value) else {
      throw .unknownChunker
    }
    self = .content(average)
  }

  /// The parameters at a reader's place.
  ///
  /// - Throws: `dump.chunker` when the bytes are cut short or name no chunker of this version.
  public init(reading reader: inout ByteReader) throws(PosternError) {
    let (kind, size): (UInt8, UInt32)
    do throws(ByteReader.Failure) {
      kind = try reader.read(UInt8.self)
      size = try reader.read(UInt32.self)
    } catch {
      throw .unknownChunker
    }
    switch kind {
    case Kind.fixed: try self.init(fixedByteCount: Int(size))
    case Kind.content: try self.init(contentByteCount: Int(size))
    default: throw .unknownChunker
    }
  }

  /// The five bytes.
  public var encoding: [UInt8] {
    let (kind, size) =
      switch self {
      case .fixed(let size): (Kind.fixed, size.rawValue)
      case .content(let average): (Kind.content, average.rawValue)
      }
    var bytes = [kind]
    bytes.append(bigEndian: size)
    return bytes
  }

  /// The most bytes of state in one chunk.
  public var chunkByteCount: Int {
    switch self {
    case .fixed(let size): Int(size.rawValue)
    case .content(let average): min(4 * Int(average.rawValue), DumpLimits.chunkByteCount)
    }
  }

  /// The fewest bytes of state in one chunk, a state's last one apart.
  public var chunkByteCountMinimum: Int {
    switch self {
    case .fixed(let size): Int(size.rawValue)
    case .content(let average): Int(average.rawValue) / 2
    }
  }

  /// What a chunk's stored bytes are padded to a multiple of, so that few lengths are all that shows.
  public var paddingStepByteCount: Int {
    switch self {
    case .fixed(let size): Int(size.rawValue) / 8
    case .content(let average): Int(average.rawValue) / 16
    }
  }

  /// The most bytes that a sealed chunk of this chunker has.
  public var sealedChunkByteCount: Int { sealedByteCount(storing: chunkByteCount) }

  /// How many bytes a sealed chunk has whose stored bytes are so many.
  func sealedByteCount(storing byteCount: Int) -> Int {
    ChunkFrame.sealedByteCount(padded: paddedByteCount(byteCount))
  }

  /// How many bytes stored ones are padded to.
  func paddedByteCount(_ byteCount: Int) -> Int {
    (byteCount + paddingStepByteCount - 1) / paddingStepByteCount * paddingStepByteCount
  }

  /// The most chunks that a stretch of state becomes.
  public func chunkCountLimit(stateByteCount: Int) -> Int {
    (stateByteCount + chunkByteCountMinimum - 1) / chunkByteCountMinimum
  }

  /// The most bytes that the sealed chunks of a stretch of state have.
  public func sealedByteCountLimit(stateByteCount: Int) -> Int {
    // Only a chunk whose length is no multiple of the step is padded at all where it is stored as it is.
    let paddingByteCount = chunkByteCount == chunkByteCountMinimum ? 0 : paddingStepByteCount - 1
    let chunkCount = chunkCountLimit(stateByteCount: stateByteCount)
    return paddedByteCount(stateByteCount) + chunkCount * ChunkFrame.sealedByteCount(padded: paddingByteCount)
  }

  /// Whether a sealed chunk of this chunker can have so many bytes.
  public func isSealedByteCount(_ byteCount: Int) -> Bool {
    let padded = byteCount - ChunkFrame.sealedByteCount(padded: 0)
    return padded > 0 && padded <= chunkByteCount && padded.isMultiple(of: paddingStepByteCount)
  }
}
