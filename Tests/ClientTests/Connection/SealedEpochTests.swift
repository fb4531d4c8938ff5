import Client
import Core
import Fixtures
import Merkle
import Records
import Testing
import Trust

/// What `postern verify epoch` rests on: an epoch whose record is good, and whose envelope an uploader spoiled.
@Suite struct SealedEpochTests {
  /// Where the parts of a leaf begin in the fixture's envelope: two bytes, the root, the KMS door, and the positions in
  /// the policy's order, a gate with 32 bytes and a leaf with 128.
  private static let kmsProof = 2 + 32 + 32
  private static let leaves = [130, 258, 418, 546]

  /// Reads the fixture's epoch as a client reads an archive's answers.
  private func open(_ fixture: CouncilFixture) async throws -> SealedEpoch {
    let evidence = fixture.evidence
    let registration = try fixture.charterFile.registration(by: fixture.member("ana"))
    let epoch = evidence.receipt.proven
    let charter = ProvenLeaf(index: 0, leaf: registration.leaf, path: [TreeHash.leaf(epoch.leaf)])
    let application = try await VerifiedApplication(
      app: fixture.app, note: evidence.receipt.proof.note.bytes, charter: charter, epoch: epoch,
      charterBody: evidence.charter, signaturesBody: evidence.charterSignatures)
    return try await SealedEpoch(
      application: application, envelopeBody: evidence.envelope, veilBody: evidence.veil, capsule: [2])
  }

  @Test func aGoodEnvelopeIsVerified() async throws {
    let fixture = try await CouncilFixture()
    #expect(try await open(fixture).envelopeBody == fixture.evidence.envelope)
  }

  @Test func aFalseEnvelopeIsRefusedWithItsGateOrLeaf() async throws {
    for (number, offset) in Self.leaves.enumerated() {
      let spoilt = try await CouncilFixture { $0[offset + 64] ^= 1 }
      let error = await refusal { try await open(spoilt) }
      #expect(error?.code == "envelope.leaf" && error?.index == number)
    }
    for (gate, pair) in [(0, [0, 1]), (1, [2, 3])] {
      let spoilt = try await CouncilFixture { envelope in
        let (one, other) = (Self.leaves[pair[0]], Self.leaves[pair[1]])
        for byte in 0..<32 { envelope.swapAt(one + byte, other + byte) }
      }
      let error = await refusal { try await open(spoilt) }
      #expect(error?.code == "envelope.gate" && error?.index == gate)
    }
    let spoilt = try await CouncilFixture { $0[Self.kmsProof] ^= 1 }
    #expect(await refusal { try await open(spoilt) }?.code == "envelope.kms")
  }
}
