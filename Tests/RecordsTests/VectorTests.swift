import Bulk
import Core
import Envelope
import Fixtures
import Foundation
import Merkle
import Records
import Sodium
import Testing

/// Bytes that were written down once: today's code reads them, and writes the same ones from the same secrets.
@Suite struct VectorTests {
  /// `Schema/vectors/records-leaves.json`.
  private struct Leaves: Codable, Equatable {
    struct Leaf: Codable, Equatable {
      let kind: String
      let leaf: String
      let leafHash: String

      enum CodingKeys: String, CodingKey {
        case kind, leaf
        case leafHash = "leaf_hash"
      }
    }

    let leaves: [Leaf]
    let begin: String
    let recoveryRequest: String
    let recovery: String
    let recoveryAnswer: String

    enum CodingKeys: String, CodingKey {
      case leaves, begin, recovery
      case recoveryRequest = "recovery_request"
      case recoveryAnswer = "recovery_answer"
    }
  }

  /// `Schema/vectors/records-charter.json`.
  private struct Charters: Codable, Equatable {
    struct Body: Codable, Equatable {
      let body: String
      let digest: String
      let policyDigest: String
      let signatures: String

      enum CodingKeys: String, CodingKey {
        case body, digest, signatures
        case policyDigest = "policy_digest"
      }
    }

    let charters: [Body]
  }

  private let setting: Setting

  init() throws { setting = try Setting() }

  private func stored<File: Decodable>(_ name: String) throws -> File {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Schema/vectors")
    return try JSONDecoder().decode(File.self, from: Data(contentsOf: folder.appending(path: name)))
  }

  private func madeLeaves() throws -> Leaves {
    var generator = SeededGenerator(seed: 21)
    let begin = Begin(
      app: setting.app, epoch: 2, previous: generator.digest(), generation: 1, budgetByteCount: 1 << 30,
      nonce: generator.digest(), signedBy: try setting.council.uploader())
    let request = try RecoveryBodiesTests.request(setting, nextUploader: true)
    let answer = RecoveryAnswer(
      recovery: request.recovery, member: 1, envelope: request.envelope, sealedReleases: generator.bytes(70),
      sealedVeilSecret: generator.bytes(50))
    return Leaves(
      leaves: try setting.records().map { kind, record in
        Leaves.Leaf(kind: kind, leaf: record.leaf.hex, leafHash: TreeHash.leaf(record.leaf).hex)
      },
      begin: begin.bytes.hex, recoveryRequest: request.body.hex, recovery: request.recovery.hex,
      recoveryAnswer: answer.body.hex)
  }

  private func madeCharters() throws -> Charters {
    var kmsOnly = setting.charter
    kmsOnly.recovery = nil
    kmsOnly.requesters = []
    var councilOnly = setting.charter
    councilOnly.kms = nil
    return Charters(
      charters: try [setting.charter, kmsOnly, councilOnly].map { charter in
        Charters.Body(
          body: charter.body.hex, digest: charter.digest.hex, policyDigest: charter.policyDigest.hex,
          signatures: try setting.council.registration(of: charter).signatures.hex)
      })
  }

  @Test func leavesAreStillTheSame() throws {
    let leaves: Leaves = try stored("records-leaves.json")
    #expect(leaves == (try madeLeaves()))
    for leaf in leaves.leaves {
      let bytes = try #require([UInt8](hex: leaf.leaf))
      let record = try Record(parsing: bytes)
      try record.verifySignature()
      #expect(record.leaf == bytes && TreeHash.leaf(bytes).hex == leaf.leafHash)
    }
    _ = try Begin(verifying: try #require([UInt8](hex: leaves.begin)))
    let request = try RecoveryRequest(parsing: try #require([UInt8](hex: leaves.recoveryRequest)))
    let answer = try RecoveryAnswer(parsing: try #require([UInt8](hex: leaves.recoveryAnswer)))
    #expect(request.recovery.hex == leaves.recovery && answer.recovery == request.recovery)
  }

  @Test func chartersAreStillTheSame() throws {
    let charters: Charters = try stored("records-charter.json")
    #expect(charters == (try madeCharters()))
    for vector in charters.charters {
      let charter = try Charter(parsing: try #require([UInt8](hex: vector.body)))
      try charter.validate()
      #expect(charter.digest.hex == vector.digest && charter.policyDigest.hex == vector.policyDigest)
      try CharterSignatures(parsing: try #require([UInt8](hex: vector.signatures))).verify(charter)
    }
  }
}
