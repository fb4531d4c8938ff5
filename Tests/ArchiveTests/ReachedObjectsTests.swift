import Archive
import Fixtures
import Testing

/// Which objects a tree reaches, against sets.
@Suite struct ReachedObjectsTests {
  /// Offsets of objects of at least 16 bytes, so close together that a page becomes bits, or far apart.
  @Test(arguments: [16, 20, 300, 20_000]) func placesAreKeptAsASetKeepsThem(_ step: Int) {
    var generator = SeededGenerator.printing()
    var offset: UInt64 = 64
    let places = (0..<20_000).map { _ in
      offset += UInt64(Int.random(in: step...step + 15, using: &generator))
      return ObjectPlace(pack: UInt64.random(in: 1...2, using: &generator), offset: offset)
    }
    var reached = ReachedObjects()
    var model: Set<ObjectPlace> = []
    for _ in 0..<30_000 {
      let place = places[Int.random(in: 0..<places.count, using: &generator)]
      #expect(reached.insert(place, level: 0) == model.insert(place).inserted)
    }
    #expect(places.allSatisfy { reached.contains($0) == model.contains($0) })
    for pack in UInt64(1)...3 { #expect(reached.count(inPack: pack) == model.count { $0.pack == pack }) }
  }

  @Test func oneObjectStandsAtOneLevel() {
    var reached = ReachedObjects()
    let place = ObjectPlace(pack: 1, offset: 64)
    #expect(reached.insert(place, level: 2) == true)
    #expect(reached.insert(place, level: 2) == false)
    #expect(reached.insert(place, level: 1) == nil)
    #expect(reached.insert(ObjectPlace(pack: 2, offset: 64), level: 1) == true)
    #expect(reached.count(inPack: 1) == 1 && reached.count(inPack: 2) == 1)
  }
}
