import Client
import Core
import Testing

@Suite struct PublicLineTests {
  @Test func roundTrips() throws {
    for role in HolderRole.allCases {
      for name in ["ana", "Ana Maria", "naïve"] {
        let line = PublicLine(of: try KeyFile.random(role: role, name: name))
        #expect(line.role == role)
        #expect(!line.description.contains("\n"))
        #expect(try PublicLine(parsing: line.description) == line)
        #expect(try PublicLine(parsing: line.description + "\n") == line)
      }
    }
  }

  /// Every byte is under a proof: a line that was changed anywhere is refused.
  @Test func everyMutationIsRefused() throws {
    for role in HolderRole.allCases {
      let line = Array(PublicLine(of: try KeyFile.random(role: role, name: "ana b")).description.utf8)
      // A member's line is long and its check costs two multiplications: take some of its places.
      for index in stride(from: 0, to: line.count, by: line.count > 500 ? 13 : 1) {
        var changed = line
        changed[index] = line[index] == UInt8(ascii: "B") ? UInt8(ascii: "C") : UInt8(ascii: "B")
        #expect(Self.isRefused(changed), "\(role), changed at \(index)")
        changed = line
        changed.remove(at: index)
        #expect(Self.isRefused(changed), "\(role), cut at \(index)")
        changed = line
        changed.insert(UInt8(ascii: " "), at: index)
        #expect(Self.isRefused(changed), "\(role), spaced at \(index)")
      }
      for extra in ["A", "AAAA", " ", "\n\n"] {
        #expect(Self.isRefused(line + Array(extra.utf8)))
      }
    }
    for text in ["", " ", "postern-member1", "postern-kms1 ", "postern-member1 ana", "ssh-ed25519 AAAA bo"] {
      #expect(Self.isRefused(Array(text.utf8)))
    }
  }

  @Test func aProofServesOneRoleAndOneName() throws {
    let key = try KeyFile.random(role: .uploader, name: "tee")
    let line = PublicLine(of: key).description
    #expect(Self.isRefused(Array(line.replacing("postern-uploader1", with: "postern-requester1").utf8)))
    #expect(Self.isRefused(Array(line.replacing(" tee ", with: " eet ").utf8)))
  }

  private static func isRefused(_ line: [UInt8]) -> Bool {
    (try? PublicLine(parsing: String(decoding: line, as: UTF8.self))) == nil
  }
}
