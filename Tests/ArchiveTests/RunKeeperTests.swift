import Archive
import Fixtures
import Index
import Packs
import Testing

/// Which runs are merged, as runs come that are small and large.
@Suite struct RunKeeperTests {
  /// What the index takes for a pack's number, a run has room for.
  @Test func everyPackHasRoomInARun() { #expect(PackRow.numberLimit == RunEntry.packLimit) }

  /// Runs after another one came and all is merged that is due; and how many entries were written for that.
  private func adding(_ entryCount: Int, to runs: [RunRow], _ written: inout Int) -> [RunRow] {
    func sorted(_ runs: [RunRow]) -> [RunRow] { runs.sorted { $0.entryCount > $1.entryCount } }
    var runs = sorted(runs + [RunRow(number: 0, entryCount: entryCount)])
    written += entryCount
    while case let merged = RunKeeper.merged(runs), !merged.isEmpty {
      #expect(merged.count >= 2 && Array(runs.suffix(merged.count)) == merged)
      let sum = merged.reduce(0) { $0 + $1.entryCount }
      written += sum
      runs = sorted(runs.dropLast(merged.count) + [RunRow(number: 0, entryCount: sum)])
    }
    return runs
  }

  @Test func runsStayFewAndAreWrittenFewTimes() {
    var generator = SeededGenerator.printing()
    var runs: [RunRow] = []
    var (count, written) = (0, 0)
    while count < 10_000_000 {
      let new = Int.random(in: 1...(Bool.random(using: &generator) ? 1_000 : 100_000), using: &generator)
      runs = adding(new, to: runs, &written)
      count += new
      #expect(runs.reduce(0) { $0 + $1.entryCount } == count)
      let mergeable = runs.filter { $0.entryCount < RunFormat.mergedEntryLimit }
      var rest = 0
      for run in mergeable.reversed() {
        #expect(run.entryCount > 2 * rest)
        rest += run.entryCount
      }
    }
    #expect(runs.count <= 15 && written < 15 * count)
  }

  @Test func largeRunsStayAsTheyAre() {
    let large = RunRow(number: 1, entryCount: RunFormat.mergedEntryLimit)
    let small = RunRow(number: 2, entryCount: RunFormat.mergedEntryLimit - 1)
    #expect(RunKeeper.merged([large, large, small]).isEmpty)
    #expect(RunKeeper.merged([large, small, small]) == [small, small])
    #expect(RunKeeper.merged([]).isEmpty && RunKeeper.merged([small]).isEmpty)
  }
}
