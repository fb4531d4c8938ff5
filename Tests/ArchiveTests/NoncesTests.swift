import Archive
import Core
import Fixtures
import Testing

@Suite struct NoncesTests {
  private let nonces = Nonces(lifetimeSeconds: 300)
  private let app: Digest

  init() {
    var generator = SeededGenerator(seed: 1)
    app = generator.digest()
  }

  @Test func aNonceIsGoodOnceInTimeAndForItsApplication() throws {
    for (spentAt, isGood) in [(1_000, true), (1_300, true), (1_301, false), (999, false), (UInt64.max, false)] {
      let nonce = nonces.issue(app: app, nowSeconds: 1_000)
      #expect(refusal { try nonces.spend(nonce, app: .zero, nowSeconds: 1_000) }?.code == .pushNonce)
      #expect((refusal { try nonces.spend(nonce, app: app, nowSeconds: UInt64(spentAt)) } == nil) == isGood)
      if isGood { #expect(refusal { try nonces.spend(nonce, app: app, nowSeconds: 1_001) }?.code == .pushNonce) }
    }
  }

  /// None is forgotten while it is good, however many come after it and whatever the clock does.
  @Test func aSpentNonceStaysSpent() throws {
    for stride: UInt64 in [1, 7, 150, 299, 300, 301] {
      let nonces = Nonces(lifetimeSeconds: 300)
      var spent: [(nonce: Digest, at: UInt64)] = []
      for now in Swift.stride(from: UInt64(10_000), to: 12_000, by: Int(stride)) {
        let nonce = nonces.issue(app: app, nowSeconds: now - min(now % 3, 2))
        try nonces.spend(nonce, app: app, nowSeconds: now)
        spent.append((nonce, now))
        for older in spent where older.at + 300 >= now {
          #expect(refusal { try nonces.spend(older.nonce, app: app, nowSeconds: now) }?.code == .pushNonce)
        }
        // A clock that is set back.
        let early = nonces.issue(app: app, nowSeconds: 5_000)
        try nonces.spend(early, app: app, nowSeconds: 5_000)
        #expect(refusal { try nonces.spend(early, app: app, nowSeconds: 5_000) }?.code == .pushNonce)
      }
    }
  }

  @Test func madeUpNoncesAreRefused() throws {
    let nonce = nonces.issue(app: app, nowSeconds: 1_000)
    for position in 0..<Digest.byteCount {
      var bytes = nonce.bytes
      bytes[position] ^= 1
      let other = try #require(Digest(bytes))
      #expect(refusal { try nonces.spend(other, app: app, nowSeconds: 1_000) }?.code == .pushNonce)
    }
    let latest = try #require(Digest([UInt8](repeating: 0xFF, count: 32)))
    #expect(refusal { try nonces.spend(latest, app: app, nowSeconds: .max) }?.code == .pushNonce)
    #expect(
      refusal { try Nonces(lifetimeSeconds: 300).spend(nonce, app: app, nowSeconds: 1_000) }?.code == .pushNonce)
    try nonces.spend(nonce, app: app, nowSeconds: 1_000)
  }

  @Test func noTwoAreAlike() {
    let issued = (0..<1_000).map { _ in nonces.issue(app: app, nowSeconds: 7) }
    #expect(Set(issued).count == 1_000)
  }
}
