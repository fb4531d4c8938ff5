import Fixtures
import Records
import Testing

@Suite struct RetentionTests {
  private func retention(_ epochCount: UInt64, newest: UInt64) throws -> Retention {
    var charter = try Setting().charter
    charter.retentionEpochs = epochCount
    return Retention(under: charter, newestEpoch: newest)
  }

  @Test func theNewestSoManyAreKept() throws {
    let three = try retention(3, newest: 10)
    #expect(three.expiredEpoch == 7)
    #expect((1...11).filter { three.keeps($0) } == [8, 9, 10, 11])
    #expect(try retention(3, newest: 4).expiredEpoch == 1)
  }

  @Test func allAreKeptWhereThereAreNoMoreOrTheCharterSaysSo() throws {
    for (epochCount, newest): (UInt64, UInt64) in [(0, 100), (3, 3), (3, 1), (.max, 100)] {
      let retention = try retention(epochCount, newest: newest)
      #expect(retention.expiredEpoch == nil && (1...newest).allSatisfy { retention.keeps($0) })
    }
  }
}
