import Bulk
import Core
import Testing

@Suite struct GMACTests {
  private static let key = [UInt8](repeating: 1, count: AES256GCM.keyByteCount)

  /// The tags of some messages, all in one context.
  private func tags(_ messages: [[UInt8]], key: [UInt8] = GMACTests.key) -> [String] {
    key.withUnsafeBytes { key in
      var hash = GMAC(key: key)
      return messages.map { message in
        var tag = [UInt8](repeating: 0, count: GMAC.byteCount)
        message.withUnsafeBytes { message in tag.withUnsafeMutableBytes { hash.tag(of: message, into: $0) } }
        return tag.hex
      }
    }
  }

  /// What `openssl mac -cipher AES-256-GCM -macopt hexkey:… -macopt hexiv:000000000000000000000000 GMAC` prints.
  @Test func isWhatOthersCompute() {
    #expect(
      tags([Array("fingerprint me".utf8), [UInt8](repeating: 0, count: 16_384)]) == [
        "9c1975296e8744d096da0dcbc506b52a", "4488860f5fc433ae22bf4ac88464393f",
      ])
  }

  /// Case 13 of the GCM specification: nothing, under a key of zeros.
  @Test func ofNothing() {
    let key = [UInt8](repeating: 0, count: AES256GCM.keyByteCount)
    #expect(tags([[], [1], []], key: key).filter { $0 == "530f8afbc74536b9a963b4f1c4cb738b" }.count == 2)
  }

  /// A context that is used again gives the tag that the cipher gives for associated data alone.
  @Test func isTheCiphersTag() {
    var cipher = AES256GCM()
    let messages = [1, 15, 16, 17, 4_096, 65_535].map { byteCount in
      (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ byteCount) }
    }
    for (message, tag) in zip(messages, tags(messages)) {
      var sealed = [UInt8](repeating: 0, count: AES256GCM.tagByteCount)
      Self.key.withUnsafeBytes { key in
        message.withUnsafeBytes { message in
          sealed.withUnsafeMutableBytes { sealed in
            cipher.seal(UnsafeRawBufferPointer(start: nil, count: 0), key: key, associatedData: message, into: sealed)
          }
        }
      }
      #expect(tag == sealed.hex, "\(message.count) bytes")
    }
  }
}
