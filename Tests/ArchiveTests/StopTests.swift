import Archive
import Core
import Fixtures
import Foundation
import Packs
import Records
import Testing
import Trust

/// When nobody can know what the disk holds, an archive tells whoever runs it, once, and signs nothing more.
@Suite struct StopTests {
  private func scene() async throws -> (folder: TemporaryFolder, path: String, application: Application) {
    let new = try await NewArchive(inMemory: true)
    let application = try Application(home: new.archive.home)
    _ = try await application.register(in: new.archive)
    return (new.folder, new.path, application)
  }

  @Test func aSyncThatFailsStopsEverything() async throws {
    let (folder, path, application) = try await scene()
    let files = FaultyFiles()
    let recorder = StopRecorder()
    let epoch = try application.epoch(1)
    do {
      let archive = try await openArchive(at: path, files: files, stop: recorder.handler)
      let token = try await application.begin(epoch, in: archive)
      _ = try await archive.send(epoch.state.objects, in: token)
      let before = try archive.checkpoint()
      files.fail([.syncData], with: EIO)
      let error = await refusal {
        try await archive.seal(leaf: epoch.leaf, bodies: epoch.epochBodies, token: token)
      }
      #expect(error?.code == .storageSyncFailed)
      #expect(recorder.all.map(\.code) == [.storageSyncFailed])
      files.fail([.syncData], with: nil)

      // The disk is sound again, and nobody may know: only a start reads it.
      let other = try Application(home: archive.home, seed: 2)
      #expect(await refusal { try await other.register(in: archive) }?.code == .archiveStopped)
      #expect(await refusal { try await application.push(epoch, to: archive) }?.code == .archiveStopped)
      #expect(recorder.all.count == 1)
      #expect(try archive.checkpoint() == before)
      #expect(try archive.show(application.app).epoch == nil)
    }
    let archive = try await openArchive(at: path)
    try await application.push(epoch, to: archive)
    try archive.expectWhole(epoch, of: application)
    #expect(try ArchiveTests.files(in: "\(path)/incoming").isEmpty)
    _ = folder
  }

  @Test func allWhoWaitAreAnswered() async throws {
    let (folder, path, application) = try await scene()
    let files = FaultyFiles()
    let recorder = StopRecorder()
    let newcomers: [Application]
    var answered: [Digest] = []
    do {
      let archive = try await openArchive(at: path, files: files, stop: recorder.handler)
      newcomers = try (2...9).map { try Application(home: archive.home, seed: UInt64($0)) }
      files.fail([.rename], with: EIO)
      let errors = await withTaskGroup(of: (Digest, PosternError?).self) { group in
        for newcomer in newcomers {
          group.addTask { (newcomer.app, await refusal { try await newcomer.register(in: archive) }) }
        }
        return await group.reduce(into: []) { $0.append($1) }
      }
      // Who was answered before it was known has a receipt of what is durable; nobody is let in after it.
      for (app, error) in errors {
        #expect(error == nil || error?.code == .archiveStopped)
        if error == nil { answered.append(app) }
      }
      await archive.finish()
      #expect(recorder.all.map(\.code) == [.storageFailed])
      let late = try Application(home: archive.home, seed: 10)
      #expect(await refusal { try await late.register(in: archive) }?.code == .archiveStopped)
    }
    files.fail([.rename], with: nil)
    let archive = try await openArchive(at: path)
    for app in answered { #expect(try archive.show(app).charters.count == 1) }
    try expectPublished(archive, at: path)
    #expect(try archive.show(application.app).charters.count == 1 && !answered.isEmpty)
    _ = folder
  }
}
