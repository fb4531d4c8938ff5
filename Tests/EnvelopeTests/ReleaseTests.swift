import Core
import Envelope
import Testing

@Suite struct ReleaseTests {
  private let council: Council
  private let envelope: VerifiedEnvelope
  private let other: VerifiedEnvelope

  init() throws {
    council = try Council(3)
    let policy = try council.flat(2)
    let context = try council.context(policy, kms: nil)
    envelope = try Envelope(parsing: Envelope.deal(context: context).transcript, context: context).verify()
    other = try Envelope(parsing: Envelope.deal(context: context).transcript, context: context).verify()
  }

  @Test func everyBitOfAReleaseCounts() throws {
    let release = try envelope.release(leaf: 1, with: Council.master(1).shardKey())
    _ = try envelope.verify(release, leaf: 1)
    let good = release.withUnsafeBytes { Array($0) }
    for bit in 0..<good.count * 8 {
      var bytes = good
      bytes[bit / 8] ^= 1 << (bit % 8)
      let mauled = try #require(bytes.withUnsafeBytes { Release($0) })
      #expect(refusal { _ = try envelope.verify(mauled, leaf: 1) } == "release.false 1", "bit \(bit)")
    }
    for count in [0, 95, 97] {
      #expect([UInt8](repeating: 1, count: count).withUnsafeBytes { Release($0) } == nil)
    }
  }

  @Test func aReleaseIsOfOneLeafOfOneEnvelope() throws {
    let key = try Council.master(1).shardKey()
    let release = try envelope.release(leaf: 1, with: key)
    #expect(refusal { _ = try envelope.verify(release, leaf: 0) } == "release.false 0")
    #expect(refusal { _ = try envelope.verify(release, leaf: 3) } == "release.false 3")
    #expect(refusal { _ = try envelope.verify(release, leaf: -1) } == "release.false -1")
    #expect(refusal { _ = try other.verify(release, leaf: 1) } == "release.false 1")
    #expect(refusal { _ = try envelope.release(leaf: 0, with: key) } == "envelope.key 0")
    #expect(refusal { _ = try envelope.release(leaf: 3, with: key) } == "envelope.key 3")
    #expect(refusal { _ = try envelope.openKMSDoor(with: key) } == "envelope.key")
  }

  @Test func onlyReleasesOfThisEnvelopeAreCombined() throws {
    let own = try council.releases(envelope)
    let foreign = try council.releases(other)
    #expect(refusal { _ = try envelope.combine([own[0], foreign[1]]) } == "release.foreign 1")
    #expect(refusal { _ = try envelope.combine([own[0], own[0]]) } == "envelope.unsatisfied")
    #expect(bytes(try envelope.combine([own[0], own[1]])) == bytes(try envelope.combine([own[2], own[1]])))
    #expect(bytes(try other.combine(foreign)) != bytes(try envelope.combine(own)))
  }

  @Test func theCapsuleKeyNeedsBothSecrets() throws {
    let own = try council.releases(envelope)
    let secret = try envelope.combine(own)
    let veil = VeilSecret.random()
    let key = keyBytes(secret.capsuleKey(veil: veil, envelope: envelope.digest))
    #expect(key == keyBytes(secret.capsuleKey(veil: veil.copy(), envelope: envelope.digest)))
    #expect(key != keyBytes(secret.capsuleKey(veil: .random(), envelope: envelope.digest)))
    #expect(key != keyBytes(secret.capsuleKey(veil: veil, envelope: other.digest)))
  }

  private func keyBytes(_ key: borrowing CapsuleKey) -> [UInt8] { key.withUnsafeBytes { Array($0) } }
}
