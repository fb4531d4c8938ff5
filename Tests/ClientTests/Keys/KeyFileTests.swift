import Client
import Core
import Envelope
import Sodium
import Testing

@Suite struct KeyFileTests {
  private static let cheap: Argon2id.Cost = {
    guard let cost = try? Argon2id.Cost(passes: 1, memoryKibibytes: 8) else { return .standard }
    return cost
  }()

  private static func secret(_ text: String) -> SecretBytes {
    var bytes = Array(text.utf8)
    return SecretBytes(consuming: &bytes)
  }

  private static func bytes(_ key: borrowing KeyFile) -> [UInt8] { key.master.withUnsafeBytes { Array($0) } }

  private static func parse(_ text: [UInt8], passphrase: String? = nil) throws(PosternError) -> KeyFile {
    try KeyFile(parsing: text) { () throws(PosternError) in
      guard let passphrase else { throw PosternError("test.asked", "A passphrase was asked for.", advice: "") }
      return secret(passphrase)
    }
  }

  private static func refusal(_ text: [UInt8], passphrase: String? = nil) -> PosternError.Code? {
    do throws(PosternError) {
      _ = try parse(text, passphrase: passphrase)
      return nil
    } catch {
      return error.code
    }
  }

  @Test func keepsItsSecretInAFile() throws {
    for role in HolderRole.allCases {
      let key = try KeyFile.random(role: role, name: "Ana Maria: x")
      let read = try Self.parse(key.text())
      #expect(read.role == role && read.name == key.name && Self.bytes(read) == Self.bytes(key))
    }
  }

  @Test func everyChangeOfAPlainFileIsSeen() throws {
    let key = try KeyFile.random(role: .member, name: "ana")
    let text = key.text()
    for index in text.indices.dropLast() {
      for bit in 0..<7 {
        var changed = text
        changed[index] ^= 1 << UInt8(bit)
        #expect(Self.refusal(changed) != nil, "byte \(index), bit \(bit)")
      }
      #expect(Self.refusal(Array(text[..<index])) != nil)
    }
  }

  @Test func everyChangeOfASealedFileIsSeen() throws {
    let key = try KeyFile.random(role: .kms, name: "kms")
    let text = try key.text(passphrase: Self.secret("open sesame"), cost: Self.cheap)
    let read = try Self.parse(text, passphrase: "open sesame")
    #expect(Self.bytes(read) == Self.bytes(key))
    for index in text.indices.dropLast() {
      for bit in [0, 1, 5] {
        var changed = text
        changed[index] ^= 1 << UInt8(bit)
        // A digit of the cost can turn into a dearer one that is allowed: it then takes its time, and fails.
        guard !String(decoding: changed, as: UTF8.self).contains(/memory-kib: \d{5,}|passes: \d\d/) else { continue }
        #expect(Self.refusal(changed, passphrase: "open sesame") != nil, "byte \(index), bit \(bit)")
      }
    }
  }

  @Test func aWrongPassphraseIsNamed() throws {
    let key = try KeyFile.random(role: .member, name: "ana")
    let text = try key.text(passphrase: Self.secret("right"), cost: Self.cheap)
    #expect(Self.refusal(text, passphrase: "wrong") == .keyPassphrase)
    #expect(Self.refusal(text) == "test.asked")
    #expect(Self.refusal(key.text(), passphrase: nil) == nil)
  }

  @Test func aCostOutsideTheLimitsIsRefusedBeforeItIsPaid() throws {
    let key = try KeyFile.random(role: .member, name: "ana")
    let text = String(decoding: try key.text(passphrase: Self.secret("p"), cost: Self.cheap), as: UTF8.self)
    for (line, other) in [("passes: 1", "passes: 65"), ("memory-kib: 8", "memory-kib: 4194305")] {
      #expect(Self.refusal(Array(text.replacing(line, with: other).utf8), passphrase: "p") == "passphrase.cost")
    }
    for other in ["passes: 01", "passes: +1", "passes: x", "passes: "] {
      #expect(Self.refusal(Array(text.replacing("passes: 1", with: other).utf8), passphrase: "p") == .keyMalformed)
    }
  }

  @Test func namesFollowTheCharter() {
    for name in ["", "a\nb", "a\u{7f}", String(repeating: "é", count: 33)] {
      #expect(refusal(creating: name) == .keyName, "\(name)")
    }
    #expect(refusal(creating: String(repeating: "é", count: 32)) == nil)
  }

  private func refusal(creating name: String) -> PosternError.Code? {
    do throws(PosternError) {
      _ = try KeyFile.random(role: .member, name: name)
      return nil
    } catch {
      return error.code
    }
  }

  @Test func importsWhatAKMSProvisioned() throws {
    let raw = randomBytes(32)
    for given in [raw, Array(raw.hex.utf8), Array((raw.hex.uppercased() + "\n").utf8), raw + [UInt8(ascii: "\n")]] {
      var bytes = given
      let key = try KeyFile.importing(role: .kms, name: "kms", bytes: &bytes)
      #expect(Self.bytes(key) == raw)
      #expect(bytes.isEmpty)
    }
    for given in [[], [UInt8](repeating: 1, count: 31), [UInt8](repeating: UInt8(ascii: "z"), count: 64)] {
      var bytes = given
      #expect(throws: PosternError.self) { _ = try KeyFile.importing(role: .kms, name: "kms", bytes: &bytes) }
    }
    var bytes = raw
    #expect(throws: PosternError.self) { _ = try KeyFile.importing(role: .member, name: "ana", bytes: &bytes) }
  }
}
