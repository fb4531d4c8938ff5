internal import Core

/// A pack in which objects are looked for by id, without holding its footer.
///
/// What is in memory is a filter of six bits an object: a TiB of chunks of 16 KiB takes 50 MB. The footer stays on the
/// disk: its ids are hashes, so where one stands is known to within a few dozen places from the id itself.
final class SearchedPack: Sendable {
  /// Its name.
  let name: Digest
  /// Its file.
  let path: String
  private let footer: FooterEntries
  private let filter: IdFilter

  /// Entries that are read around the place where an id is expected.
  private static let window = 128

  /// Opens a pack, and checks all of it but the objects' own bytes; none is longer than its kind allows.
  ///
  /// - Throws: `storage.*`; `pack.damaged`, `pack.wrong-name`, `pack.wrong-space`.
  init(_ file: borrowing OpenFile, name: Digest, app: Digest, generation: UInt64) throws(PosternError) {
    let path = file.path
    let end = try PackEnd(file)
    let whole = try PackFooter(end.footer(of: file), name: name, source: path)
    guard whole.dataByteCount == end.footerOffset else {
      throw PackFormat.damaged(path, "its objects do not reach its footer")
    }
    try PackHeader.check(file, app: whole.app, generation: whole.generation)
    guard whole.app == app, whole.generation == generation else { throw PackFormat.wrongSpace(path) }
    self.name = name
    self.path = path
    footer = FooterEntries(end)
    var filter = IdFilter(count: whole.count)
    for position in 0..<whole.count {
      let entry = whole[position]
      // No archive admits more; whoever made the pack up would have readers take memory for it.
      guard entry.length <= entry.kind.byteLimit else {
        throw SearchedPack.tooLong(path)
      }
      filter.insert(entry.id)
    }
    self.filter = filter
  }

  private var count: Int { footer.count }

  /// Whether the pack may hold an object.
  func mayHold(_ id: Digest) -> Bool { filter.mayContain(id) }

  /// Where an object lies; nil when the pack does not hold it.
  ///
  /// - Throws: `pack.damaged` for an entry that lies outside of the pack, which has changed then; `storage.failed`.
  func find(_ id: Digest, in file: borrowing OpenFile) throws(PosternError) -> PackEntry? {
    guard count > 0 else { return nil }
    var low = 0
    var high = count
    if high > SearchedPack.window {
      let middle = try expectedPlace(of: id, in: file)
      low = max(0, middle - SearchedPack.window / 2)
      high = min(count, low + SearchedPack.window)
      if let entry = try find(id, low..<high, in: file) { return entry.value }
      (low, high) = (0, count)
      while high - low > SearchedPack.window {
        let middle = (low + high) / 2
        if try self.id(at: middle, in: file) <= id { low = middle } else { high = middle }
      }
    }
    return try find(id, low..<high, in: file)?.value
  }

  /// Where an id should stand among evenly spread ones, corrected by what does stand there.
  private func expectedPlace(of id: Digest, in file: borrowing OpenFile) throws(PosternError) -> Int {
    func places(_ distance: UInt64) -> Int { Int(UInt64(count).multipliedFullWidth(by: distance).high) }
    let guess = places(id.prefix)
    let found = try self.id(at: guess, in: file).prefix
    let place = found <= id.prefix ? guess + places(id.prefix - found) : guess - places(found - id.prefix)
    return min(max(0, place), count - 1)
  }

  private func id(at position: Int, in file: borrowing OpenFile) throws(PosternError) -> Digest {
    try footer.read(position..<position + 1, of: file).id(at: 0)
  }

  /// Looks through a range of entries.
  ///
  /// - Returns: nil when the range does not say whether the pack holds the object: all of it lies on one side.
  private func find(
    _ id: Digest, _ range: Range<Int>, in file: borrowing OpenFile
  ) throws(PosternError) -> (value: PackEntry?, Void)? {
    let lines = try footer.read(range, of: file)
    let place = (0..<lines.count).position { lines.id(at: $0) < id }
    if place < lines.count, lines.id(at: place) == id {
      let entry = try lines.entry(at: place)
      // Checked when the pack was opened; the file may have changed since.
      guard entry.length <= entry.kind.byteLimit else { throw SearchedPack.tooLong(path) }
      return (entry, ())
    }
    let isDecided = (place > 0 || range.lowerBound == 0) && (place < lines.count || range.upperBound == count)
    return isDecided ? (nil, ()) : nil
  }

  private static func tooLong(_ path: String) -> PosternError {
    PackFormat.damaged(path, "an object is longer than its kind allows")
  }
}
