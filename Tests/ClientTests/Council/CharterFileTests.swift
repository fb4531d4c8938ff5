import Client
import Core
import Records
import Fixtures
import Testing

@Suite struct CharterFileTests {
  @Test func collectsEverySignature() async throws {
    let fixture = try await CouncilFixture()
    var file = try CharterFile(fixture.charter)
    #expect(file.missing.map(\.name) == CouncilFixture.names)
    #expect(refusal { try file.registration(by: fixture.member("ana")) }?.code == .charterSignature)
    for (number, name) in CouncilFixture.names.enumerated() {
      #expect(try file.sign(with: fixture.member(name)) == number)
      file = try CharterFile(parsing: file.text)
      #expect(file.missing.map(\.name) == Array(CouncilFixture.names[(number + 1)...]))
    }
    let registration = try file.registration(by: fixture.member("ana"))
    let checked = try await check(
      leaf: registration.leaf, bodies: Bodies([registration.charter, registration.signatures]), charter: nil)
    guard case .charter(let charter) = checked else { throw Failure() }
    #expect(charter.charter == fixture.charter)
  }

  @Test func refusesStrangersAndChangedFiles() async throws {
    let fixture = try await CouncilFixture()
    var file = fixture.charterFile
    let stranger = try KeyFile.random(role: .member, name: "ana")
    #expect(throws: PosternError.self) { try file.sign(with: stranger) }
    #expect(throws: PosternError.self) { try file.sign(with: fixture.requester()) }
    #expect(throws: PosternError.self) { try file.registration(by: fixture.member("bo")) }
    let text = file.text
    for index in stride(from: 40, to: text.count, by: 97) where text[index] != UInt8(ascii: "\n") {
      var changed = text
      changed[index] = text[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
      #expect((try? CharterFile(parsing: changed)) != file)
    }
  }

  struct Failure: Error {}
}
