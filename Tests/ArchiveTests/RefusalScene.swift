import Archive
import Core
import Fixtures
import Testing

/// An archive with an application and its first epoch, where the second one is about to be pushed.
struct RefusalScene {
  let new: NewArchive
  let application: Application
  let first: EpochFixture
  let second: EpochFixture

  var archive: Archive { new.archive }

  init(limits: ArchiveLimits = ArchiveLimits()) async throws {
    new = try await NewArchive(limits: limits)
    application = try Application(home: new.archive.home)
    _ = try await application.register(in: new.archive)
    first = try application.epoch(1, stateVersion: 10)
    try await application.push(first, to: new.archive)
    second = try application.epoch(2, after: first.leafHash, stateVersion: 11)
  }

  /// Says that something is refused with a code and leaves the log as it was.
  func expect(
    _ code: PosternError.Code, index: Int? = nil, at location: SourceLocation = #_sourceLocation,
    _ body: () async throws -> some Any
  ) async throws {
    let before = try archive.checkpoint()
    let error = await refusal(body)
    #expect(error?.code == code, sourceLocation: location)
    if let index { #expect(error?.index == index, sourceLocation: location) }
    #expect(error?.message.isEmpty == false && error?.advice.isEmpty == false, sourceLocation: location)
    #expect(try archive.checkpoint() == before, sourceLocation: location)
  }

  /// Says that the good epoch is admitted all the same, and that nothing is left behind.
  func expectSecondGoesThrough() async throws {
    try archive.expectGood(try await application.push(second, to: archive).receipt, of: second.leaf)
    try archive.expectWhole(second, of: application)
    try archive.expectWhole(first, of: application)
    try expectPublished(archive, at: new.path)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
  }

  /// Begins the second epoch, sends its objects, and says that another record is refused; then seals the right one in
  /// the same push.
  func expectRefused(_ wrong: [(record: EpochFixture, code: PosternError.Code)]) async throws {
    let token = try await application.begin(second, in: archive)
    _ = try await archive.send(second.state.objects, in: token)
    for (record, code) in wrong {
      try await expect(code) {
        try await archive.sealAndShow(leaf: record.leaf, bodies: record.epochBodies, token: token)
      }
    }
    let receipt = try await archive.sealAndShow(leaf: second.leaf, bodies: second.epochBodies, token: token)
    try archive.expectGood(receipt, of: second.leaf)
    try archive.expectWhole(second, of: application)
    #expect(try files(in: "\(new.path)/incoming").isEmpty)
  }
}
