internal import Bulk
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
  private let count: Int
  /// Where the footer begins, and the objects end.
  private let footerStart: UInt64
  private let filter: IdFilter

  /// Entries that are read around the place where an id is expected.
  private static let window = 128

  /// Opens a pack: its header, trailer and footer fit each other and the name; the entries themselves are looked at
  /// when they are used.
  ///
  /// - Throws: `storage.*`; `pack.damaged`, `pack.wrong-name`, `pack.wrong-space`.
  init(_ file: borrowing OpenFile, name: Digest, app: Digest, generation: UInt64) throws(PosternError) {
    let path = file.path
    let end = try PackEnd(file)
    let footer = try end.footer(of: file)
    guard SHA256.hash(footer) == name else {
      throw PosternError(
        .packWrongName, "The footer of the pack \(path) is not the one that its name names.",
        advice: "Copy it again from an archive or mirror that holds it.")
    }
    try PackHeader.check(file, app: app, generation: generation)
    var reader = ByteReader(footer)
    guard let magic = try? reader.read(PackFormat.footerMagic.count), magic.elementsEqual(PackFormat.footerMagic),
      (try? reader.readDigest()) == app, (try? reader.read(UInt64.self)) == generation,
      let count = try? reader.read(UInt32.self), count <= PackFormat.objectLimit,
      reader.remaining == Int(count) * PackFormat.entryByteCount
    else { throw PackFormat.damaged(path, "its footer is malformed") }
    self.name = name
    self.path = path
    self.count = Int(count)
    footerStart = end.footerOffset
    var filter = IdFilter(count: self.count)
    footer.withUnsafeBytes { footer in
      for position in 0..<Int(count) { filter.insert(SearchedPack.id(footer, PackFormat.entryOffset(position))) }
    }
    self.filter = filter
  }

  /// Whether the pack may hold an object.
  func mayHold(_ id: Digest) -> Bool { filter.mayContain(id) }

  /// Where an object lies; nil when the pack does not hold it.
  ///
  /// - Throws: `pack.damaged` for an entry that lies outside of the pack; `storage.failed`.
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
    let bytes = try read(position..<position + 1, in: file)
    return bytes.withUnsafeBytes { SearchedPack.id($0, 0) }
  }

  /// Looks through a range of entries.
  ///
  /// - Returns: nil when the range does not say whether the pack holds the object: all of it lies on one side.
  private func find(
    _ id: Digest, _ range: Range<Int>, in file: borrowing OpenFile
  ) throws(PosternError) -> (value: PackEntry?, Void)? {
    let bytes = try read(range, in: file)
    let found: (place: Int?, isDecided: Bool) = bytes.withUnsafeBytes { bytes in
      var low = 0
      var high = range.count
      while low < high {
        let middle = (low + high) / 2
        let other = SearchedPack.id(bytes, middle * PackFormat.entryByteCount)
        if other == id { return (middle, true) }
        if other < id { low = middle + 1 } else { high = middle }
      }
      return (
        nil, (low > 0 || range.lowerBound == 0) && (low < range.count || range.upperBound == count)
      )
    }
    guard let place = found.place else { return found.isDecided ? (nil, ()) : nil }
    return (try entry(bytes, at: place), ())
  }

  private func entry(_ bytes: [UInt8], at place: Int) throws(PosternError) -> PackEntry {
    let start = place * PackFormat.entryByteCount
    let entry = bytes.withUnsafeBytes { bytes in
      PackEntry(UnsafeRawBufferPointer(rebasing: bytes[start..<start + PackFormat.entryByteCount]))
    }
    guard let entry, entry.offset >= PackFormat.headerByteCount, entry.offset < footerStart,
      (1...PackFormat.objectByteLimit).contains(Int(entry.length)), entry.end <= footerStart
    else { throw PackFormat.damaged(path, "an object lies outside of it") }
    return entry
  }

  private func read(_ range: Range<Int>, in file: borrowing OpenFile) throws(PosternError) -> [UInt8] {
    let start = footerStart + UInt64(PackFormat.entryOffset(range.lowerBound))
    guard let bytes = try file.read(at: start, count: range.count * PackFormat.entryByteCount) else {
      throw PackFormat.damaged(path, "its end is missing")
    }
    return bytes
  }

  private static func id(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Digest {
    Digest(UnsafeRawBufferPointer(rebasing: bytes[start..<start + Digest.byteCount]).bytes)
  }
}
