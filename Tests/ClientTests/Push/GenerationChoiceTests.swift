import Client
import Core
import Sodium
import Testing

@Suite struct GenerationChoiceTests {
  private let charter = Digest(randomBytes(32)) ?? .zero
  private let veil = Digest(randomBytes(32)) ?? .zero

  private func choose(
    _ holding: (number: UInt64, veil: Digest)?, _ newest: UInt64?, opensNext: Bool = false, charter: Digest? = nil
  ) -> GenerationChoice {
    GenerationChoice(
      holding: holding.map { .init(number: $0.number, charter: self.charter, veil: $0.veil) },
      newest: newest.map { .init(number: $0, veil: veil) }, next: (newest ?? 0) + 1, charter: charter ?? self.charter,
      opensNext: opensNext)
  }

  @Test func opensTheFirstAndGoesOn() {
    #expect(choose(nil, nil) == .opening(1))
    #expect(choose((1, veil), nil) == .held)
    #expect(choose((1, veil), 1) == .held)
    #expect(choose((2, .zero), 1) == .held)
    #expect(choose(nil, 1) == .opening(2))
  }

  @Test func opensTheNextWhereItsOwnIsOver() {
    // Another uploader opened a generation of the same number, or a later one.
    #expect(choose((1, .zero), 1) == .opening(2))
    #expect(choose((1, veil), 2) == .opening(3))
    // An older archive, or another one.
    #expect(choose((5, veil), 1) == .opening(2))
    #expect(choose((5, veil), nil) == .opening(1))
    // A veil binds the charter that its generation opened under.
    #expect(choose((1, veil), 1, charter: .zero) == .opening(2))
    #expect(choose((1, veil), nil, charter: .zero) == .opening(1))
  }

  @Test func opensTheNextWhenItIsToldTo() {
    #expect(choose((1, veil), 1, opensNext: true) == .opening(2))
    #expect(choose((2, .zero), 1, opensNext: true) == .held)
  }

  @Test func saysWhyItOpenedOne() {
    func why(
      _ holding: (number: UInt64, veil: Digest)?, _ newest: UInt64?, opensNext: Bool = false, charter: Digest? = nil
    ) -> GenerationOpening {
      GenerationOpening(
        holding: holding.map { .init(number: $0.number, charter: self.charter, veil: $0.veil) },
        newest: newest.map { .init(number: $0, veil: veil) }, charter: charter ?? self.charter, opensNext: opensNext)
    }
    #expect(why(nil, nil) == .first)
    #expect(why(nil, nil, opensNext: true) == .first)
    #expect(why((1, veil), 1, opensNext: true) == .asked)
    #expect(why((1, veil), 1, charter: .zero) == .charter)
    #expect(why(nil, 1) == .notHeld)
    #expect(why((1, .zero), 1) == .notHeld)
    #expect(why((1, veil), 2) == .notHeld)
    #expect(why((1, .zero), 1, charter: .zero) == .notHeld)
    // What a push that was cut off prepared.
    #expect(why((2, .zero), 1) == .cutOff)
    #expect(why((2, .zero), 1, opensNext: true) == .asked)
    #expect(why((2, .zero), 1, charter: .zero) == .notHeld)
    #expect(why((3, .zero), 1) == .notHeld)
  }
}
