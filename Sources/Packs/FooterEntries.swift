import Core

/// The entries of a finished pack's footer, read from the file as they are asked for: the one way in which an archive
/// and a reader without an index look into a footer on the disk.
struct FooterEntries: Sendable {
  /// How many there are.
  let count: Int
  /// Where the footer begins, and the objects end.
  let start: UInt64

  /// The entries of a footer that lies there.
  init(_ end: PackEnd) {
    count = (end.footerByteCount - PackFormat.footerHeadByteCount) / PackFormat.entryByteCount
    start = end.footerOffset
  }

  /// Reads neighbours.
  ///
  /// - Throws: `pack.damaged`, also for places beyond the end; `storage.failed`.
  func read(_ range: Range<Int>, of file: borrowing OpenFile) throws(PosternError) -> FooterLines {
    let offset = start + UInt64(PackFormat.entryOffset(range.lowerBound))
    guard range.lowerBound >= 0, range.upperBound <= count,
      let bytes = try file.read(at: offset, count: range.count * PackFormat.entryByteCount)
    else { throw PackFormat.damaged(file.path, "its footer is malformed") }
    return FooterLines(bytes: bytes, path: file.path, end: start)
  }
}

/// Neighbouring entries of a footer, as they stand in the file.
struct FooterLines {
  /// Their bytes.
  let bytes: [UInt8]
  fileprivate let path: String
  /// Where the pack's objects end.
  fileprivate let end: UInt64

  fileprivate init(bytes: [UInt8], path: String, end: UInt64) {
    self.bytes = bytes
    self.path = path
    self.end = end
  }

  /// How many there are.
  var count: Int { bytes.count / PackFormat.entryByteCount }

  /// The id of one of them.
  func id(at place: Int) -> Digest {
    withLine(place) { Digest($0.bytes) }
  }

  /// One of them.
  ///
  /// - Throws: `pack.damaged` for an object of no known kind, or outside of the pack.
  func entry(at place: Int) throws(PosternError) -> PackEntry {
    guard let entry = withLine(place, PackEntry.init), entry.offset >= PackFormat.headerByteCount, entry.offset < end,
      (1...PackFormat.objectByteLimit).contains(Int(entry.length)), entry.end <= end
    else { throw PackFormat.damaged(path, "an object is of no known kind, or lies outside of it") }
    return entry
  }

  private func withLine<Result>(_ place: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    let start = place * PackFormat.entryByteCount
    return bytes.withUnsafeBytes {
      body(UnsafeRawBufferPointer(rebasing: $0[start..<start + PackFormat.entryByteCount]))
    }
  }
}
