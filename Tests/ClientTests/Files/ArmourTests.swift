import Client
import Core
import Fixtures
import Testing

@Suite struct ArmourTests {
  static let kind = Armour.Kind("TEST FILE", byteCountLimit: 1_000)

  @Test func roundTripsBodiesOfEveryLength() throws {
    for count in 1...200 {
      let body = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7) }
      for headers in [[], [Armour.Header("kind", "x: y"), Armour.Header("memory-kib", "")]] {
        let armour = Armour(Self.kind, headers: headers, body: body)
        #expect(try Armour(parsing: armour.text, expecting: Self.kind) == armour)
        #expect(try Armour(parsing: Array(armour.text.dropLast()), expecting: Self.kind) == armour)
        #expect(armour.text.split(separator: UInt8(ascii: "\n")).allSatisfy { $0.count <= 76 })
      }
    }
  }

  @Test func looksTheWayItIsDocumented() {
    let armour = Armour(Self.kind, headers: [Armour.Header("name", "ana")], body: [UInt8](repeating: 0, count: 60))
    let expected = """
      -----BEGIN POSTERN TEST FILE-----
      name: ana

      AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
      AAAA
      -----END POSTERN TEST FILE-----

      """
    #expect(String(decoding: armour.text, as: UTF8.self) == expected)
  }

  /// Every byte of the text counts: changed, it gives another file or none, never the same one.
  @Test func noOtherTextIsTheSameFile() throws {
    let armour = Armour(Self.kind, headers: [Armour.Header("name", "bo")], body: Array(0..<120))
    let text = armour.text
    for index in text.indices {
      for value in [UInt8(ascii: "A"), UInt8(ascii: "\n"), UInt8(ascii: " "), UInt8(ascii: "="), 0x80]
      where text[index] != value {
        var changed = text
        changed[index] = value
        #expect((try? Armour(parsing: changed, expecting: Self.kind)) != armour)
      }
      var shorter = text
      shorter.remove(at: index)
      let isLastEnd = index == text.count - 1
      #expect(((try? Armour(parsing: shorter, expecting: Self.kind)) == armour) == isLastEnd)
    }
  }

  @Test func refusesWhatIsNotStrictlyTheFormat() {
    let good = String(decoding: Armour(Self.kind, body: Array(0..<100)).text, as: UTF8.self)
    let refused: [(String, PosternError.Code)] = [
      ("", .armourKind), ("hello", .armourKind), ("\n" + good, .armourKind),
      (good.replacing("TEST FILE", with: "OTHER"), .armourKind),
      (good.replacing("\n", with: "\r\n"), .armourMalformed), (good + "\n", .armourMalformed),
      (good + "more", .armourMalformed), (good.replacing("-----END", with: "----END"), .armourMalformed),
      ("-----BEGIN POSTERN TEST FILE-----\n-----END POSTERN TEST FILE-----\n", .armourMalformed),
      ("-----BEGIN POSTERN TEST FILE-----\n\nAAAA\n-----END POSTERN TEST FILE-----\n", .armourMalformed),
      ("-----BEGIN POSTERN TEST FILE-----\nA: x\n\nAAAA\n-----END POSTERN TEST FILE-----\n", .armourMalformed),
      ("-----BEGIN POSTERN TEST FILE-----\na: x\na: y\n\nAAAA\n-----END POSTERN TEST FILE-----\n", .armourMalformed),
      ("-----BEGIN POSTERN TEST FILE-----\nAAAA\nAAAA\n-----END POSTERN TEST FILE-----\n", .armourMalformed),
      ("-----BEGIN POSTERN TEST FILE-----\nAAA\n-----END POSTERN TEST FILE-----\n", .armourMalformed),
      ("-----BEGIN POSTERN TEST FILE-----\nAAB=\n-----END POSTERN TEST FILE-----\n", .armourMalformed),
    ]
    for (text, expected) in refused {
      #expect(refusal { try Armour(parsing: Array(text.utf8), expecting: Self.kind) }?.code == expected, "\(text)")
    }
    let long = Armour(Self.kind, body: [UInt8](repeating: 1, count: 1_001)).text
    #expect(refusal { try Armour(parsing: long, expecting: Self.kind) }?.code == .fileTooLarge)
  }

  @Test func namesTheKindThatItFound() {
    let text = Armour(Armour.Kind("OTHER", byteCountLimit: 10), body: [1]).text
    do {
      _ = try Armour(parsing: text, expecting: Self.kind)
      Issue.record("another kind was read")
    } catch {
      #expect(error.message == "This is a POSTERN OTHER file, not a TEST FILE file.")
    }
  }
}
