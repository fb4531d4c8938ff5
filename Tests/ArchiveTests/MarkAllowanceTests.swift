import Archive
import Fixtures
import Testing

/// Marks that nothing was added for take a small share of the time, however often they are due and however long they
/// take.
@Suite struct MarkAllowanceTests {
  @Test func marksTakeASmallShareOfTheTime() {
    var generator = SeededGenerator.printing()
    let start = ContinuousClock.now
    var now = start
    var allowance = MarkAllowance(at: now)
    var (spent, longest) = (Duration.zero, Duration.zero)
    for _ in 0..<20_000 {
      now += .milliseconds(Int.random(in: 0...5_000, using: &generator))
      guard allowance.isLeft(at: now) else { continue }
      let mark = Duration.milliseconds(
        Int.random(in: 1...(Bool.random(using: &generator) ? 100 : 30_000), using: &generator))
      allowance.spend(mark)
      now += mark
      spent += mark
      longest = max(longest, mark)
      #expect(spent <= (now - start) / 32 + .seconds(4) + longest)
    }
    // And they get it.
    #expect(spent >= (now - start) / 40)
  }

  @Test func aLongMarkIsPaidForBeforeTheNext() {
    let start = ContinuousClock.now
    var allowance = MarkAllowance(at: start)
    let isLeftAtFirst = allowance.isLeft(at: start)
    allowance.spend(.seconds(14))
    let areLeft = [320, 321].map { allowance.isLeft(at: start + .seconds($0)) }
    #expect(isLeftAtFirst && areLeft == [false, true])
  }
}
