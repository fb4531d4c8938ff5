import Client
import Core
import Fixtures
import Testing

/// Pages of a list, as an archive tells them over the wire.
@Suite struct ListTests {
  /// A page says that another follows only where one does, also where it is full.
  @Test func theLastPageIsToldToBeTheLast() async throws {
    try await ArchiveFixture.run { fixture, archive in
      #expect(try await archive.list(app: fixture.app).next == nil)
      for number in 1...4 { try await fixture.push(sampleState(byteCount: 5_000, seed: UInt64(number)), over: archive) }
      let policy = try #require(try await archive.list(app: fixture.app).epochs.first).policy
      for limit in 1...5 {
        for isByApp in [true, false] {
          var pages: [[UInt64]] = []
          var next: [UInt8]?
          repeat {
            let page =
              isByApp
              ? try await archive.list(app: fixture.app, after: next, limit: limit)
              : try await archive.list(policy: policy, after: next, limit: limit)
            pages.append(page.epochs.map(\.epoch))
            next = page.next
          } while next != nil
          #expect(pages.flatMap(\.self) == [4, 3, 2, 1])
          #expect(pages.count == (4 + limit - 1) / limit)
        }
      }
    }
  }
}
