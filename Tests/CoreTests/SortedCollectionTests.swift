import Core
import Testing

@Suite struct SortedCollectionTests {
  /// From every index before it on, the place is the one that all of the collection has.
  @Test func aPlaceIsFoundFromWhereverTheSearchBegins() {
    for count in 0..<40 {
      let sorted = (0..<count).map { $0 / 3 }
      for value in -1...count / 3 + 1 {
        let place = sorted.filter { $0 < value }.count
        #expect(sorted.position { $0 < value } == place)
        for start in 0...place { #expect(sorted.position(from: start) { $0 < value } == place) }
        // A slice has the indices of what it is a slice of.
        #expect(sorted[(place / 2)...].position(from: place / 2) { $0 < value } == place)
      }
    }
  }

  /// A place nearby costs few looks, whatever the collection's size.
  @Test func aPlaceNearTheBeginningIsFoundInFewSteps() {
    let sorted = Array(0..<1_000_000)
    for (distance, most) in [(0, 1), (1, 3), (16, 10), (1_000, 21)] {
      var lookCount = 0
      let place = sorted.position(from: 5_000) { element in
        lookCount += 1
        return element < 5_000 + distance
      }
      #expect(place == 5_000 + distance && lookCount <= most)
    }
  }
}
