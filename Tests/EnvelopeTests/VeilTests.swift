import Bulk
import Core
import Envelope
import Testing

@Suite struct VeilTests {
  private let council: Council
  private let context = VeilContext(app: SHA256.hash([1]), generation: 3, charterDigest: SHA256.hash([2]))

  init() throws {
    council = try Council(2)
  }

  @Test func everyHolderOpensItsOwnCopy() throws {
    let secret = VeilSecret.random()
    let expected = secret.withUnsafeBytes { Array($0) }
    let veil = Veil(sealing: secret, context: context, members: council.veilKeys, kms: council.kmsVeilKey)
    #expect(veil.bytes.count == 32 + 3 * Veil.copyByteCount)
    let parsed = try Veil(parsing: veil.bytes, memberCount: 2, hasKMS: true)
    #expect(parsed == veil)
    for number in 0..<2 {
      let opened = try parsed.open(.member(number), with: Council.master(number).veilKey(), context: context)
      let bytes = opened.withUnsafeBytes { Array($0) }
      #expect(bytes == expected)
    }
    let opened = try parsed.open(.kms, with: Council.kmsMaster().veilKey(), context: context)
    let bytes = opened.withUnsafeBytes { Array($0) }
    #expect(bytes == expected)
    let key = try Council.master(0).veilKey()
    #expect(refusal { _ = try parsed.open(.member(1), with: key, context: context) } == "veil.sealed")
    #expect(refusal { _ = try parsed.open(.member(2), with: key, context: context) } == "veil.sealed")
    #expect(refusal { _ = try parsed.open(.member(-1), with: key, context: context) } == "veil.sealed")
    for other in [
      VeilContext(app: .zero, generation: 3, charterDigest: context.charterDigest),
      VeilContext(app: context.app, generation: 4, charterDigest: context.charterDigest),
      VeilContext(app: context.app, generation: 3, charterDigest: .zero),
    ] {
      #expect(refusal { _ = try parsed.open(.member(0), with: key, context: other) } == "veil.sealed")
    }
  }

  @Test func bodiesOfAnotherShapeAreRefused() throws {
    let secret = VeilSecret.random()
    let veil = Veil(sealing: secret, context: context, members: council.veilKeys, kms: nil)
    #expect(refusal { _ = try Veil(parsing: veil.bytes, memberCount: 2, hasKMS: true) } == "veil.encoding")
    #expect(refusal { _ = try Veil(parsing: veil.bytes + [0], memberCount: 2, hasKMS: false) } == "veil.encoding")
    #expect(refusal { _ = try Veil(parsing: [], memberCount: 0, hasKMS: false) } == "veil.encoding")
    let key = try Council.kmsMaster().veilKey()
    #expect(refusal { _ = try veil.open(.kms, with: key, context: context) } == "veil.sealed")
    // The X25519 half of the second copy's encapsulation, of low order.
    var bytes = veil.bytes
    let start = 32 + Veil.copyByteCount + 1_088
    bytes.replaceSubrange(start..<start + 32, with: [UInt8](repeating: 0, count: 32))
    #expect(refusal { _ = try Veil(parsing: bytes, memberCount: 2, hasKMS: false) } == "veil.encoding 1")
  }

  @Test func aCopyOfAnotherSecretIsTold() throws {
    let secret = VeilSecret.random()
    let veil = Veil(sealing: secret, context: context, members: council.veilKeys, kms: nil)
    var info: [UInt8] = []
    info.append(string: "postern/v1/veil")
    info.append(context.app)
    info.append(bigEndian: context.generation)
    info.append(context.charterDigest)
    info.append(veil.commit)
    let key = try Council.master(0).veilKey()
    for plaintext in [[UInt8](repeating: 1, count: 32), [UInt8](repeating: 1, count: 31)] {
      var message = plaintext.withUnsafeBytes { SealedMessage.seal($0, to: council.veilKeys[0], info: info) }
      if plaintext.count < 32 { message.removeLast() } else { #expect(message.count == Veil.copyByteCount) }
      var bytes = veil.bytes
      bytes.replaceSubrange(32..<32 + message.count, with: message)
      let lying = try Veil(parsing: bytes, memberCount: 2, hasKMS: false)
      let expected = plaintext.count == 32 ? "veil.commit" : "veil.sealed"
      #expect(refusal { _ = try lying.open(.member(0), with: key, context: context) } == expected)
    }
  }
}
