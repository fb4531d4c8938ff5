internal import Bulk
public import Core

/// Writes a run: entries in rising order, then filter, table and header.
///
/// The header comes last, so that a file that was given up is none. Memory is the filter's: 1.25 bytes an entry, and 1
/// MiB.
///
/// `@unchecked Sendable`: the blocks of memory have this one owner, and only its mutating methods touch them.
public struct RunWriter: ~Copyable, @unchecked Sendable {
  private let app: Digest
  private let generation: UInt64
  private let seed = UInt64.random(in: 0...UInt64.max)
  private let file: OpenFile
  private let block: UnsafeMutableRawBufferPointer
  private let filter: UnsafeMutableRawBufferPointer
  private let filterBlockCount: Int
  private var blockUsed = 0
  private var written = RunFormat.pageByteCount
  /// The first prefix of each page.
  private var fences: [UInt64] = []
  private var pageSums: [UInt64] = []
  private var last: RunEntry?

  /// How many entries the run has so far.
  public private(set) var entryCount = 0

  private static let blockByteCount = 1 << 20

  /// Starts a run in a new file.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - app: the application.
  ///   - generation: the generation.
  ///   - entryLimit: at least as many entries as will come.
  ///   - files: the file system.
  /// - Throws: `storage.exists`, `storage.missing`, `storage.denied`, `storage.full`, `storage.failed`.
  public init(
    creating path: String, app: Digest, generation: UInt64, entryLimit: Int, files: any FileLayer = SystemFiles()
  ) throws(PosternError) {
    file = try OpenFile(path, .create, permissions: 0o600, files: files)
    self.app = app
    self.generation = generation
    filterBlockCount = RunFilter.blockCount(entryCount: entryLimit)
    block = .allocate(byteCount: RunWriter.blockByteCount, alignment: 16)
    filter = .allocate(byteCount: filterBlockCount * RunFilter.blockByteCount, alignment: 16)
    filter.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    block.deallocate()
    filter.deallocate()
  }

  /// Appends an entry, which is larger than the one before.
  ///
  /// - Throws: `storage.full`, `storage.failed`.
  public mutating func append(_ entry: RunEntry) throws(PosternError) {
    precondition(last.map { $0 < entry } ?? true, "a run's entries rise")
    last = entry
    if entryCount.isMultiple(of: RunFormat.pageEntryCount) { fences.append(entry.prefix) }
    entry.write(to: block, at: blockUsed)
    blockUsed += RunFormat.entryByteCount
    entryCount += 1
    let place = RunFilter.place(of: entry.prefix, seed: seed, blockCount: filterBlockCount)
    let start = place.block * RunFilter.blockByteCount
    RunFilter.insert(
      place.bits, into: UnsafeMutableRawBufferPointer(rebasing: filter[start..<start + RunFilter.blockByteCount]))
    if blockUsed == block.count { try flush() }
  }

  /// Completes the file and makes its content durable; its name is once its folder is synced.
  ///
  /// - Returns: how many entries it has.
  /// - Throws: `storage.full`, `storage.failed`; `storage.sync-failed`, after which the process ends.
  public consuming func finish() throws(PosternError) -> Int {
    try flush()
    let layout = RunLayout(entryCount: entryCount, filterBlockCount: filterBlockCount)
    let filter = UnsafeRawBufferPointer(filter)
    try file.write(filter, at: UInt64(layout.filterOffset))
    var table: [UInt8] = []
    table.reserveCapacity(layout.tableByteCount)
    for word in fences + pageSums + RunFormat.sums(filter) { table.append(bigEndian: word) }
    try write(table, at: layout.tableOffset)
    var header = RunFormat.magic
    header.append(app)
    header.append(bigEndian: generation)
    header.append(bigEndian: UInt64(entryCount))
    header.append(bigEndian: UInt64(filterBlockCount))
    header.append(bigEndian: seed)
    header.append(SHA256.hash(header + table))
    try write(header, at: 0)
    try file.syncData()
    return entryCount
  }

  private mutating func flush() throws(PosternError) {
    guard blockUsed > 0 else { return }
    let bytes = UnsafeRawBufferPointer(rebasing: block[..<blockUsed])
    pageSums += RunFormat.sums(bytes)
    try file.write(bytes, at: UInt64(written))
    written += blockUsed
    blockUsed = 0
  }

  private borrowing func write(_ bytes: [UInt8], at offset: Int) throws(PosternError) {
    try bytes.withUnsafeBufferPointer { (buffer) throws(PosternError) in
      try file.write(UnsafeRawBufferPointer(buffer), at: UInt64(offset))
    }
  }
}
