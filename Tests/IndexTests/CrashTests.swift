import Core
import Glibc
import Index
import Testing

@Suite struct CrashTests {
  /// What a process leaves that dies right after a commit, and what a disk leaves that lost the log's tail.
  @Test func aCrashLeavesTheStateOfACommit() async throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    let folder = TemporaryFolder()
    let index = try ArchiveIndex.open(path: "\(folder.path)/index.sqlite")
    var history = History()
    var states = [try index.everything()]
    try await history.commit(history.registration(), to: index)
    states.append(try index.everything())
    for _ in 0..<6 {
      let token = PushToken.random()
      _ = try await index.writer.openPush(newPush(token))
      states.append(try index.everything())
      let pack = try await index.add(["\(generator.next())"], push: token)
      states.append(try index.everything())
      let run = RunRow(number: index.reserveRun(), entryCount: 1)
      try await index.writer.addRun(run, of: Space(app: app, generation: 1), listing: [pack.number])
      states.append(try index.everything())
      let merged = RunRow(number: index.reserveRun(), entryCount: 2)
      try await index.writer.replaceRuns(try index.everything().runs, by: merged, of: Space(app: app, generation: 1))
      states.append(try index.everything())
      if Bool.random(using: &generator) {
        try await index.writer.noteFinished([PackSealing(pack, "finished", byteCount: 250)])
        states.append(try index.everything())
      }
      var group = try history.epoch()
      group.packs = [PackSealing(pack: pack, name: generator.digest(), byteCount: 300)]
      group.pushes = [token]
      try await history.commit(group, to: index)
      states.append(try index.everything())
      // The process dies: the files are as they are, without what it has in memory.
      #expect(try recovered(folder.path, cutting: nil) == states.last)
    }
    let whole = try #require(read("\(folder.path)/index.sqlite-wal")).count
    for _ in 0..<60 {
      let length = Int.random(in: 0..<whole, using: &generator)
      let state = try recovered(folder.path, cutting: length)
      #expect(states.contains(state), "cut at \(length)")
    }
  }

  /// Copies the index as it lies on the disk, cuts its write-ahead log, opens the copy.
  private func recovered(_ path: String, cutting length: Int?) throws -> Everything {
    let copy = TemporaryFolder()
    for name in ["index.sqlite", "index.sqlite-wal"] {
      let bytes = try #require(read("\(path)/\(name)"))
      let isLog = name.hasSuffix("-wal")
      write(Array(bytes.prefix(isLog ? length ?? bytes.count : bytes.count)), to: "\(copy.path)/\(name)")
    }
    let index = try ArchiveIndex.open(path: "\(copy.path)/index.sqlite")
    defer { try? index.close() }
    return try index.everything()
  }

  private func read(_ path: String) -> [UInt8]? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&block, 1, block.count, file), count > 0 { bytes += block.prefix(count) }
    return bytes
  }

  private func write(_ bytes: [UInt8], to path: String) {
    guard let file = fopen(path, "w") else { return }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }

  /// A device that has no room: the commit is refused, nothing is changed, and the next one goes through.
  @Test func aFullDiskIsARefusal() async throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/index.sqlite"
    var history = History()
    var index = try ArchiveIndex.open(path: path)
    try await history.commit(history.registration(), to: index)
    // Opened anew, it reads nothing from the log that the device stands in for.
    try index.close()
    index = try ArchiveIndex.open(path: path)
    let before = try index.everything()
    let group = try history.epoch()
    do {
      let stand = StandIn("/dev/full", for: "\(path)-wal")
      #expect(stand.count > 0)
      let error = await refusal { () async throws(PosternError) in try await index.commit(group) }
      #expect(error?.code == .storageFull)
    }
    #expect(try index.everything() == before)
    try await history.commit(group, to: index)
    #expect(try index.everything().epochs.count == 1)
  }

  /// A device that takes every byte and cannot sync: nobody knows what is on it.
  @Test func aFailedSyncEndsTheWriter() async throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/index.sqlite"
    var history = History()
    do {
      let index = try ArchiveIndex.open(path: path)
      try await history.commit(history.registration(), to: index)
      let group = try history.epoch()
      do {
        let stand = StandIn("/dev/zero", for: "\(path)-wal")
        #expect(stand.count > 0)
        let error = await refusal { () async throws(PosternError) in try await index.commit(group) }
        #expect(error?.code == .indexUnknownOutcome)
      }
      let later = await refusal { () async throws(PosternError) in try await index.writer.markPlaced([1]) }
      #expect(later?.code == .indexUnknownOutcome)
    }
    // The next process reads what was committed; here the device swallowed the group.
    let index = try ArchiveIndex.open(path: path)
    #expect(try index.everything().checkpoint == history.checkpoint)
  }
}

/// Another file in place of every open descriptor of a path, until the value goes away.
///
/// The descriptors' numbers stay taken, so that nothing else in the process can come to own them.
private struct StandIn: ~Copyable {
  private var saved: [(descriptor: CInt, copy: CInt)] = []

  init(_ device: String, for path: String) {
    let replacement = open(device, O_RDWR | O_CLOEXEC)
    let descriptors = names("/proc/self/fd").compactMap { CInt($0) }.filter { descriptor in
      var target = [CChar](repeating: 0, count: 4096)
      let count = readlink("/proc/self/fd/\(descriptor)", &target, target.count)
      return count > 0 && String(decoding: target.prefix(count).map(UInt8.init), as: UTF8.self) == path
    }
    for descriptor in descriptors {
      saved.append((descriptor, fcntl(descriptor, F_DUPFD_CLOEXEC, 0)))
      dup2(replacement, descriptor)
    }
    close(replacement)
  }

  var count: Int { saved.count }

  deinit {
    for (descriptor, copy) in saved {
      dup2(copy, descriptor)
      close(copy)
    }
  }
}
