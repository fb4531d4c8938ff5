internal import Bulk
public import Core

/// A pack's file to read ranges from that the index has named; open packs too.
///
/// Only the header is checked: opening costs two system calls.
public struct PackFile: ~Copyable, Sendable {
  private let file: OpenFile

  /// Opens a pack's file.
  ///
  /// - Throws: `storage.missing`, `storage.denied`, `storage.failed`; `pack.damaged`; `pack.wrong-space` when
  ///   the header names another application or generation.
  public init(
    _ path: String, app: Digest, generation: UInt64, files: any FileLayer = SystemFiles()
  ) throws(PosternError) {
    let file = try OpenFile(path, .read, files: files)
    try PackHeader.check(file, app: app, generation: generation)
    self.file = file
  }

  /// The bytes of an object.
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

  private var ended: PosternError {
    PackFormat.damaged(file.path, "an object lies beyond its end")
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
    let length = try file.length()
    let least = UInt64(PackFormat.headerByteCount + PackFormat.endByteCount(objects: 0))
    guard length >= least, length <= PackFormat.fileByteLimit else {
      throw PackFormat.damaged(path, "its length is impossible")
    }
    let trailerStart = length - UInt64(PackFormat.trailerByteCount)
    guard let trailer = try file.read(at: trailerStart, count: PackFormat.trailerByteCount),
      let footerByteCount = PackFormat.footerByteCount(trailer: trailer),
      UInt64(footerByteCount + PackFormat.headerByteCount) <= trailerStart,
      let bytes = try file.read(at: trailerStart - UInt64(footerByteCount), count: footerByteCount)
    else { throw PackFormat.damaged(path, "its end is missing") }
    let footer = try PackFooter(bytes, name: name, source: path)
    guard footer.dataByteCount == trailerStart - UInt64(footerByteCount) else {
      throw PackFormat.damaged(path, "its objects do not reach its footer")
    }
    try PackHeader.check(file, app: footer.app, generation: footer.generation)
    self.footer = footer
    self.file = file
  }

  /// The bytes of an object, checked against its id; nil when the pack does not hold it.
  ///
  /// - Throws: `pack.object-damaged`, `storage.failed`.
  public borrowing func read(_ id: Digest) throws(PosternError) -> [UInt8]? {
    guard let entry = footer.entry(id) else { return nil }
    guard let bytes = try file.read(at: entry.offset, count: Int(entry.length)), SHA256.hash(bytes) == id else {
      throw PosternError(
        .packObjectDamaged, "The object \(id) in \(file.path) has rotted: its bytes are not those of its id.",
        advice: "Copy the pack again from an archive or mirror that holds it.")
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
