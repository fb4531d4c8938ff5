import Core
import Fixtures
import Foundation
import Packs
import Synchronization

/// A file system that fails at one call, or dies there, and that knows what a power failure would lose.
///
/// Everything is done on the real file system. What no sync has made durable is written down: new names and
/// renamings until their folder is synced, bytes until their file is.
final class FaultyFiles: FileLayer {
  enum Fault: Sendable, Equatable {
    /// One call fails with this error, and what comes later works.
    case failure(CInt)
    /// The process dies: this call and every later one do nothing.
    case death
  }

  private enum Unsynced {
    case created(String)
    case renamed(String, to: String, replaced: [UInt8]?)
    case madeFolder(String)
  }

  private struct State {
    var calls: [FileCall] = []
    var faultAt: Int?
    var fault = Fault.death
    /// Kinds of calls that fail whenever they come.
    var failing: [FileCall: CInt] = [:]
    /// A file whose bytes the disk does not give.
    var unreadable: String?
    /// The call that waits until it is told to go on, and whether it is waiting.
    var pauseAt: Int?
    /// The kind of which the next call waits.
    var pauseAtNext: FileCall?
    var isPaused = false
    /// How much room there is said to be; nil for what there is.
    var room: FileSystemRoom?
    /// What the fault met.
    var struck: FileCall?
    var paths: [CInt: String] = [:]
    var names: [Unsynced] = []
    var writes: [String: [Range<UInt64>]] = [:]
  }

  private let system = SystemFiles()
  private let state = Mutex(State())

  /// Lets the k-th call from now on meet the fault; nil for none.
  func arm(_ fault: Fault, at call: Int?) {
    state.withLock { state in
      state.faultAt = call.map { state.calls.count + $0 }
      state.fault = fault
      state.struck = nil
    }
  }

  /// Lets every call of some kinds fail from now on; nil for none.
  func fail(_ kinds: [FileCall], with number: CInt?) {
    state.withLock { state in
      for kind in kinds { state.failing[kind] = number }
    }
  }

  /// Lets every read of a file fail from now on.
  func failReads(of path: String) { state.withLock { $0.unreadable = path } }

  /// Says how much room there is; nil for what there is.
  func say(_ room: FileSystemRoom?) { state.withLock { $0.room = room } }

  /// Lets the k-th call from now on wait until ``goOn()``.
  func pause(at call: Int) {
    state.withLock { $0.pauseAt = $0.calls.count + call }
  }

  /// Lets the next call of a kind wait until ``goOn()``.
  func pause(atNext kind: FileCall) {
    state.withLock { $0.pauseAtNext = kind }
  }

  /// Whether that call is waiting.
  var isPaused: Bool { state.withLock { $0.isPaused } }

  /// Lets the call that waits go on.
  func goOn() {
    state.withLock { state in
      state.pauseAt = nil
      state.pauseAtNext = nil
      state.isPaused = false
    }
  }

  /// The calls that were made.
  var calls: [FileCall] { state.withLock { $0.calls } }
  /// The call that met the fault.
  var struck: FileCall? { state.withLock { $0.struck } }

  /// Loses each thing that was not synced, or keeps it, as the generator says, after a death.
  func losePower(_ generator: inout SeededGenerator) {
    let (names, writes) = state.withLock { ($0.names, $0.writes) }
    for (path, ranges) in writes.sorted(by: { $0.key < $1.key }) where Bool.random(using: &generator) {
      guard let file = FileHandle(forWritingAtPath: path) else { continue }
      for range in ranges {
        try? file.seek(toOffset: range.lowerBound)
        try? file.write(contentsOf: Data(count: range.count))
      }
      try? file.close()
    }
    for name in names.reversed() where Bool.random(using: &generator) { lose(name) }
  }

  private func lose(_ name: Unsynced) {
    let manager = FileManager.default
    switch name {
    case .created(let path): try? manager.removeItem(atPath: path)
    case .madeFolder(let path):
      if (try? manager.contentsOfDirectory(atPath: path))?.isEmpty == true { try? manager.removeItem(atPath: path) }
    case .renamed(let path, let other, let replaced):
      try? manager.moveItem(atPath: other, toPath: path)
      if let replaced { _ = manager.createFile(atPath: other, contents: Data(replaced)) }
    }
  }

  /// Counts a call, and fails it where the fault is due.
  private func step(_ call: FileCall) throws(FileFailure) {
    var pauses = false
    let number: CInt? = state.withLock { state in
      let place = state.calls.count
      state.calls.append(call)
      pauses = place == state.pauseAt || call == state.pauseAtNext
      if pauses {
        state.pauseAtNext = nil
        state.isPaused = true
      }
      if let number = state.failing[call] { return number }
      guard let faultAt = state.faultAt else { return nil }
      if place == faultAt { state.struck = call }
      switch state.fault {
      case .failure(let number): return place == faultAt ? number : nil
      case .death: return place >= faultAt ? EIO : nil
      }
    }
    while pauses && isPaused { Thread.sleep(forTimeInterval: 0.001) }
    if let number { throw FileFailure(call, number: number) }
  }

  func open(_ path: String, _ mode: OpenMode, permissions: UInt32) throws(FileFailure) -> CInt {
    try step(.open)
    let descriptor = try system.open(path, mode, permissions: permissions)
    state.withLock { state in
      state.paths[descriptor] = path
      if case .create = mode { state.names.append(.created(path)) }
    }
    return descriptor
  }

  func close(_ descriptor: CInt) {
    state.withLock { _ = $0.paths.removeValue(forKey: descriptor) }
    system.close(descriptor)
  }

  func length(_ descriptor: CInt) throws(FileFailure) -> UInt64 {
    try step(.length)
    return try system.length(descriptor)
  }

  func permissions(_ descriptor: CInt) throws(FileFailure) -> UInt32 {
    try step(.permissions)
    return try system.permissions(descriptor)
  }

  func read(
    _ descriptor: CInt, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
  ) throws(FileFailure) -> Int {
    try step(.read)
    if state.withLock({ $0.unreadable != nil && $0.paths[descriptor] == $0.unreadable }) {
      throw FileFailure(.read, number: EIO)
    }
    return try system.read(descriptor, into: buffer, at: offset)
  }

  func write(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws(FileFailure) -> Int {
    try step(.write)
    let count = try system.write(descriptor, bytes, at: offset)
    state.withLock { state in
      guard let path = state.paths[descriptor] else { return }
      state.writes[path, default: []].append(offset..<offset + UInt64(count))
    }
    return count
  }

  func reopenDirect(_ descriptor: CInt) -> CInt? {
    let direct = system.reopenDirect(descriptor)
    state.withLock { state in
      if let direct { state.paths[direct] = state.paths[descriptor] }
    }
    return direct
  }

  func prefetch(_ descriptor: CInt, at offset: UInt64, count: Int) {
    system.prefetch(descriptor, at: offset, count: count)
  }

  func truncate(_ descriptor: CInt, to length: UInt64) throws(FileFailure) {
    try step(.truncate)
    try system.truncate(descriptor, to: length)
  }

  func startWriteback(_ descriptor: CInt, at offset: UInt64, count: Int) {
    system.startWriteback(descriptor, at: offset, count: count)
  }

  func room(of folder: String) -> FileSystemRoom? { state.withLock { $0.room } ?? system.room(of: folder) }

  func syncData(_ descriptor: CInt) throws(FileFailure) {
    try step(.syncData)
    try system.syncData(descriptor)
    state.withLock { state in
      if let path = state.paths[descriptor] { state.writes[path] = nil }
    }
  }

  func sync(_ descriptor: CInt) throws(FileFailure) {
    try step(.sync)
    try system.sync(descriptor)
    state.withLock { state in
      guard let folder = state.paths[descriptor] else { return }
      state.names.removeAll { name in
        switch name {
        case .created(let path), .madeFolder(let path), .renamed(_, let path, _):
          URL(filePath: path).deletingLastPathComponent().path == URL(filePath: folder).path
        }
      }
    }
  }

  func lock(_ descriptor: CInt) throws(FileFailure) -> Bool {
    try step(.lock)
    return try system.lock(descriptor)
  }

  func rename(_ path: String, to other: String, replacing: Bool) throws(FileFailure) {
    try step(.rename)
    let replaced = FileManager.default.contents(atPath: other).map { [UInt8]($0) }
    try system.rename(path, to: other, replacing: replacing)
    state.withLock { state in
      state.names.removeAll { name in
        if case .created(path) = name { true } else { false }
      }
      state.names.append(.renamed(path, to: other, replaced: replaced))
      if let writes = state.writes.removeValue(forKey: path) { state.writes[other] = writes }
    }
  }

  func remove(_ path: String) throws(FileFailure) {
    try step(.remove)
    try system.remove(path)
    state.withLock { state in
      state.writes[path] = nil
      state.names.removeAll { name in
        if case .created(path) = name { true } else { false }
      }
    }
  }

  func makeFolder(_ path: String, permissions: UInt32) throws(FileFailure) -> Bool {
    try step(.makeFolder)
    let isNew = try system.makeFolder(path, permissions: permissions)
    if isNew { state.withLock { $0.names.append(.madeFolder(path)) } }
    return isNew
  }

  func names(_ path: String) throws(FileFailure) -> [String] {
    try step(.names)
    return try system.names(path)
  }
}
