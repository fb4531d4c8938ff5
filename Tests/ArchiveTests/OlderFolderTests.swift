import Archive
import Core
import Fixtures
import Foundation
import Index
import Packs
import Records
import Testing
import Trust

/// A data folder that the version before wrote: rows of objects in the index and none of runs, three epochs, and a push
/// that was cut off when the server died.
@Suite struct OlderFolderTests {
  private func copy(to folder: TemporaryFolder) throws -> String {
    let path = folder.path("archive")
    let source = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "OlderFolder").path
    try FileManager.default.copyItem(atPath: source, toPath: path)
    try Data().write(to: URL(filePath: "\(path)/lock"))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: "\(path)/keys/log.key")
    return path
  }

  @Test func allThatWasAdmittedIsFound() async throws {
    let folder = try TemporaryFolder()
    let path = try copy(to: folder)
    #expect(try files(in: "\(path)/incoming") == ["5.pack"])
    for _ in 0..<2 {
      let archive = try await openArchive(at: path)
      #expect(try archive.size() == 4)
      try expectPublished(archive, at: path)
      // The push that was cut off is given up: what it had sent is sent again.
      #expect(try files(in: "\(path)/incoming").isEmpty)
      let packs = try files(in: "\(path)/packs")
      #expect(packs.count == 4)
      var objectCount = 0
      for pack in packs {
        let parts = pack.dropLast(5).split(separator: "/").map(String.init)
        let app = try #require(Digest(hex: parts[0]))
        let generation = try #require(UInt64(parts[1]))
        let name = try #require(Digest(hex: parts[2]))
        let reader = try PackReader("\(path)/packs/\(pack)", name: name)
        let ids = (0..<reader.footer.count).map { reader.footer[$0].id }
        for object in try archive.storedObjects(ids, app: app, generation: generation) {
          let bytes = try reader.read(object.id)
          #expect(bytes == object.bytes)
        }
        objectCount += ids.count
        let newest = try archive.show(app).epoch
        #expect(newest != nil)
      }
      #expect(objectCount == 22)
      await archive.finish()
    }
  }

  /// The folder is not only read: it takes new applications and epochs, runs are made, and what was there stays.
  @Test func itIsPushedInto() async throws {
    let folder = try TemporaryFolder()
    let path = try copy(to: folder)
    var epochs: [EpochFixture] = []
    var receipts: [(receipt: [UInt8], leaf: [UInt8])] = []
    var application: Application?
    let older = try files(in: "\(path)/packs")
    for count: UInt64 in [3, 17, 18] {
      let archive = try await openArchive(at: path)
      let newcomer = try application ?? Application(home: archive.home)
      if application == nil {
        receipts.append((try await newcomer.register(in: archive), newcomer.registration.record.leaf))
        application = newcomer
      }
      while UInt64(epochs.count) < count {
        let epoch = try newcomer.epoch(UInt64(epochs.count + 1), after: epochs.last?.leafHash ?? .zero)
        receipts.append((try await newcomer.push(epoch, to: archive).receipt, epoch.leaf))
        epochs.append(epoch)
      }
      await archive.finish()
      #expect(try archive.size() == 5 + count)
      try expectPublished(archive, at: path)
      for (receipt, leaf) in receipts { try archive.expectGood(receipt, of: leaf) }
      for epoch in epochs { try archive.expectWhole(epoch, of: newcomer) }
      // What the log had is still all there, and so is every byte that its packs hold.
      let app = try #require(older.first.flatMap { Digest(hex: String($0.prefix(64))) })
      let listed = try archive.epochs(app: app, before: nil, limit: 10)
      #expect(listed.count == 3)
      #expect(try Set(older).isSubset(of: files(in: "\(path)/packs")))
      #expect(try files(in: "\(path)/incoming").isEmpty)
      #expect(try files(in: "\(path)/runs").count == (count < 16 ? 0 : 1))
    }
  }
}
