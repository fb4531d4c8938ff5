import Client
import Core
import Fixtures
import Records
import Testing
import Trust

@Suite struct AdmittedEpochTests {
  private static func pending(
    _ fixture: CouncilFixture, _ shown: EpochFields, commitment: Digest?, generation: UInt64
  ) throws -> PendingEpoch {
    let fields = EpochFields(
      number: shown.number, previous: shown.previous, charter: shown.charter, generation: generation,
      stateVersion: shown.stateVersion, commitment: commitment, root: shown.root,
      rootByteCount: shown.rootByteCount, envelope: shown.veil, veil: shown.veil, capsule: shown.capsule)
    let record = Record(
      app: fixture.app, role: .uploader, fields: .epoch(fields), signedBy: try fixture.uploader().signingKey())
    return PendingEpoch(record: record, fields: fields, envelope: [], veil: [], capsule: [])
  }

  /// The receipt of an earlier push may stand for this one only where the two say the same of the state.
  @Test func aReceiptThatSaysSomethingElseOfTheStateIsRefused() async throws {
    let fixture = try await CouncilFixture()
    let receipt = fixture.evidence.receipt
    guard case .epoch(let shown) = try Record(parsing: receipt.proven.leaf).fields else {
      throw PosternError(.pushReceipt, "The fixture has no epoch.", advice: "Look at the fixture.")
    }
    let same = try Self.pending(fixture, shown, commitment: nil, generation: 1)
    #expect(same.leaf != receipt.proven.leaf)
    #expect(try same.admittedFields(in: receipt) == shown)
    for (commitment, generation) in [(Digest.zero, 1), (nil, 2)] as [(Digest?, UInt64)] {
      let other = try Self.pending(fixture, shown, commitment: commitment, generation: generation)
      #expect(refusal { try other.admittedFields(in: receipt) }?.code == "push.receipt")
    }
  }
}
