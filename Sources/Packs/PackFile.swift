internal import Bulk
public import Core

/// A finished pack's file to read objects and entries of its footer from.
///
/// Header and trailer are checked, and the footer is not hashed: opening costs a few system calls and no memory.
public struct PackFile: ~Copyable, Sendable {
  private let file: OpenFile
  private let footer: FooterEntries

  /// Entries between two wanted ones that are read along rather than skipped by another system call.
  private static let gapCount = 4096 / PackFormat.entryByteCount
  private static let readCount = 262_144 / PackFormat.entryByteCount

  /// Opens a pack's file.
  ///
  /// - Throws: `storage.missing`, `storage.denied`, `storage.failed`; `pack.damaged`; `pack.wrong-space` when
  ///   the header names another application or generation.
  public init(
    _ path: String, app: Digest, generation: UInt64, files: any FileLayer = SystemFiles()
  ) throws(PosternError) {
    let file = try OpenFile(path, .read, files: files)
    try PackHeader.check(file, app: app, generation: generation)
    footer = FooterEntries(try PackEnd(file))
    self.file = file
  }

  /// How many objects the pack holds.
  public var count: Int { footer.count }

  /// The bytes of an object, or of its beginning.
  ///
  /// - Throws: `pack.damaged` when the file ends before the object does; `storage.failed`.
  public borrowing func read(offset: UInt64, length: Int) throws(PosternError) -> [UInt8] {
    guard let bytes = try file.read(at: offset, count: length) else { throw ended }
    return bytes
  }

  /// Fills a buffer with the bytes of an object, without an allocation.
  ///
  /// - Throws: `pack.damaged` when the file ends before the buffer is full; `storage.failed`.
  public borrowing func read(
    offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(PosternError) {
    guard try file.read(into: buffer, at: offset) else { throw ended }
  }

  /// Starts reading an object without waiting, so that the read to come finds it in memory.
  public borrowing func prefetch(offset: UInt64, length: Int) { file.prefetch(at: offset, count: length) }

  private var ended: PosternError {
    PackFormat.damaged(file.path, "an object lies beyond its end")
  }

  /// Entries of the footer, neighbours read together.
  ///
  /// - Parameters:
  ///   - positions: places in the order of the footer, rising, each below ``count``.
  ///   - body: called with each place's index among the positions, and its entry.
  /// - Throws: `pack.damaged`, `storage.failed`; what `body` throws.
  public borrowing func forEachEntry(
    at positions: [Int], _ body: (Int, PackEntry) throws(PosternError) -> Void
  ) throws(PosternError) {
    var index = 0
    while index < positions.count {
      let first = positions[index]
      var last = index
      while last + 1 < positions.count, positions[last + 1] - positions[last] <= PackFile.gapCount,
        positions[last + 1] - first < PackFile.readCount
      {
        last += 1
      }
      let lines = try footer.read(first..<positions[last] + 1, of: file)
      for wanted in index...last { try body(wanted, try lines.entry(at: positions[wanted] - first)) }
      index = last + 1
    }
  }

  /// Makes sure that the footer is the one that the pack is named for: up to 12 MB are read and hashed.
  ///
  /// - Parameter name: the pack's name.
  /// - Throws: `pack.damaged`, `pack.wrong-name`, `storage.failed`.
  public borrowing func verifyFooter(named name: Digest) throws(PosternError) {
    _ = try PackFooter(PackEnd(file).footer(of: file), name: name, source: file.path)
  }

  /// All of the footer's entries, as a run has them.
  ///
  /// - Parameter number: the pack's number.
  /// - Throws: `pack.damaged`, `storage.failed`.
  public borrowing func runEntries(number: UInt64) throws(PosternError) -> [RunEntry] {
    var entries: [RunEntry] = []
    entries.reserveCapacity(count)
    for start in stride(from: 0, to: count, by: PackFile.readCount) {
      let lines = try footer.read(start..<min(count, start + PackFile.readCount), of: file)
      for place in 0..<lines.count {
        entries.append(RunEntry(prefix: lines.id(at: place).prefix, pack: number, position: entries.count))
      }
    }
    // Rising in a sound footer; a run rests on it.
    guard zip(entries, entries.dropFirst()).allSatisfy({ $0.prefix <= $1.prefix }) else {
      throw PackFormat.damaged(file.path, "its ids do not rise")
    }
    return entries
  }
}

/// Where a finished pack's footer lies, by its trailer.
struct PackEnd {
  /// Where the footer begins, and the objects end.
  let footerOffset: UInt64
  let footerByteCount: Int

  /// Reads the trailer; nothing but the lengths is checked.
  ///
  /// - Throws: `pack.damaged`, `storage.failed`.
  init(_ file: borrowing OpenFile) throws(PosternError) {
    let length = try file.length()
    let least = UInt64(PackFormat.headerByteCount + PackFormat.endByteCount(objects: 0))
    guard length >= least, length <= PackFormat.fileByteLimit else {
      throw PackFormat.damaged(file.path, "its length is impossible")
    }
    let trailerStart = length - UInt64(PackFormat.trailerByteCount)
    guard let trailer = try file.read(at: trailerStart, count: PackFormat.trailerByteCount),
      let footerByteCount = PackFormat.footerByteCount(trailer: trailer),
      UInt64(footerByteCount + PackFormat.headerByteCount) <= trailerStart
    else { throw PackFormat.damaged(file.path, "its end is missing") }
    footerOffset = trailerStart - UInt64(footerByteCount)
    self.footerByteCount = footerByteCount
  }

  /// The footer's bytes.
  ///
  /// - Throws: `pack.damaged`, `storage.failed`.
  func footer(of file: borrowing OpenFile) throws(PosternError) -> [UInt8] {
    guard let bytes = try file.read(at: footerOffset, count: footerByteCount) else {
      throw PackFormat.damaged(file.path, "its end is missing")
    }
    return bytes
  }
}

/// A finished pack that is checked as a whole: header, footer and trailer fit each other and the name.
///
/// For whoever has a pack and no index to trust: a start that gives packs their names, and all that reads a copy.
/// A footer says what lies in the file, and not that a dump is complete: see `Schema/storage.md`.
public struct PackReader: ~Copyable, Sendable {
  /// Which objects the pack holds.
  public let footer: PackFooter
  private let file: OpenFile

  /// Opens a pack and checks all of it but the objects' own bytes.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - name: the pack's name: SHA-256 of its footer.
  ///   - files: the file system.
  /// - Throws: `storage.missing`, `storage.denied`, `storage.failed`; `pack.damaged`, `pack.wrong-name`,
  ///   `pack.wrong-space`.
  public init(_ path: String, name: Digest, files: any FileLayer = SystemFiles()) throws(PosternError) {
    let file = try OpenFile(path, .read, files: files)
    let end = try PackEnd(file)
    let footer = try PackFooter(end.footer(of: file), name: name, source: path)
    guard footer.dataByteCount == end.footerOffset else {
      throw PackFormat.damaged(path, "its objects do not reach its footer")
    }
    try PackHeader.check(file, app: footer.app, generation: footer.generation)
    self.footer = footer
    self.file = file
  }

  /// Whether the file has holes before its footer: an archive's packs have none, and what lies in one was never
  /// written.
  ///
  /// - Throws: `storage.failed`.
  borrowing func hasHoles() throws(PosternError) -> Bool { try file.storedByteCount() < footer.dataByteCount }

  /// The bytes of an object, checked against its id; nil when the pack does not hold it.
  ///
  /// - Throws: `pack.object-damaged`, `storage.failed`.
  public borrowing func read(_ id: Digest) throws(PosternError) -> [UInt8]? {
    guard let entry = footer.entry(id) else { return nil }
    return try read(entry)
  }

  /// The bytes of an object that the footer names, checked against its id.
  ///
  /// - Throws: `pack.object-damaged`, `storage.failed`.
  borrowing func read(_ entry: PackEntry) throws(PosternError) -> [UInt8] {
    guard let bytes = try file.read(at: entry.offset, count: Int(entry.length)), SHA256.hash(bytes) == entry.id else {
      throw PosternError(
        .packObjectDamaged, "The object \(entry.id) in \(file.path) has rotted: its bytes are not those of its id.",
        advice: "Copy the pack again from an archive or a copy that holds it.")
    }
    return bytes
  }
}

/// The first bytes of a pack.
enum PackHeader {
  /// Checks that a file begins as a pack of this application and generation.
  static func check(_ file: borrowing OpenFile, app: Digest, generation: UInt64) throws(PosternError) {
    guard let bytes = try file.read(at: 0, count: PackFormat.headerByteCount) else {
      throw PackFormat.damaged(file.path, "its header is missing")
    }
    let expected = PackFormat.header(app: app, generation: generation)
    guard bytes.prefix(16) == expected.prefix(16) else { throw PackFormat.damaged(file.path, "it is no pack") }
    guard bytes == expected else {
      throw PackFormat.wrongSpace(file.path)
    }
  }
}
