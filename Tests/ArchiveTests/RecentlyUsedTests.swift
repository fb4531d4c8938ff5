import Archive
import Fixtures
import Testing

@Suite struct RecentlyUsedTests {
  @Test func theLongestUnusedGoesFirst() {
    let cache = RecentlyUsed<Int, String>(countLimit: 3, costLimit: 100)
    for (key, value) in ["a", "b", "c"].enumerated() { cache.keep(value, cost: 10, for: key) }
    #expect(cache[0] == "a")
    cache.keep("d", cost: 10, for: 3)
    #expect(cache[1] == nil && cache[0] == "a" && cache[2] == "c" && cache[3] == "d")
    // What costs much pushes out several, and what costs too much none.
    cache.keep("e", cost: 85, for: 4)
    #expect(cache[4] == "e" && cache[3] == "d" && cache[0] == nil && cache[2] == nil)
    cache.keep("f", cost: 101, for: 5)
    #expect(cache[5] == nil && cache[4] == "e")
    // Kept again, a value costs once.
    cache.keep("e", cost: 80, for: 4)
    cache.keep("g", cost: 10, for: 6)
    #expect(cache[4] == "e" && cache[3] == "d" && cache[6] == "g")
    cache.remove(4)
    cache.remove(4)
    #expect(cache[4] == nil)
    cache.keep("h", cost: 80, for: 7)
    #expect(cache[3] == "d" && cache[6] == "g" && cache[7] == "h")
  }

  /// What is in use is not pushed out by whoever asks before.
  @Test func roomIsWhatIsNotInUse() {
    let cache = RecentlyUsed<Int, Int>(countLimit: 10, costLimit: 100)
    cache.keep(1, cost: 60, for: 1)
    #expect(cache.hasRoom(for: 40) && !cache.hasRoom(for: 41))
    for _ in 0..<2_000 { _ = cache[9] }
    #expect(cache.hasRoom(for: 100) && !cache.hasRoom(for: 101))
    #expect(cache[1] == 1)
    #expect(!cache.hasRoom(for: 41))
  }

  /// What was read while something was let go may be out of date, and is not kept.
  @Test func whatIsReadDuringARemovalIsNotKept() {
    let cache = RecentlyUsed<Int, Int>(countLimit: 10, costLimit: 100)
    let stale = cache.value(of: 1) {
      cache.remove(1)
      return 1
    }
    #expect(stale == 1 && cache[1] == nil)
    let other = cache.valueIfAny(of: 1) {
      cache.remove(2)
      return 2
    }
    #expect(other == 2 && cache[1] == nil)
    #expect(cache.valueIfAny(of: 1) { Int?.none } == nil)
    #expect(cache.value(of: 1, cost: { _ in 70 }) { 3 } == 3 && cache[1] == 3)
    #expect(cache.value(of: 1) { 4 } == 3 && !cache.hasRoom(for: 31))
  }

  /// Against a model: a list in the order of use.
  @Test func itIsAListInTheOrderOfUse() {
    var generator = SeededGenerator.printing()
    let cache = RecentlyUsed<Int, Int>(countLimit: 8, costLimit: 60)
    var model: [(key: Int, value: Int, cost: Int)] = []
    for step in 0..<5_000 {
      let key = Int.random(in: 0..<20, using: &generator)
      let known = model.firstIndex { $0.key == key }
      switch Int.random(in: 0..<4, using: &generator) {
      case 0:
        cache.remove(key)
        if let known { model.remove(at: known) }
      case 1:
        let cost = Int.random(in: 0...65, using: &generator)
        cache.keep(step, cost: cost, for: key)
        guard cost <= 60 else { break }
        if let known { model.remove(at: known) }
        while model.count >= 8 || model.reduce(cost, { $0 + $1.cost }) > 60 { model.removeFirst() }
        model.append((key, step, cost))
      default:
        #expect(cache[key] == known.map { model[$0].value })
        if let known { model.append(model.remove(at: known)) }
      }
    }
    #expect((0..<20).allSatisfy { key in cache[key] == model.first { $0.key == key }?.value })
  }
}
