internal import Bulk
public import Core

/// An open run: sorted entries of objects of one generation, found by bisection over the pages' first prefixes.
///
/// What it finds is a hint, which a pack's footer confirms. That it lacks something is to be believed after
/// ``verify(_:)``.
public final class RunFile: Sendable {
  private let file: OpenFile
  private let layout: RunLayout
  private let seed: UInt64
  /// The first prefix of each page.
  private let fences: [UInt64]
  private let pageSums: [UInt64]
  private let filterSums: [UInt64]
  /// The filter; nil where it is read block by block from the file.
  private let filter: [UInt8]?

  /// Opens a run.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - app: the application that it has to be of.
  ///   - generation: the generation that it has to be of.
  ///   - filterByteLimit: the most bytes of a filter that is kept in memory.
  ///   - files: the file system.
  /// - Throws: `storage.missing`, `storage.denied`, `storage.failed`; `storage.run-damaged`.
  public init(
    _ path: String, app: Digest, generation: UInt64, filterByteLimit: Int = .max, files: any FileLayer = SystemFiles()
  ) throws(PosternError) {
    do throws(PosternError) {
      file = try OpenFile(path, .read, files: files)
    } catch let error where error.code == .storageKind {
      throw RunFile.damaged(path)
    }
    let length = try file.length()
    let header = try file.bytes(0, RunFormat.headerByteCount)
    let checksum: Digest
    do throws(ByteReader.Failure) {
      var reader = ByteReader(header)
      let magic = try reader.read(RunFormat.magic.count)
      let (headerApp, headerGeneration) = (try reader.readDigest(), try reader.read(UInt64.self))
      let entryCount = try reader.read(UInt64.self)
      let blockCount = try reader.read(UInt64.self)
      seed = try reader.read()
      checksum = try reader.readDigest()
      guard magic.elementsEqual(RunFormat.magic), headerApp == app, headerGeneration == generation,
        entryCount <= length / UInt64(RunFormat.entryByteCount), blockCount >= 1,
        blockCount <= length / UInt64(RunFilter.blockByteCount)
      else { throw .truncated }
      layout = RunLayout(entryCount: Int(entryCount), filterBlockCount: Int(blockCount))
    } catch {
      throw RunFile.damaged(path)
    }
    guard UInt64(layout.byteCount) == length else { throw RunFile.damaged(path) }
    let table = try file.bytes(layout.tableOffset, layout.tableByteCount)
    guard SHA256.hash(header.dropLast(Digest.byteCount) + table) == checksum else { throw RunFile.damaged(path) }
    let words = table.withUnsafeBytes { bytes in
      (0..<bytes.count / 8).map { UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self)) }
    }
    fences = Array(words[..<layout.pageCount])
    pageSums = Array(words[layout.pageCount..<2 * layout.pageCount])
    filterSums = Array(words[(2 * layout.pageCount)...])
    guard layout.filterByteCount <= filterByteLimit else {
      filter = nil
      return
    }
    let filter = try file.bytes(layout.filterOffset, layout.filterByteCount)
    guard filter.withUnsafeBytes(RunFormat.sums) == filterSums else { throw RunFile.damaged(path) }
    self.filter = filter
  }

  /// How many entries the run has.
  public var entryCount: Int { layout.entryCount }

  /// How much memory the open run takes.
  public var memoryByteCount: Int { layout.tableByteCount + (filter?.count ?? 0) }

  /// Looks up many prefixes.
  ///
  /// - Parameters:
  ///   - queries: sorted by prefix.
  ///   - body: called with each query's index and entry; whether it wants more of this query.
  /// - Throws: what it throws; `storage.run-damaged`.
  public func find(
    _ queries: [RunQuery], _ body: (Int, RunEntry) throws(PosternError) -> Bool
  ) throws(PosternError) {
    var page = Page(file: self)
    for query in queries where try mayContain(query.prefix) {
      var number = max(0, fences.position { $0 < query.prefix } - 1)
      pages: while number < layout.pageCount, fences[number] <= query.prefix {
        try page.load(number)
        var index = page.position(of: query.prefix)
        while index < page.count {
          let entry = page[index]
          guard entry.prefix == query.prefix, try body(query.index, entry) else { break pages }
          index += 1
        }
        number += 1
      }
    }
  }

  /// Makes sure that nothing but what was written said of some prefixes what the run said.
  ///
  /// A changed byte of a page or of the filter would hide an object, and nobody would know.
  ///
  /// - Parameter queries: those of which nothing was found, sorted by prefix. A page is read for each that the filter
  ///   lets through, and, where the filter is not in memory, one of the filter for each.
  /// - Throws: `storage.failed`, `storage.run-damaged`.
  public func verify(_ queries: [RunQuery]) throws(PosternError) {
    var verified = -1
    for query in queries {
      if filter == nil { try verifyFilter(place(of: query.prefix).block / RunFile.blocksOfPage) }
      guard try mayContain(query.prefix) else { continue }
      var number = max(0, fences.position { $0 < query.prefix } - 1)
      while number < layout.pageCount, fences[number] <= query.prefix {
        if number > verified {
          _ = try bytes(ofPages: number..<number + 1)
          verified = number
        }
        number += 1
      }
    }
  }

  /// Makes sure that the whole file is as it was written.
  ///
  /// - Throws: `storage.failed`, `storage.run-damaged`.
  public func verify() throws(PosternError) {
    if filter == nil { for page in filterSums.indices { try verifyFilter(page) } }
    for start in stride(from: 0, to: layout.pageCount, by: RunFile.readPageCount) {
      _ = try bytes(ofPages: start..<start + RunFile.readPageCount)
    }
  }

  private static let blocksOfPage = RunFormat.pageByteCount / RunFilter.blockByteCount
  /// Pages that are read at once from front to back: 256 KiB.
  static let readPageCount = 64

  private func place(of prefix: UInt64) -> (block: Int, bits: UInt64) {
    RunFilter.place(of: prefix, seed: seed, blockCount: layout.filterBlockCount)
  }

  private func mayContain(_ prefix: UInt64) throws(PosternError) -> Bool {
    let place = place(of: prefix)
    let start = place.block * RunFilter.blockByteCount
    if let filter {
      return filter.withUnsafeBytes { bytes in
        RunFilter.mayContain(
          place.bits, in: UnsafeRawBufferPointer(rebasing: bytes[start..<start + RunFilter.blockByteCount]))
      }
    }
    return try bytes(ofFilter: start..<start + RunFilter.blockByteCount).withUnsafeBytes { block in
      RunFilter.mayContain(place.bits, in: block)
    }
  }

  private func verifyFilter(_ page: Int) throws(PosternError) {
    let bytes = try bytes(ofFilter: layout.filterPage(page))
    guard bytes.withUnsafeBytes(RunFormat.sums) == [filterSums[page]] else { throw RunFile.damaged(file.path) }
  }

  private func bytes(ofFilter range: Range<Int>) throws(PosternError) -> [UInt8] {
    try file.bytes(layout.filterOffset + range.lowerBound, range.count)
  }

  /// Entries of some pages, which are as they were written; the range is cut at the run's end.
  ///
  /// - Throws: `storage.failed`, `storage.run-damaged`.
  func entries(ofPages pages: Range<Int>) throws(PosternError) -> [RunEntry] {
    try bytes(ofPages: pages).withUnsafeBytes { bytes in
      (0..<bytes.count / RunFormat.entryByteCount).map { RunEntry(bytes, at: $0) }
    }
  }

  /// Entries of some pages that are picked at random: all of a small run, and of a large one a part that nobody can
  /// foresee.
  ///
  /// - Parameter pageCount: the most pages, of 256 entries each.
  /// - Throws: `storage.failed`, `storage.run-damaged`.
  public func sample(pageCount: Int) throws(PosternError) -> [RunEntry] {
    let pages = (0..<layout.pageCount).shuffled().prefix(pageCount)
    var entries: [RunEntry] = []
    for page in pages { entries += try self.entries(ofPages: page..<page + 1) }
    return entries
  }

  /// The bytes of some pages' entries, which are as they were written; the range is cut at the run's end.
  private func bytes(ofPages pages: Range<Int>) throws(PosternError) -> [UInt8] {
    let pages = pages.clamped(to: 0..<layout.pageCount)
    let bytes = try unverifiedBytes(ofPages: pages)
    guard bytes.withUnsafeBytes(RunFormat.sums) == Array(pageSums[pages]) else { throw RunFile.damaged(file.path) }
    return bytes
  }

  private func unverifiedBytes(ofPages pages: Range<Int>) throws(PosternError) -> [UInt8] {
    let start = pages.lowerBound * RunFormat.pageEntryCount
    let count = min(pages.upperBound * RunFormat.pageEntryCount, layout.entryCount) - start
    guard count > 0 else { return [] }
    return try file.bytes(RunFormat.pageByteCount + start * RunFormat.entryByteCount, count * RunFormat.entryByteCount)
  }

  static func damaged(_ path: String) -> PosternError {
    PosternError(
      .storageRunDamaged, "The run \(path) of the archive's index is damaged.",
      advice: "Try again in a minute: the archive makes it again from the packs. Look after the disk.")
  }

  /// The page that was read last: neighbours in the order of their ids are often on one.
  private struct Page {
    let file: RunFile
    private var number = -1
    private var bytes: [UInt8] = []

    init(file: RunFile) { self.file = file }

    var count: Int { bytes.count / RunFormat.entryByteCount }

    subscript(index: Int) -> RunEntry { bytes.withUnsafeBytes { RunEntry($0, at: index) } }

    mutating func load(_ number: Int) throws(PosternError) {
      guard number != self.number else { return }
      bytes = try file.unverifiedBytes(ofPages: number..<number + 1)
      self.number = number
    }

    func position(of prefix: UInt64) -> Int {
      bytes.withUnsafeBytes { bytes in
        (0..<count).position { RunEntry(bytes, at: $0).prefix < prefix }
      }
    }
  }
}

extension [RunEntry] {
  /// Looks up many prefixes in sorted entries that are in memory; as ``RunFile/find(_:_:)``.
  ///
  /// Each is looked for from where the one before it was: many prefixes lie close together.
  public func find(
    _ queries: [RunQuery], _ body: (Int, RunEntry) throws(PosternError) -> Bool
  ) throws(PosternError) {
    var start = 0
    for query in queries {
      start = position(from: start) { $0.prefix < query.prefix }
      var index = start
      while index < count, self[index].prefix == query.prefix, try body(query.index, self[index]) { index += 1 }
    }
  }
}

extension OpenFile {
  /// Bytes of a run, which is damaged where the disk does not give them.
  fileprivate borrowing func bytes(_ offset: Int, _ count: Int) throws(PosternError) -> [UInt8] {
    do throws(PosternError) {
      if let bytes = try read(at: UInt64(offset), count: count) { return bytes }
    } catch let error where error.code != .storageFailed {
      throw error
    } catch {}
    throw RunFile.damaged(path)
  }
}
