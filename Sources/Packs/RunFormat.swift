internal import Bulk
internal import Core

/// Where an object may lie, as a run says it: the pack's footer decides.
public struct RunEntry: Hashable, Sendable {
  /// The first eight bytes of the object's id.
  public let prefix: UInt64
  /// The pack's number and the place in its footer, in this order, so that entries of one prefix sort by pack.
  private let place: UInt64

  /// One more than the largest number of a pack that an entry holds: with a thousand packs a second, enough for 2,000
  /// years.
  public static let packLimit: UInt64 = 1 << 46
  private static let positionBitCount: UInt64 = 18

  /// Makes an entry.
  ///
  /// - Parameters:
  ///   - prefix: the first eight bytes of the object's id.
  ///   - pack: the pack's number, below ``packLimit``.
  ///   - position: the entry's place in the pack's footer, below ``PackFormat/objectLimit``.
  public init(prefix: UInt64, pack: UInt64, position: Int) {
    precondition(pack < RunEntry.packLimit && position >= 0 && position < PackFormat.objectLimit)
    self.init(prefix: prefix, place: pack << RunEntry.positionBitCount | UInt64(position))
  }

  init(prefix: UInt64, place: UInt64) {
    self.prefix = prefix
    self.place = place
  }

  /// The pack's number.
  public var pack: UInt64 { place >> RunEntry.positionBitCount }
  /// The entry's place in the pack's footer.
  public var position: Int { Int(place & (1 << RunEntry.positionBitCount - 1)) }

  init(_ bytes: UnsafeRawBufferPointer, at index: Int) {
    self.init(
      prefix: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: index * RunFormat.entryByteCount, as: UInt64.self)),
      place: UInt64(
        bigEndian: bytes.loadUnaligned(fromByteOffset: index * RunFormat.entryByteCount + 8, as: UInt64.self)))
  }

  func write(to bytes: UnsafeMutableRawBufferPointer, at offset: Int) {
    bytes.storeBytes(of: prefix.bigEndian, toByteOffset: offset, as: UInt64.self)
    bytes.storeBytes(of: place.bigEndian, toByteOffset: offset + 8, as: UInt64.self)
  }
}

extension RunEntry: Comparable {
  /// Whether `left` stands before `right` in a run.
  public static func < (left: RunEntry, right: RunEntry) -> Bool {
    left.prefix != right.prefix ? left.prefix < right.prefix : left.place < right.place
  }
}

/// A question to a run, with its place among the others.
public struct RunQuery: Sendable {
  /// The first eight bytes of the object's id.
  public let prefix: UInt64
  /// Which of the asked ids it is.
  public let index: Int

  /// Makes a question.
  public init(prefix: UInt64, index: Int) {
    self.prefix = prefix
    self.index = index
  }
}

/// The numbers of a run's file; `Schema/storage.md` has its table.
public enum RunFormat {
  /// The most entries of one run that is merged with others; what is larger stays as it is.
  public static let mergedEntryLimit = 1 << 23
  /// How many bytes the filter of a run has.
  package static func filterByteCount(entryCount: Int) -> Int {
    RunFilter.blockCount(entryCount: entryCount) * RunFilter.blockByteCount
  }

  static let magic = Array("postern/run/v2\n\n".utf8)
  /// Magic, application, generation, two counts, the filter's number, and the SHA-256 of these and the table.
  static let headerByteCount = 16 + Digest.byteCount + 8 + 8 + 8 + 8 + Digest.byteCount
  static let pageByteCount = 4096
  static let entryByteCount = 16
  static let pageEntryCount = pageByteCount / entryByteCount

  /// The first eight bytes of the SHA-256 of each page; the last one may be short.
  static func sums(_ bytes: UnsafeRawBufferPointer) -> [UInt64] {
    stride(from: 0, to: bytes.count, by: pageByteCount).map { start in
      SHA256.hash(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + pageByteCount, bytes.count)])).prefix
    }
  }
}

/// Where the parts of a run's file lie.
struct RunLayout: Hashable, Sendable {
  let entryCount: Int
  let filterBlockCount: Int

  var pageCount: Int { (entryCount + RunFormat.pageEntryCount - 1) / RunFormat.pageEntryCount }
  /// One page before it holds the header.
  var filterOffset: Int { (1 + pageCount) * RunFormat.pageByteCount }
  var filterByteCount: Int { filterBlockCount * RunFilter.blockByteCount }
  var filterPageCount: Int { (filterByteCount + RunFormat.pageByteCount - 1) / RunFormat.pageByteCount }
  /// Fences, the pages' sums, and those of the filter's pages.
  var tableOffset: Int { filterOffset + filterByteCount }
  var tableByteCount: Int { 8 * (2 * pageCount + filterPageCount) }
  var byteCount: Int { tableOffset + tableByteCount }

  /// Where a page of the filter lies in the filter.
  func filterPage(_ number: Int) -> Range<Int> {
    let start = number * RunFormat.pageByteCount
    return start..<min(start + RunFormat.pageByteCount, filterByteCount)
  }
}

/// Says of most objects that a run lacks that it lacks them: a Bloom filter whose bits of one object lie in 64 bytes.
///
/// Ten bits an object and six set, of which some two in a hundred questions come through. The places depend on a number
/// of the run's own. Who chooses ids that meet in one block makes the filter useless for those, and costs a page read.
struct RunFilter {
  static let blockByteCount = 64
  private static let setBitCount = 6

  static func blockCount(entryCount: Int) -> Int { entryCount / 51 + 1 }

  /// The block of a prefix, and the number that its bits are taken from.
  static func place(of prefix: UInt64, seed: UInt64, blockCount: Int) -> (block: Int, bits: UInt64) {
    let hash = mix(prefix ^ seed)
    return (Int(hash.multipliedFullWidth(by: UInt64(blockCount)).high), mix(hash))
  }

  static func insert(_ bits: UInt64, into block: UnsafeMutableRawBufferPointer) {
    for number in 0..<setBitCount {
      let bit = Int(bits >> UInt64(9 * number) & 511)
      block[bit / 8] |= 1 << UInt8(bit % 8)
    }
  }

  static func mayContain(_ bits: UInt64, in block: UnsafeRawBufferPointer) -> Bool {
    for number in 0..<setBitCount {
      let bit = Int(bits >> UInt64(9 * number) & 511)
      if block[bit / 8] >> UInt8(bit % 8) & 1 == 0 { return false }
    }
    return true
  }

  private static func mix(_ word: UInt64) -> UInt64 {
    var word = word
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }
}
