import Archive
import Core
import Fixtures
import Foundation
import Index
import Packs
import Testing

/// A collection, stopped at each of its calls to the file system in turn.
///
/// Of four epochs two are kept. At call k the archive dies, losing some of what was not synced, or the call fails once.
/// Started again on the same folder, it has all that is kept, and the next collection leaves what one that nobody
/// stopped does: the same packs under the same names, and nothing beside them.
@Suite struct CollectionCrashTests {
  private let template: TemporaryFolder
  private let scene: CollectionScene

  init() async throws {
    template = try TemporaryFolder(inMemory: true)
    let path = template.path("archive")
    _ = try Archive.create(at: path, origin: "example.org/log")
    let archive = try await openArchive(at: path)
    var scene = try await CollectionScene(archive, at: path, retention: 2)
    // An open push: nothing is collected yet.
    _ = try await scene.application.begin(try scene.next([1]), in: archive, uploader: 1)
    for number: UInt64 in 1...4 {
      try await scene.push(try scene.next([1, 2, 3] + (0..<6).map { number * 100 + $0 }), to: archive)
    }
    await archive.finish()
    self.scene = scene
  }

  private func copyOfTemplate(_ folder: TemporaryFolder) throws -> String {
    let path = folder.path("archive")
    try FileManager.default.copyItem(atPath: template.path("archive"), toPath: path)
    return path
  }

  /// Opens the folder over faulty files, and collects.
  private func run(
    at path: String, _ files: FaultyFiles, _ fault: FaultyFiles.Fault = .death, call: Int? = nil
  ) async throws -> (reports: [CollectionReport], stops: [PosternError]) {
    let recorder = StopRecorder()
    let archive = try await Archive.open(at: path, files: files, stop: recorder.handler)
    try await archive.collectIdlePushes(nowSeconds: .max)
    await archive.finish()
    files.arm(fault, at: call)
    try archive.noteAllForCollection()
    let reports = await archive.collect()
    await archive.finish()
    return (reports, recorder.all)
  }

  /// The calls of a collection that nobody stops, and the packs that it leaves.
  private func reference() async throws -> (calls: [FileCall], packs: [String]) {
    let folder = try TemporaryFolder(inMemory: true)
    let path = try copyOfTemplate(folder)
    let faulty = FaultyFiles()
    faulty.arm(.death, at: nil)
    let before = try await opening(folder)
    let run = try await run(at: path, faulty)
    #expect(run.reports.count == 1 && run.reports.allSatisfy { $0.error == nil } && run.stops.isEmpty)
    return (Array(faulty.calls.dropFirst(before)), try files(in: "\(path)/packs"))
  }

  /// How many calls it takes to open the folder.
  private func opening(_ folder: TemporaryFolder) async throws -> Int {
    let path = folder.path("opened")
    try FileManager.default.copyItem(atPath: template.path("archive"), toPath: path)
    let files = FaultyFiles()
    let archive = try await Archive.open(at: path, files: files) { Issue.record("stopped: \($0)") }
    try await archive.collectIdlePushes(nowSeconds: .max)
    await archive.finish()
    return files.calls.count
  }

  /// Starts the archive again on sound files, and says that nothing that is kept is lost, and nothing left behind.
  private func expectSound(at path: String, _ packs: [String]) async throws {
    var scene = scene.moved(to: path)
    do {
      let archive = try await openArchive(at: path)
      try await archive.collectIdlePushes(nowSeconds: .max)
      try scene.expectSound(archive)
      try archive.noteAllForCollection()
      try scene.collected(await archive.collect())
      scene.expectDead()
      try scene.expectSound(archive)
      await archive.finish()
    }
    let archive = try await openArchive(at: path)
    try scene.expectSound(archive)
    #expect(try files(in: "\(path)/incoming").isEmpty)
    #expect(try files(in: "\(path)/packs") == packs)
    // And it goes on.
    try await scene.push(try scene.next([1, 101, 500]), to: archive)
    try scene.expectSound(archive)
    await archive.finish()
  }

  private func strike(
    _ fault: FaultyFiles.Fault, at call: Int, _ packs: [String], _ generator: inout SeededGenerator
  ) async throws {
    let folder = try TemporaryFolder(inMemory: true)
    let path = try copyOfTemplate(folder)
    do {
      let files = FaultyFiles()
      let run = try await run(at: path, files, fault, call: call)
      let struck = try #require(files.struck)
      if [.sync, .syncData].contains(struck), fault == .failure(EIO) {
        #expect(run.stops.count == 1, "call \(call), \(struck): a failed sync ends the process")
      }
      if fault == .death { files.losePower(&generator) }
    }
    try await expectSound(at: path, packs)
  }

  @Test func deathAtEveryCallLosesNothingThatIsKept() async throws {
    var generator = SeededGenerator.printing()
    let (calls, packs) = try await reference()
    #expect(calls.count > 50 && calls.contains(.rename) && calls.contains(.remove))
    for call in calls.indices { try await strike(.death, at: call, packs, &generator) }
  }

  @Test func aFailureOfAnyCallLosesNothingThatIsKept() async throws {
    var generator = SeededGenerator.printing()
    let (calls, packs) = try await reference()
    for call in calls.indices { try await strike(.failure(EIO), at: call, packs, &generator) }
  }

  @Test func aFullDiskAtAnyCallLosesNothingThatIsKept() async throws {
    var generator = SeededGenerator.printing()
    let taking: Set<FileCall> = [.open, .write, .syncData, .rename, .makeFolder, .sync]
    let (calls, packs) = try await reference()
    for (call, kind) in calls.enumerated() where taking.contains(kind) {
      try await strike(.failure(ENOSPC), at: call, packs, &generator)
    }
  }

  /// A start that follows on a death may die too.
  @Test func deathAtRandomCallsOfCollectionAndStart() async throws {
    var generator = SeededGenerator.printing()
    let (calls, packs) = try await reference()
    for _ in 0..<40 {
      let folder = try TemporaryFolder(inMemory: true)
      let path = try copyOfTemplate(folder)
      do {
        let files = FaultyFiles()
        // Late calls are those after the commits.
        let call = Int.random(in: calls.count / 2..<calls.count, using: &generator)
        _ = try await run(at: path, files, .death, call: call)
        files.losePower(&generator)
      }
      for _ in 0..<2 {
        let files = FaultyFiles()
        files.arm(.death, at: Int.random(in: 0..<40, using: &generator))
        if let archive = try? await Archive.open(at: path, files: files, stop: StopRecorder().handler) {
          await archive.finish()
        }
        files.losePower(&generator)
      }
      try await expectSound(at: path, packs)
    }
  }

  /// Packs that cannot be written anew together are written anew each for itself, and nobody hears of an error.
  @Test func whatSucceedsInTheEndIsNoError() async throws {
    let (calls, _) = try await reference()
    // The last object that is read before the new pack is written.
    let written = try #require(calls.firstIndex(of: .write))
    let read = try #require(calls[..<written].lastIndex(of: .read))
    let folder = try TemporaryFolder(inMemory: true)
    let path = try copyOfTemplate(folder)
    let files = FaultyFiles()
    let run = try await run(at: path, files, .failure(ENOENT), call: read)
    #expect(files.struck == .read && run.stops.isEmpty)
    var scene = scene.moved(to: path)
    let report = try #require(run.reports.first)
    #expect(run.reports.count == 1 && report.error == nil && report.freedByteCount > 0)
    try scene.collected(run.reports)
  }
}
