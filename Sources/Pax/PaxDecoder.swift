public import Core

/// Reads a directory's archive front to back, however it is cut into pieces, and trusts nothing in it.
///
/// A header has to be the very bytes that this format writes for what it says, so there is one archive of a directory
/// and no second reading of one. Paths go down from the directory, into folders that were named before, and their
/// names rise: so none comes twice, none leads through a link, and none leads out. What is held is one header and one
/// path, whatever the archive's length.
public struct PaxDecoder: Sendable {
  /// What comes next.
  public enum Event: Hashable, Sendable {
    /// An entry. Its folder is the one that was named last of all folders that its path leads through.
    case entry(PaxEntry)
    /// Content of the file that was named last: a range of the piece.
    case content(Range<Int>)
  }

  private enum State {
    /// A header, of which so much is here.
    case header
    case content(byteCount: Int, padding: Int)
    case padding(byteCount: Int)
    /// The second block of zeros, of which so much is missing.
    case end(byteCount: Int)
  }

  private var state = State.header
  /// The blocks of a header that is not complete.
  private var header: [UInt8] = []
  /// Where in the archive the header begins.
  private var headerOffset = 0
  private var offset = 0
  /// The names that lead to the folder that was named last.
  private var folder: [[UInt8]]?
  /// For the directory and each of those names, the name that came last in that folder.
  private var last: [[UInt8]] = []

  /// A decoder at an archive's first byte.
  public init() {}

  /// Takes what comes next out of a piece.
  ///
  /// - Parameters:
  ///   - bytes: the piece.
  ///   - position: where in it to go on; moved behind what was taken.
  /// - Returns: nil where the piece is used up.
  /// - Throws: `directory.header`, `directory.path`, `directory.order`, `directory.end`.
  public mutating func next(
    in bytes: UnsafeRawBufferPointer, at position: inout Int
  ) throws(PosternError) -> Event? {
    while position < bytes.count {
      let left = bytes.count - position
      switch state {
      case .header:
        let count = min(left, PaxEntry.blockByteCount - header.count % PaxEntry.blockByteCount)
        header += bytes[position..<position + count]
        advance(count, &position)
        guard header.count % PaxEntry.blockByteCount == 0, let entry = try takeHeader() else { continue }
        return .entry(entry)
      case .content(let byteCount, let padding):
        let range = position..<position + min(left, byteCount)
        advance(range.count, &position)
        state =
          range.count < byteCount
          ? .content(byteCount: byteCount - range.count, padding: padding) : .padding(byteCount: padding)
        if !range.isEmpty { return .content(range) }
      case .padding(let byteCount):
        let count = min(left, byteCount)
        guard bytes[position..<position + count].allSatisfy({ $0 == 0 }) else { throw .header(at: offset) }
        advance(count, &position)
        state = count < byteCount ? .padding(byteCount: byteCount - count) : .header
        headerOffset = offset
      case .end(let byteCount):
        guard byteCount > 0 else { throw .end("goes on behind its end") }
        let count = min(left, byteCount)
        guard bytes[position..<position + count].allSatisfy({ $0 == 0 }) else { throw .header(at: offset) }
        advance(count, &position)
        state = .end(byteCount: byteCount - count)
      }
    }
    return nil
  }

  /// Says that the archive was whole.
  ///
  /// - Throws: `directory.end`.
  public func finish() throws(PosternError) {
    guard case .end(byteCount: 0) = state else { throw .end("is cut short") }
  }

  private mutating func advance(_ count: Int, _ position: inout Int) {
    position += count
    offset += count
  }

  /// The entry of the header, where that is complete.
  private mutating func takeHeader() throws(PosternError) -> PaxEntry? {
    if header.count == PaxEntry.blockByteCount, header.allSatisfy({ $0 == 0 }) {
      guard folder != nil else { throw .end("holds no directory") }
      state = .end(byteCount: PaxEntry.blockByteCount)
      return nil
    }
    let parser = PaxHeaderParser(header)
    guard let byteCount = parser.headerByteCount, header.count <= byteCount else { throw .header(at: headerOffset) }
    guard header.count == byteCount else { return nil }
    guard let entry = parser.entry() else { throw .header(at: headerOffset) }
    try PaxDecoder.check(entry)
    guard PaxHeader.bytes(of: entry) == header else { throw .header(at: headerOffset) }
    try place(entry)
    header = []
    state = .content(byteCount: entry.contentByteCount, padding: entry.paddingByteCount)
    return entry
  }

  /// Refuses a path that no file below the directory can have, and a target that no link can have.
  private static func check(_ entry: PaxEntry) throws(PosternError) {
    guard entry.path.count <= PaxEntry.pathByteCountLimit else { throw .path(entry, "is too long") }
    guard entry.names.count <= PaxEntry.depthLimit else { throw .path(entry, "lies too deep") }
    for name in entry.names {
      guard !name.isEmpty, name != [.dot], name != [.dot, .dot] else { throw .path(entry, "leads elsewhere") }
      guard name.count <= PaxEntry.nameByteCountLimit else { throw .path(entry, "has a name that is too long") }
      guard !name.contains(0) else { throw .path(entry, "has a byte of zero") }
    }
    if case .link(let target) = entry.kind {
      guard 1...PaxEntry.pathByteCountLimit ~= target.count, !target.contains(0) else {
        throw .path(entry, "is a link to what no path can be")
      }
    }
  }

  /// Refuses an entry that is not the next one after those before, and notes where it stands.
  private mutating func place(_ entry: PaxEntry) throws(PosternError) {
    guard let name = entry.names.last else {
      guard folder == nil, case .folder = entry.kind else { throw .order(entry, "where the directory stood") }
      folder = []
      last = [[]]
      return
    }
    guard let folder else { throw .order(entry, "before the directory itself") }
    let parent = entry.names.dropLast()
    guard folder.starts(with: parent) else { throw .order(entry, "and not its folder right before it") }
    // The names of a folder are at least one byte long, so the first one rises above none.
    guard last[parent.count].lexicographicallyPrecedes(name) else {
      throw .order(entry, "behind a name that does not come before it")
    }
    last.removeSubrange((parent.count + 1)...)
    last[parent.count] = name
    if case .folder = entry.kind {
      self.folder = entry.names
      last.append([])
    } else {
      self.folder = Array(parent)
    }
  }
}
