import Archive
import Testing

@Suite struct RecentlyUsedTests {
  @Test func theLongestUnusedGoesFirst() {
    let cache = RecentlyUsed<String>(countLimit: 3, costLimit: 100)
    for (key, value) in ["a", "b", "c"].enumerated() { cache.keep(value, cost: 10, for: UInt64(key)) }
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
    let cache = RecentlyUsed<Int>(countLimit: 10, costLimit: 100)
    cache.keep(1, cost: 60, for: 1)
    #expect(cache.hasRoom(for: 40) && !cache.hasRoom(for: 41))
    for _ in 0..<2_000 { _ = cache[9] }
    #expect(cache.hasRoom(for: 100) && !cache.hasRoom(for: 101))
    #expect(cache[1] == 1)
    #expect(!cache.hasRoom(for: 41))
  }
}
