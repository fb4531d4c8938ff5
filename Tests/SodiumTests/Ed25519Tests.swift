import Core
import Sodium
import Testing

@Suite struct Ed25519Tests {
  @Test func knownAnswers() throws {
    // RFC 8032, section 7.1, tests 1 and 2: seed, key, message, signature.
    let cases = [
      (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
      ),
      (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
      ),
    ]
    for (seed, publicKey, message, expected) in cases {
      var seedBytes = try #require([UInt8](hex: seed))
      let key = SigningKey(seed: SecretBytes(consuming: &seedBytes))
      let verificationKey = key.verificationKey
      #expect(verificationKey.bytes.hex == publicKey)
      let messageBytes = try #require([UInt8](hex: message))
      let signature = key.sign(messageBytes)
      #expect(signature.bytes.hex == expected)
      #expect(verificationKey.verifies(signature, over: messageBytes))
      #expect(!verificationKey.verifies(signature, over: messageBytes + [0]))
    }
  }

  @Test func theOrderAddedToSIsRefused() throws {
    let key = SigningKey(seed: .random(count: 32))
    let verificationKey = key.verificationKey
    let signature = key.sign([1, 2, 3])
    let order = try #require(
      [UInt8](hex: "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"))
    var bytes = signature.bytes
    var carry = 0
    for index in 0..<32 {
      let sum = Int(bytes[32 + index]) + Int(order[index]) + carry
      bytes[32 + index] = UInt8(sum & 255)
      carry = sum >> 8
    }
    let mauled = try #require(Signature(bytes))
    #expect(verificationKey.verifies(signature, over: [1, 2, 3]))
    #expect(!verificationKey.verifies(mauled, over: [1, 2, 3]))
    // A key of small order signs everything.
    let small = try #require(VerificationKey([UInt8](repeating: 0, count: 32)))
    #expect(!small.verifies(try #require(Signature([UInt8](repeating: 0, count: 64))), over: []))
    #expect(Signature(signature.bytes.dropLast()) == nil)
    #expect(VerificationKey([1]) == nil)
  }
}
