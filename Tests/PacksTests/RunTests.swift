import Core
import Glibc
import Packs
import Testing

@Suite struct RunTests {
  private func write(
    _ entries: [RunEntry], to path: String, entryLimit: Int? = nil, files: any FileLayer = SystemFiles()
  ) throws(PosternError) {
    var writer = try RunWriter(
      creating: path, app: app, generation: 3, entryLimit: entryLimit ?? entries.count, files: files)
    for entry in entries { try writer.append(entry) }
    let count = try writer.finish()
    #expect(count == entries.count)
  }

  private func open(_ path: String, filterByteLimit: Int = .max) throws(PosternError) -> RunFile {
    try RunFile(path, app: app, generation: 3, filterByteLimit: filterByteLimit)
  }

  /// All that a run says of some prefixes, in the order asked.
  private func found(
    _ prefixes: [UInt64], in run: RunFile, seen: (UInt64) -> Bool = { _ in true }
  ) throws(PosternError) -> [[RunEntry]] {
    var found = [[RunEntry]](repeating: [], count: prefixes.count)
    try run.find(queries(prefixes)) { (index, entry) in
      if seen(entry.pack) { found[index].append(entry) }
      return found[index].count < wantedCount
    }
    return found
  }

  /// So many entries of a prefix are asked for.
  private let wantedCount = 16

  private func queries(_ prefixes: [UInt64]) -> [RunQuery] {
    prefixes.enumerated().map { RunQuery(prefix: $1, index: $0) }.sorted { $0.prefix < $1.prefix }
  }

  /// Runs of every length around a page's, with few and with many equal prefixes, against a model.
  @Test func aRunFindsWhatAModelFinds() throws {
    let folder = TemporaryFolder()
    let seed = UInt64.random(in: 0...UInt64.max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    for (number, count) in [0, 1, 2, 255, 256, 257, 511, 512, 513, 5_000].enumerated() {
      for range in [UInt64.max, 40, 1] {
        var entries: Set<RunEntry> = []
        while entries.count < count {
          let prefix = range == .max ? generator.next() : UInt64.max - generator.next() % range
          entries.insert(
            RunEntry(
              prefix: prefix, pack: generator.next() % RunEntry.packLimit,
              position: Int(generator.next() % UInt64(PackFormat.objectLimit))))
        }
        let sorted = entries.sorted()
        let path = "\(folder.path)/\(number)-\(range)"
        try write(sorted, to: path, entryLimit: count + Int(generator.next() % 100))
        let asked = (sorted.map(\.prefix) + [0, 1, .max, .max - 7] + (0..<500).map { _ in generator.next() })
          .shuffled(using: &generator)
        let byPrefix = Dictionary(grouping: sorted, by: \.prefix)
        for limit in [0, Int.max] {
          let run = try open(path, filterByteLimit: limit)
          #expect(run.entryCount == count)
          let answers = try found(asked, in: run, seen: { !$0.isMultiple(of: 3) })
          let wrong = zip(asked, answers).filter { prefix, answer in
            let right = (byPrefix[prefix] ?? []).filter { !$0.pack.isMultiple(of: 3) }
            return answer != Array(right.prefix(wantedCount))
          }
          #expect(wrong.isEmpty)
        }
        var inMemory = [[RunEntry]](repeating: [], count: asked.count)
        try sorted.find(queries(asked)) { (index, entry) in
          if !entry.pack.isMultiple(of: 3) { inMemory[index].append(entry) }
          return inMemory[index].count < wantedCount
        }
        #expect(try inMemory == found(asked, in: try open(path), seen: { !$0.isMultiple(of: 3) }))
      }
    }
  }

  @Test func anEntryKeepsItsNumbers() {
    for (pack, position) in [(UInt64(0), 0), (RunEntry.packLimit - 1, PackFormat.objectLimit - 1), (7, 9)] {
      let entry = RunEntry(prefix: 5, pack: pack, position: position)
      #expect(entry.pack == pack && entry.position == position && entry.prefix == 5)
    }
    #expect(RunEntry(prefix: 1, pack: 9, position: 9) < RunEntry(prefix: 2, pack: 1, position: 1))
    #expect(RunEntry(prefix: 1, pack: 1, position: 9) < RunEntry(prefix: 1, pack: 2, position: 1))
  }

  /// Most of what a run lacks costs no page.
  @Test func theFilterKeepsMissesAway() throws {
    let folder = TemporaryFolder()
    var generator = SeededGenerator(seed: 3)
    let entries = (0..<50_000).map { RunEntry(prefix: generator.next(), pack: 1, position: $0) }.sorted()
    try write(entries, to: "\(folder.path)/run")
    let files = FaultyFiles(failing: 0)
    let run = try RunFile("\(folder.path)/run", app: app, generation: 3, files: files)
    let before = files.calls.count
    #expect(try found((0..<10_000).map { _ in generator.next() }, in: run).allSatisfy(\.isEmpty))
    #expect(files.calls.count - before < 400)
    #expect(run.memoryByteCount < 50_000 * 3 / 2)
  }

  @Test func mergedRunsHoldWhatIsKept() throws {
    let folder = TemporaryFolder()
    var generator = SeededGenerator(seed: 4)
    var all: Set<RunEntry> = []
    var runs: [RunFile] = []
    for (number, count) in [40_000, 0, 1, 3_000].enumerated() {
      let own = Set(
        (0..<count).map { RunEntry(prefix: generator.next() >> 48, pack: generator.next() % 9, position: $0) })
      all.formUnion(own)
      try write(own.sorted(), to: "\(folder.path)/\(number)")
      runs.append(try open("\(folder.path)/\(number)"))
    }
    // An entry that two runs hold is one.
    runs.append(runs[3])
    var writer = try RunWriter(creating: "\(folder.path)/all", app: app, generation: 3, entryLimit: all.count + 3_000)
    try writer.append(merging: runs) { (pack) throws(PosternError) in pack != 4 }
    let kept = all.filter { $0.pack != 4 }
    let count = try writer.finish()
    #expect(count == kept.count)
    let prefixes = Array(Set(all.map(\.prefix)))
    let byPrefix = Dictionary(grouping: kept.sorted(), by: \.prefix)
    let answers = try found(prefixes, in: try open("\(folder.path)/all"))
    #expect(
      zip(prefixes, answers).allSatisfy { Array((byPrefix[$0] ?? []).prefix(wantedCount)) == $1 })
  }

  @Test func aDamagedRunIsRefused() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/run"
    var generator = SeededGenerator(seed: 5)
    try write((0..<300).map { RunEntry(prefix: generator.next(), pack: 1, position: $0) }.sorted(), to: path)
    let length = try SystemFiles().size(path)
    let filter = (1 + 2) * 4_096
    for place in [0, 20, 50, 60, 64, 70, 72, 79, 80, 111, filter, filter + 300, Int(length) - 40, Int(length) - 1] {
      let copy = "\(folder.path)/copy"
      try patch(path, to: copy, at: place)
      expect(.storageRunDamaged) { () throws(PosternError) in try open(copy).entryCount }
      unlink(copy)
    }
    for cut in [0, 111, 4_096, Int(length) - 1] {
      try #require(truncate(path, cut) == 0)
      expect(.storageRunDamaged) { () throws(PosternError) in try open(path).entryCount }
    }
    expect(.storageMissing) { () throws(PosternError) in try open("\(folder.path)/none").entryCount }
  }

  /// Whichever byte is changed: a run says what it said, or is refused before anybody believes that it lacks something.
  @Test(arguments: [0, Int.max]) func noChangedByteHidesAnEntry(filterByteLimit: Int) throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/run"
    var generator = SeededGenerator(seed: 6)
    let entries = (0..<600).map { RunEntry(prefix: generator.next(), pack: 1, position: $0) }.sorted()
    try write(entries, to: path)
    let prefixes = entries.map(\.prefix) + [0, .max]
    let padding = (112..<4_096, 4_096 + 600 * 16..<4 * 4_096)
    var outcomes = (refused: 0, hidden: 0, same: 0)
    let right = try found(prefixes, in: try open(path, filterByteLimit: filterByteLimit))
    // All of the header; of what is behind it every seventh byte, which is every one of an entry's in turn.
    for place in 0..<Int(try SystemFiles().size(path)) where place < 128 || place.isMultiple(of: 7) {
      let copy = "\(folder.path)/copy"
      try patch(path, to: copy, at: place)
      let refusal = code { () throws(PosternError) in
        let run = try open(copy, filterByteLimit: filterByteLimit)
        let answers = try found(prefixes, in: run)
        // As the archive does, to which no footer confirms what is not an entry.
        let hidden = prefixes.indices.filter { index in right[index].contains { !answers[index].contains($0) } }
        if hidden.isEmpty { outcomes.same += 1 } else { outcomes.hidden += 1 }
        try run.verify(hidden.map { RunQuery(prefix: prefixes[$0], index: $0) })
        #expect(hidden.isEmpty, "byte \(place)")
      }
      if let refusal {
        #expect(refusal == .storageRunDamaged, "byte \(place)")
        outcomes.refused += 1
      }
      let whole = code { () throws(PosternError) in try open(copy, filterByteLimit: filterByteLimit).verify() }
      #expect((whole == nil) == (padding.0 ~= place || padding.1 ~= place), "byte \(place)")
      unlink(copy)
    }
    print("\(outcomes)")
    #expect(outcomes.refused > 500 && outcomes.hidden > 500)
  }

  private func patch(_ path: String, to copy: String, at place: Int) throws {
    let file = try OpenFile(path, .read)
    var bytes = try #require(try file.read(at: 0, count: Int(try file.length())))
    bytes[place] ^= 1
    try DurableFile.write(bytes, to: copy)
  }

  /// A run whose writing failed at any call is none.
  @Test func aFailedCallLeavesNoRun() throws {
    let folder = TemporaryFolder()
    let entries = (0..<70_000).map { RunEntry(prefix: UInt64($0), pack: 1, position: $0) }
    var failures = 0
    for call in 1... {
      let path = "\(folder.path)/\(call)"
      let failed = code { () throws(PosternError) in
        try write(entries, to: path, files: FaultyFiles(failing: call))
      }
      guard failed != nil else { break }
      failures += 1
      if failed != .storageSyncFailed {
        #expect(code { () throws(PosternError) in try open(path).entryCount } != nil)
      }
    }
    #expect(failures > 5)
  }

  @Test func aFolderListsItsRuns() throws {
    let temporary = TemporaryFolder()
    let folder = try DataFolder.create(at: "\(temporary.path)/data")
    #expect(try folder.runs().isEmpty)
    for number in [UInt64(12), 3] {
      var writer = try folder.createRun(number: number, app: app, generation: 3, entryLimit: 1)
      try writer.append(RunEntry(prefix: 1, pack: number, position: 0))
      _ = try writer.finish()
    }
    try folder.syncRuns()
    try DurableFile.write([1], to: "\(folder.layout.runs)/x.run")
    #expect(try folder.runs() == [3, 12])
    #expect(try folder.openRun(number: 3, app: app, generation: 3).entryCount == 1)
    expect(.storageRunDamaged) { () throws(PosternError) in
      try folder.openRun(number: 3, app: app, generation: 4).entryCount
    }
    for _ in 0..<2 { try folder.removeRun(number: 3) }
    #expect(try folder.runs() == [12])
  }
}
