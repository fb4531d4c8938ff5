import Archive
import Core
import Fixtures
import Foundation
import Index
import Packs
import Testing

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
}
