import Core
import Sodium
import Testing

@Suite struct Argon2idTests {
  @Test func knownAnswers() throws {
    // Computed with another implementation (OpenSSL's, one lane).
    let cases: [(passphrase: [UInt8], passes: UInt32, kibibytes: UInt32, key: String)] = [
      (
        Array("correct horse battery staple".utf8), 3, 256,
        "19bc829fd8a9a5a984947bccf2f0e74cb99b546ddfd455123d6807772aaf4c1d"
      ),
      (
        [0], 1, 1_024,
        "908172a35f3a9110b9a23ecf3825de7928800acad10ae23ca45ad78d91129f7b"
          + "c0ee014e67a21b774421ec49fa3262f214df262fd1931800254560deb7878fda"
      ),
    ]
    for item in cases {
      var passphrase = item.passphrase
      let key = try Argon2id.derive(
        passphrase: SecretBytes(consuming: &passphrase), salt: Array(0..<16),
        cost: Argon2id.Cost(passes: item.passes, memoryKibibytes: item.kibibytes), byteCount: item.key.count / 2)
      let hex = key.withUnsafeBytes { Array($0) }.hex
      #expect(hex == item.key)
    }
  }

  @Test func costsOutsideTheLimitsAreRefused() {
    let costs: [(UInt32, UInt32)] = [(0, 1_024), (65, 1_024), (1, 7), (1, 4 << 20 + 1), (.max, .max)]
    for (passes, kibibytes) in costs {
      #expect {
        _ = try Argon2id.Cost(passes: passes, memoryKibibytes: kibibytes)
      } throws: {
        ($0 as? PosternError)?.code == .passphraseCost
      }
    }
    #expect(Argon2id.Cost.standard.memoryKibibytes == 262_144)
  }
}
