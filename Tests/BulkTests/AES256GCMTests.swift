import Bulk
import Core
import Testing

@Suite struct AES256GCMTests {
  private struct Case {
    let key: String
    let nonce: String
    let message: String
    let associatedData: String
    let sealed: String
  }

  private static let longMessage =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
  private static let longCiphertext =
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
  private static let longKey = String(repeating: "feffe9928665731c6d6a8f9467308308", count: 2)

  /// Test cases 13 to 16 of the GCM specification that NIST SP 800-38D rests on: the AES-256 ones with
  /// nonces of 96 bits.
  private static let cases = [
    Case(
      key: String(repeating: "0", count: 64), nonce: String(repeating: "0", count: 24), message: "",
      associatedData: "", sealed: "530f8afbc74536b9a963b4f1c4cb738b"),
    Case(
      key: String(repeating: "0", count: 64), nonce: String(repeating: "0", count: 24),
      message: String(repeating: "0", count: 32), associatedData: "",
      sealed: "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"),
    Case(
      key: longKey, nonce: "cafebabefacedbaddecaf888", message: longMessage, associatedData: "",
      sealed: longCiphertext + "b094dac5d93471bdec1a502270e3cc6c"),
    Case(
      key: longKey, nonce: "cafebabefacedbaddecaf888", message: String(longMessage.prefix(120)),
      associatedData: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      sealed: longCiphertext.prefix(120) + "76fc6ece0f4e1768cddf8853bb2d551b"),
  ]

  private struct Bytes {
    let key: [UInt8]
    let nonce: [UInt8]
    let message: [UInt8]
    let associatedData: [UInt8]
    let sealed: [UInt8]

    init(_ example: Case) throws {
      key = try #require([UInt8](hex: example.key))
      nonce = try #require([UInt8](hex: example.nonce))
      message = try #require([UInt8](hex: example.message))
      associatedData = try #require([UInt8](hex: example.associatedData))
      sealed = try #require([UInt8](hex: example.sealed))
    }

    func seal(with cipher: inout AES256GCM) -> [UInt8] {
      var output = [UInt8](repeating: 0xEE, count: message.count + AES256GCM.tagByteCount)
      key.withUnsafeBytes { key in
        associatedData.withUnsafeBytes { data in
          message.withUnsafeBytes { message in
            output.withUnsafeMutableBytes {
              cipher.seal(message, key: key, nonce: nonce, associatedData: data, into: $0)
            }
          }
        }
      }
      return output
    }

    func open(_ sealed: [UInt8], data: [UInt8]? = nil, with cipher: inout AES256GCM) -> [UInt8]? {
      var output = [UInt8](repeating: 0xEE, count: sealed.count - AES256GCM.tagByteCount)
      let opens = key.withUnsafeBytes { key in
        (data ?? associatedData).withUnsafeBytes { data in
          sealed.withUnsafeBytes { sealed in
            output.withUnsafeMutableBytes {
              cipher.open(sealed, key: key, nonce: nonce, associatedData: data, into: $0)
            }
          }
        }
      }
      #expect(opens || output.allSatisfy { $0 == 0 })
      return opens ? output : nil
    }
  }

  /// One context for all of them, in every order of two and in both directions: it takes each new key and
  /// nonce, and nothing stays of the one before.
  @Test func matchesThePublishedExamplesInOneContext() throws {
    var cipher = AES256GCM()
    for first in Self.cases {
      for second in Self.cases {
        for example in [try Bytes(first), try Bytes(second)] {
          let sealed = [example.seal(with: &cipher), example.seal(with: &cipher)]
          #expect(sealed == [example.sealed, example.sealed])
          let opened = [example.open(example.sealed, with: &cipher), example.open(example.sealed, with: &cipher)]
          #expect(opened == [example.message, example.message])
        }
      }
    }
  }

  @Test func refusesEveryChangedBitAndGoesOn() throws {
    var cipher = AES256GCM()
    let example = try Bytes(Self.cases[3])
    for place in example.sealed.indices {
      for bit in 0..<8 {
        var sealed = example.sealed
        sealed[place] ^= 1 << bit
        let opened = example.open(sealed, with: &cipher)
        #expect(opened == nil)
      }
    }
    for data in [[], [0] + example.associatedData, Array(example.associatedData.dropLast())] {
      let opened = example.open(example.sealed, data: data, with: &cipher)
      #expect(opened == nil)
    }
    let opened = example.open(example.sealed, with: &cipher)
    #expect(opened == example.message)
  }

  @Test func worksInPlace() throws {
    var cipher = AES256GCM()
    let example = try Bytes(Self.cases[3])
    var memory = example.message + [UInt8](repeating: 0, count: AES256GCM.tagByteCount)
    example.key.withUnsafeBytes { key in
      example.associatedData.withUnsafeBytes { data in
        memory.withUnsafeMutableBytes { memory in
          let message = UnsafeRawBufferPointer(rebasing: memory[..<example.message.count])
          cipher.seal(message, key: key, nonce: example.nonce, associatedData: data, into: memory)
          #expect(memory.elementsEqual(example.sealed))
          let output = UnsafeMutableRawBufferPointer(rebasing: memory[..<example.message.count])
          let sealed = UnsafeRawBufferPointer(memory)
          let opens = cipher.open(sealed, key: key, nonce: example.nonce, associatedData: data, into: output)
          #expect(opens)
          #expect(output.elementsEqual(example.message))
        }
      }
    }
  }
}
