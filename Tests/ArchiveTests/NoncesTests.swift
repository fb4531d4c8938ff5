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
