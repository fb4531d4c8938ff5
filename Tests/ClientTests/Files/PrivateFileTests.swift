import Client
import Core
import FoundationEssentials
import Fixtures
import Testing

@Suite struct PrivateFileTests {
  @Test func writesForItsOwnerAlone() throws {
    let folder = try TemporaryFolder()
    try PrivateFile.write([1, 2, 3], to: folder.path("key"))
    let attributes = try FileManager.default.attributesOfItem(atPath: folder.path("key"))
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    #expect(try InputFile.read(folder.path("key"), byteCountLimit: 3) == [1, 2, 3])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["key"])
  }

  @Test func overwritesNothing() throws {
    let folder = try TemporaryFolder()
    try PrivateFile.write([1], to: folder.path("key"))
    #expect(refusal { try PrivateFile.write([2], to: folder.path("key")) }?.code == "storage.exists")
    #expect(try InputFile.read(folder.path("key"), byteCountLimit: 3) == [1])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["key"])
  }

  @Test func readsNoMoreThanItMay() throws {
    let folder = try TemporaryFolder()
    let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
    try PrivateFile.write(bytes, to: folder.path("long"))
    #expect(try InputFile.read(folder.path("long"), byteCountLimit: 200_000) == bytes)
    #expect(refusal { try InputFile.read(folder.path("long"), byteCountLimit: 199_999) }?.code == .fileTooLarge)
    #expect(refusal { try InputFile.read(folder.path("none"), byteCountLimit: 9) }?.code == .fileUnreadable)
    #expect(refusal { try InputFile.read(folder.path, byteCountLimit: 9) }?.code == .fileUnreadable)
  }
}
