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
  }

  private let system = SystemFiles()
  private let number: CInt
  private let only: FileCall?
  private let beforeOpening: @Sendable (String) -> Void
  private let state: Mutex<State>

  /// - Parameters:
  ///   - failing: which call fails, from 1; 0 for none.
  ///   - only: the kind of call that counts; nil for all.
  ///   - number: the error that it answers.
  ///   - beforeOpening: what others do to a file right before it is opened.
  init(
    failing: Int, only: FileCall? = nil, number: CInt = EIO,
    beforeOpening: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.number = number
    self.only = only
    self.beforeOpening = beforeOpening
    state = Mutex(State(countdown: failing))
  }

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

  func truncate(_ descriptor: CInt, to length: UInt64) throws(FileFailure) {
    try count(.truncate)
    try system.truncate(descriptor, to: length)
  }

  func startWriteback(_ descriptor: CInt, at offset: UInt64, count: Int) {
    system.startWriteback(descriptor, at: offset, count: count)
  }

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
