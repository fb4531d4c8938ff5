import Bulk
import Core
import Glibc
import Packs
import Synchronization
import Testing

/// A folder of a test's own, removed with everything in it.
struct TemporaryFolder: ~Copyable {
  let path: String

  init() {
    var template = Array("/tmp/postern-packs-XXXXXX".utf8CString)
    path = mkdtemp(&template).map { String(cString: $0) } ?? ""
    precondition(!path.isEmpty)
  }

  deinit { removeTree(path) }
}

func removeTree(_ path: String) {
  for name in (try? SystemFiles().names(path)) ?? [] {
    let inner = "\(path)/\(name)"
    if unlink(inner) != 0 { removeTree(inner) }
  }
  rmdir(path)
}

/// SplitMix64: the same numbers for the same seed.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count { bytes.append(bigEndian: next()) }
    return Array(bytes.prefix(count))
  }

  mutating func digest() -> Digest {
    SHA256.hash(bytes(8))
  }
}

/// The kernel's files, of which the n-th call fails: before it does anything, or as the call of one kind.
final class FaultyFiles: FileLayer {
  private struct State {
    var countdown: Int
    var calls: [FileCall] = []
    var room: FileSystemRoom?
  }

  private let system = SystemFiles()
  private let number: CInt
  private let only: FileCall?
  private let refusesDirect: Bool
  private let beforeOpening: @Sendable (String) -> Void
  private let state: Mutex<State>

  /// - Parameters:
  ///   - failing: which call fails, from 1; 0 for none.
  ///   - only: the kind of call that counts; nil for all.
  ///   - number: the error that it answers.
  ///   - refusesDirect: whether no file can be opened to be written past the page cache.
  ///   - beforeOpening: what others do to a file right before it is opened.
  init(
    failing: Int, only: FileCall? = nil, number: CInt = EIO, refusesDirect: Bool = false,
    beforeOpening: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.number = number
    self.only = only
    self.refusesDirect = refusesDirect
    self.beforeOpening = beforeOpening
    state = Mutex(State(countdown: failing))
  }

  /// Says how much room there is; nil for what there is.
  func say(_ room: FileSystemRoom?) { state.withLock { $0.room = room } }

  /// The calls so far.
  var calls: [FileCall] { state.withLock { $0.calls } }

  private func count(_ call: FileCall) throws(FileFailure) {
    let fails = state.withLock { state in
      state.calls.append(call)
      guard only == nil || only == call else { return false }
      state.countdown -= 1
      return state.countdown == 0
    }
    if fails { throw FileFailure(call, number: number) }
  }

  func open(_ path: String, _ mode: OpenMode, permissions: UInt32) throws(FileFailure) -> CInt {
    try count(.open)
    beforeOpening(path)
    return try system.open(path, mode, permissions: permissions)
  }

  func close(_ descriptor: CInt) { system.close(descriptor) }

  func length(_ descriptor: CInt) throws(FileFailure) -> UInt64 {
    try count(.length)
    return try system.length(descriptor)
  }

  func permissions(_ descriptor: CInt) throws(FileFailure) -> UInt32 {
    try count(.permissions)
    return try system.permissions(descriptor)
  }

  func read(
    _ descriptor: CInt, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) throws(FileFailure) -> Int {
    try count(.read)
    return try system.read(descriptor, into: buffer, at: offset)
  }

  func write(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileFailure) -> Int {
    try count(.write)
    // Short writes are the rule here, so that nobody relies on whole ones.
    let piece = UnsafeRawBufferPointer(rebasing: bytes.prefix(max(1, bytes.count / 2)))
    return try system.write(descriptor, piece, at: offset)
  }

  func reopenDirect(_ descriptor: CInt) -> CInt? { refusesDirect ? nil : system.reopenDirect(descriptor) }

  func prefetch(_ descriptor: CInt, at offset: UInt64, count: Int) {
    system.prefetch(descriptor, at: offset, count: count)
  }

  func truncate(_ descriptor: CInt, to length: UInt64) throws(FileFailure) {
    try count(.truncate)
    try system.truncate(descriptor, to: length)
  }

  func startWriteback(_ descriptor: CInt, at offset: UInt64, count: Int) {
    system.startWriteback(descriptor, at: offset, count: count)
  }

  func room(of folder: String) -> FileSystemRoom? { state.withLock { $0.room } ?? system.room(of: folder) }

  func syncData(_ descriptor: CInt) throws(FileFailure) {
    try count(.syncData)
    try system.syncData(descriptor)
  }

  func sync(_ descriptor: CInt) throws(FileFailure) {
    try count(.sync)
    try system.sync(descriptor)
  }

  func lock(_ descriptor: CInt) throws(FileFailure) -> Bool {
    try count(.lock)
    return try system.lock(descriptor)
  }

  func rename(_ path: String, to other: String, replacing: Bool) throws(FileFailure) {
    try count(.rename)
    try system.rename(path, to: other, replacing: replacing)
  }

  func remove(_ path: String) throws(FileFailure) {
    try count(.remove)
    try system.remove(path)
  }

  func makeFolder(_ path: String, permissions: UInt32) throws(FileFailure) -> Bool {
    try count(.makeFolder)
    return try system.makeFolder(path, permissions: permissions)
  }

  func names(_ path: String) throws(FileFailure) -> [String] {
    try count(.names)
    return try system.names(path)
  }
}

/// The code of what `body` throws; nil when it throws nothing.
func code<Value>(_ body: () throws(PosternError) -> Value) -> PosternError.Code? {
  do throws(PosternError) {
    _ = try body()
    return nil
  } catch {
    return error.code
  }
}

extension PackWriter {
  /// Appends bytes under their own id.
  @discardableResult
  mutating func append(_ bytes: [UInt8], kind: ObjectKind = .chunk) throws(PosternError) -> PackEntry? {
    let id = SHA256.hash(bytes)
    return try bytes.withUnsafeBufferPointer { (buffer) throws(PosternError) in
      try append(id: id, kind: kind, bytes: UnsafeRawBufferPointer(buffer))
    }
  }
}

let app = SHA256.hash(Array("an application".utf8))

/// Expects `body` to be refused with a code.
func expect<Value>(
  _ expected: PosternError.Code, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws(PosternError) -> Value
) {
  #expect(code(body) == expected, sourceLocation: sourceLocation)
}

/// Which pages of a file the kernel has in memory.
enum PageCache {
  #if arch(arm64)
    private static let direct: CInt = 0o200_000
  #else
    private static let direct: CInt = 0o40_000
  #endif

  /// Whether a page that is written with `O_DIRECT` into the folder of temporary files stays out of the page cache.
  static let canBePassed: Bool = {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/file"
    let file = open(path, O_RDWR | O_CREAT | direct, 0o600)
    guard file >= 0 else { return false }
    defer { close(file) }
    let page = UnsafeMutableRawBufferPointer.allocate(byteCount: 4_096, alignment: 4_096)
    defer { page.deallocate() }
    page.initializeMemory(as: UInt8.self, repeating: 1)
    return pwrite(file, page.baseAddress, page.count, 0) == page.count && (try? pages(of: path)) == [false]
  }()

  /// Whether each page of a file is in the cache; looking brings none into it.
  static func pages(of path: String) throws -> [Bool] {
    let file = open(path, O_RDWR)
    try #require(file >= 0)
    defer { close(file) }
    let byteCount = Int(lseek(file, 0, SEEK_END))
    let memory = try #require(mmap(nil, byteCount, PROT_READ, MAP_SHARED, file, 0))
    try #require(memory != MAP_FAILED)
    defer { munmap(memory, byteCount) }
    var pages = [UInt8](repeating: 0, count: (byteCount + 4_095) / 4_096)
    try #require(mincore(memory, byteCount, &pages) == 0)
    return pages.map { $0 & 1 == 1 }
  }
}
