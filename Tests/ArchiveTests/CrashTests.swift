import Archive
import Bulk
import Core
import Fixtures
import Foundation
import Index
import Packs
import Records
import Testing
import Trust

/// The commit order, stopped at each of its calls to the file system in turn.
///
/// An archive with two epochs registers a second application and pushes a third epoch. At call k it dies, losing some
/// of what was not synced, or the call fails once. Started again on the same folder, it has to be one of the two
/// archives that are right: with the record or without.
@Suite struct CrashTests {
  private let template: TemporaryFolder
  private let application: Application
  private let newcomer: Application
  private let receipts: [(receipt: [UInt8], leaf: [UInt8])]
  private let before: [EpochFixture]
  private let next: EpochFixture

  init() async throws {
    let new = try await NewArchive()
    let application = try Application(home: new.archive.home)
    var receipts = [(try await application.register(in: new.archive), application.registration.record.leaf)]
    var epochs: [EpochFixture] = []
    for number: UInt64 in 1...2 {
      let epoch = try application.epoch(number, after: epochs.last?.leafHash ?? .zero)
      receipts.append((try await application.push(epoch, to: new.archive).receipt, epoch.leaf))
      epochs.append(epoch)
    }
    template = new.folder
    self.application = application
    newcomer = try Application(home: new.archive.home, seed: 2)
    self.receipts = receipts
    before = epochs
    next = try application.epoch(3, after: epochs[1].leafHash)
  }

  /// What an archive had answered when it was stopped.
  private struct Answers {
    var registration: [UInt8]?
    var epoch: [UInt8]?
    var errors: [PosternError] = []
  }

  private func act(on archive: Archive) async -> Answers {
    var answers = Answers()
    do {
      answers.registration = try await newcomer.register(in: archive)
    } catch {
      answers.errors.append(error as? PosternError ?? PosternError("test.other-error", "\(error)", advice: ""))
    }
    do {
      answers.epoch = try await pushOrRepeat(next, to: archive)
    } catch {
      answers.errors.append(error as? PosternError ?? PosternError("test.other-error", "\(error)", advice: ""))
    }
    return answers
  }

  /// Pushes an epoch as a client does that does not know what became of it.
  private func pushOrRepeat(_ epoch: EpochFixture, to archive: Archive) async throws -> [UInt8] {
    do throws(PosternError) {
      return try await archive.sealAndShow(leaf: epoch.leaf, bodies: epoch.epochBodies, token: nil)
    } catch  where error.code != .epochNotAdmitted {
      throw error
    } catch {}
    // What the tree does not reach is in the index by the second begin, so that the pack is written anew.
    let stray = StoredObject(kind: 1, bytes: [UInt8](repeating: 7, count: 533))
    let first = try await application.begin(epoch, in: archive)
    try await archive.upload(MemoryBatch([stray]), to: first)
    _ = try await archive.send(Array(epoch.state.objects.prefix(3)), in: first)
    return try await application.push(epoch, to: archive).receipt
  }

  private func copyOfTemplate(_ folder: TemporaryFolder) throws -> String {
    let path = folder.path("archive")
    try FileManager.default.copyItem(atPath: template.path("archive"), toPath: path)
    return path
  }

  /// Opens the folder over faulty files, acts, and lets go of the archive.
  private func run(
    at path: String, _ files: FaultyFiles, _ fault: FaultyFiles.Fault, call: Int?, fromOpen: Bool
  ) async -> (answers: Answers, stops: [PosternError], isOpen: Bool) {
    let recorder = StopRecorder()
    if fromOpen { files.arm(fault, at: call) }
    guard let archive = try? await Archive.open(at: path, files: files, stop: recorder.handler) else {
      return (Answers(), recorder.all, false)
    }
    if !fromOpen { files.arm(fault, at: call) }
    let answers = await act(on: archive)
    await archive.finish()
    if case .failure = fault, recorder.all.isEmpty {
      // Nothing has stopped: the same archive does it all when it is asked again.
      let again = await act(on: archive)
      #expect(again.errors.isEmpty && again.epoch != nil && again.registration != nil, "\(again.errors)")
    }
    return (answers, recorder.all, true)
  }

  /// Starts the archive again on sound files, and says that nothing that was acknowledged is lost or halved.
  private func expectSound(at path: String, _ answers: Answers) async throws {
    do {
      let archive = try await openArchive(at: path)
      try expectHistory(archive, at: path, answers)
      // Whatever became of them, both can be had now.
      let registration = try await newcomer.register(in: archive)
      let epoch = try await pushOrRepeat(next, to: archive)
      try archive.expectGood(registration, of: newcomer.registration.record.leaf)
      try archive.expectGood(epoch, of: next.leaf)
      #expect(try archive.size() == 5)
    }
    let archive = try await openArchive(at: path)
    try expectHistory(archive, at: path, answers)
    try archive.expectWhole(next, of: application)
    try archive.expectWhole(before[1], of: application)
    let stray = SHA256.hash([UInt8](repeating: 7, count: 533))
    let error = refusal { try archive.storedObjects([stray], app: application.app, generation: 1) }
    #expect(error?.code == .archiveNotFound)
    #expect(try files(in: "\(path)/incoming").isEmpty)
    #expect(try files(in: "\(path)/packs").count == 5)
  }

  private func expectHistory(_ archive: Archive, at path: String, _ answers: Answers) throws {
    try expectPublished(archive, at: path)
    for (receipt, leaf) in receipts { try archive.expectGood(receipt, of: leaf) }
    let size = try archive.size()
    #expect((3...5).contains(size))
    if let receipt = answers.registration {
      try archive.expectGood(receipt, of: newcomer.registration.record.leaf)
    }
    if let receipt = answers.epoch { try archive.expectGood(receipt, of: next.leaf) }
    let newest = try #require(try archive.show(application.app).epoch)
    if newest.leaf == next.leaf {
      try archive.expectWhole(next, of: application)
    } else {
      #expect(newest.leaf == before[1].leaf && answers.epoch == nil)
    }
    if try archive.epochs(app: application.app, before: nil, limit: 10).count == 3 {
      #expect(newest.leaf == next.leaf)
    }
    let newcomerIsThere = refusal { try archive.show(newcomer.app) } == nil
    #expect(size == 3 + (newest.leaf == next.leaf ? 1 : 0) + (newcomerIsThere ? 1 : 0))
    if newcomerIsThere {
      #expect(try archive.body(newcomer.app, app: newcomer.app, generation: 0) == newcomer.registration.charter)
    } else {
      #expect(answers.registration == nil)
    }
  }

  /// The calls of a whole run: those of the opening, and those after it.
  private func calls() async throws -> (opening: [FileCall], acting: [FileCall]) {
    let folder = try TemporaryFolder(inMemory: true)
    let path = try copyOfTemplate(folder)
    let files = FaultyFiles()
    let recorder = StopRecorder()
    let archive = try await Archive.open(at: path, files: files, stop: recorder.handler)
    let opening = files.calls
    let answers = await act(on: archive)
    await archive.finish()
    #expect(answers.errors.isEmpty && recorder.all.isEmpty)
    return (opening, Array(files.calls.dropFirst(opening.count)))
  }

  /// Strikes one call of a run.
  ///
  /// - Returns: whether the run had so many calls: what two commits put on show takes fewer where the second one came
  ///   before the first was shown.
  private func strike(_ fault: FaultyFiles.Fault, at call: Int, fromOpen: Bool, seed: UInt64) async throws -> Bool {
    let folder = try TemporaryFolder(inMemory: true)
    let path = try copyOfTemplate(folder)
    let files = FaultyFiles()
    let run = await run(at: path, files, fault, call: call, fromOpen: fromOpen)
    guard let struck = files.struck else {
      #expect(run.answers.errors.isEmpty && run.stops.isEmpty)
      return false
    }
    if run.isOpen, [.sync, .syncData].contains(struck), fault == .failure(EIO), !run.answers.errors.isEmpty {
      #expect(run.stops.count == 1, "call \(call), \(struck): a failed sync ends the process")
    }
    if fault == .death {
      var generator = SeededGenerator(seed: seed &+ UInt64(call))
      files.losePower(&generator)
    }
    try await expectSound(at: path, run.answers)
    return true
  }

  /// Strikes one call after the other, most of which have to be there.
  private func strike(
    _ fault: FaultyFiles.Fault, at calls: some Collection<Int>, fromOpen: Bool = false, seed: () -> UInt64 = { 0 }
  ) async throws {
    var struckCount = 0
    for call in calls where try await strike(fault, at: call, fromOpen: fromOpen, seed: seed()) { struckCount += 1 }
    #expect(struckCount >= calls.count * 3 / 4)
  }

  @Test func deathAtEveryCallLosesNothingAcknowledged() async throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("deathAtEveryCall: seed \(seed)")
    let calls = try await calls()
    try await strike(.death, at: 0..<calls.opening.count + calls.acting.count, fromOpen: true) { seed }
  }

  @Test func aFailureOfAnyCallLosesNothingAcknowledged() async throws {
    try await strike(.failure(EIO), at: try await calls().acting.indices)
  }

  @Test func aFullDiskAtAnyCallLosesNothingAcknowledged() async throws {
    let taking: Set<FileCall> = [.open, .write, .syncData, .rename, .makeFolder, .sync]
    let calls = try await calls().acting
    try await strike(.failure(ENOSPC), at: calls.indices.filter { taking.contains(calls[$0]) })
  }

  /// What a power failure loses is not the same each time: the same deaths with other losses.
  @Test func deathAtRandomCalls() async throws {
    var generator = SeededGenerator.printing()
    let count = try await calls().acting.count
    let places = (0..<20).map { _ in Int.random(in: 0..<count, using: &generator) }
    try await strike(.death, at: places) { generator.next() }
  }
}
