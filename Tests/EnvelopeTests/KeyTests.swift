import Bulk
import Core
import Envelope
import Sodium
import Testing

@Suite struct KeyTests {
  @Test func secretsHaveOneLength() {
    for count in [0, 31, 33] {
      var bytes = [UInt8](repeating: 7, count: count)
      #expect(refusal { _ = try MasterSecret(consuming: &bytes) } == "key.length")
      #expect(bytes.isEmpty)
      bytes = [UInt8](repeating: 7, count: count)
      #expect(refusal { _ = try VeilSecret(consuming: &bytes) } == "key.length")
      bytes = [UInt8](repeating: 7, count: count)
      #expect(refusal { _ = try RecoverySecret(consuming: &bytes) } == "key.length")
    }
    let first = MasterSecret.random().shardKey().publicKey
    let second = MasterSecret.random().shardKey().publicKey
    #expect(first != second)
  }

  @Test func aSecretComesBackAsItWent() throws {
    var bytes = Array(UInt8(0)..<32)
    let master = try MasterSecret(consuming: &bytes)
    let kept = master.withUnsafeBytes { Array($0) }
    #expect(kept == Array(0..<32))
    let signature = master.signingKey().sign([1])
    let verifies = master.signingKey().verificationKey.verifies(signature, over: [1])
    #expect(verifies)
  }

  /// What `Schema/keys.md` says of the labels `signing` and `state`, so that files outlive this program.
  @Test func keysAreDerivedAsTheSchemaSays() throws {
    var bytes = Array(UInt8(0)..<32)
    let master = try MasterSecret(consuming: &bytes)
    func derived(_ label: String) -> SecretBytes {
      var info: [UInt8] = []
      info.append(string: "postern/v1/key/\(label)")
      return SecretBytes(count: 32) { output in
        Array(UInt8(0)..<32).withUnsafeBytes { HKDF.derive(inputKey: $0, info: info, into: output) }
      }
    }
    let isStateSecret = master.stateSecret().equals(derived("state"))
    #expect(isStateSecret)
    #expect(SigningKey(seed: derived("signing")).verificationKey == master.signingKey().verificationKey)
  }

  @Test func possessionBindsNameAndKeys() throws {
    let identity = MemberIdentity(name: "ana", master: try Council.master(0))
    let other = MemberIdentity(name: "bo", master: try Council.master(1))
    try identity.verifyPossession()
    let mauled = [
      changed(identity, name: "Ana"), changed(identity, signingKey: other.signingKey),
      changed(identity, shardKey: other.shardKey), changed(identity, veilKey: other.veilKey),
      changed(identity, possession: other.possession),
    ]
    for identity in mauled { #expect(refusal { try identity.verifyPossession() } == "key.possession") }
    for bit in 0..<PossessionProof.byteCount * 8 {
      var bytes = identity.possession.bytes
      bytes[bit / 8] ^= 1 << (bit % 8)
      guard let proof = PossessionProof(bytes) else { continue }
      #expect(refusal { try changed(identity, possession: proof).verifyPossession() } == "key.possession")
    }
    #expect(PossessionProof(identity.possession.bytes) == identity.possession)
    #expect(PossessionProof(identity.possession.bytes.dropLast()) == nil)
    #expect(PossessionProof([UInt8](repeating: 0xff, count: 64)) == nil)
  }

  @Test func aMembersProofIsNoKMSProof() throws {
    let kms = KMSIdentity(master: try Council.kmsMaster())
    try kms.verifyPossession()
    let member = MemberIdentity(name: "kms", master: try Council.kmsMaster())
    #expect(member.shardKey == kms.shardKey)
    #expect(refusal { try changed(member, possession: kms.possession).verifyPossession() } == "key.possession")
    let swapped = KMSIdentity(shardKey: kms.shardKey, veilKey: kms.veilKey, possession: member.possession)
    #expect(refusal { try swapped.verifyPossession() } == "key.possession")
    let otherVeil = KMSIdentity(
      shardKey: kms.shardKey, veilKey: try Council.master(0).veilKey().publicKey, possession: kms.possession)
    #expect(refusal { try otherVeil.verifyPossession() } == "key.possession")
  }

  @Test func recipientKeysAreChecked() throws {
    let key = try Council.master(0).veilKey().publicKey
    #expect(try VeilPublicKey(key.bytes) == key)
    #expect(refusal { _ = try VeilPublicKey(key.bytes.dropLast()) } == "key.veil")
    #expect(refusal { _ = try VeilPublicKey(key.bytes + [0]) } == "key.veil")
    // 3,329 as the first and as the second coefficient of a triple, at either end.
    for start in [0, 1_149] {
      var bytes = key.bytes
      bytes[start] = 0x01
      bytes[start + 1] = bytes[start + 1] & 0xf0 | 0x0d
      #expect(refusal { _ = try VeilPublicKey(bytes) } == "key.veil")
      bytes = key.bytes
      bytes[start + 1] = bytes[start + 1] & 0x0f | 0x10
      bytes[start + 2] = 0xd0
      #expect(refusal { _ = try VeilPublicKey(bytes) } == "key.veil")
      // 3,328 is allowed.
      bytes = key.bytes
      bytes[start] = 0x00
      bytes[start + 1] = 0x0d
      bytes[start + 2] = 0xd0
      #expect(refusal { _ = try VeilPublicKey(bytes) } == nil)
    }
    let lowOrder = Array(key.bytes.prefix(1_184)) + [1] + [UInt8](repeating: 0, count: 31)
    #expect(refusal { _ = try VeilPublicKey(lowOrder) } == "key.veil")
    #expect(ShardPublicKey([UInt8](repeating: 0, count: 32)) == nil)
  }

  private func changed(
    _ identity: MemberIdentity, name: String? = nil, signingKey: VerificationKey? = nil,
    shardKey: ShardPublicKey? = nil, veilKey: VeilPublicKey? = nil, possession: PossessionProof? = nil
  ) -> MemberIdentity {
    MemberIdentity(
      name: name ?? identity.name, signingKey: signingKey ?? identity.signingKey,
      shardKey: shardKey ?? identity.shardKey, veilKey: veilKey ?? identity.veilKey,
      possession: possession ?? identity.possession)
  }
}
