import Client
import Core
import Envelope
import Fixtures
import Merkle
import Records
import Sodium
import Testing
import Trust

@Suite struct VerifiedViewTests {
  @Test func provesWhatIsThere() async throws {
    try await ArchiveFixture.run { fixture, archive in
      let described = try await archive.describe()
      #expect(described.verifier == fixture.charter.home && described.version == "test")
      let memory = CheckpointMemory(folder: fixture.file("memory"))
      let empty = try await archive.verified(app: fixture.app, memory: memory)
      #expect(empty.epoch == nil && empty.charter == fixture.charter)
      #expect(await refusal { try await archive.sealedEpoch(of: empty) }?.code == .viewNoEpoch)

      for state in [[1], [2], [3]] as [[UInt8]] { try await fixture.push(state, over: archive) }
      let newest = try await archive.verified(app: fixture.app, memory: memory)
      #expect(newest.epoch?.fields.number == 3 && newest.checkpoint.checkpoint.size == 4)
      let second = try await archive.verified(app: fixture.app, epoch: 2, memory: memory)
      #expect(second.epoch?.fields.number == 2)
      let first = try await archive.verified(app: fixture.app, epoch: 1, memory: memory)
      try first.epoch?.requireSuccessor(of: nil)
      try second.epoch?.requireSuccessor(of: first.epoch)
      try newest.epoch?.requireSuccessor(of: second.epoch)
      #expect(refusal { try second.epoch?.requireSuccessor(of: nil) }?.code == "epoch.skipped")
      #expect(refusal { try newest.epoch?.requireSuccessor(of: first.epoch) }?.code == "epoch.skipped")
      #expect(refusal { try first.epoch?.requireSuccessor(of: second.epoch) }?.code == "epoch.taken")
      let receipt = try second.epoch?.receipt(under: second.checkpoint)
      _ = try receipt?.verify(log: fixture.charter.home)
      #expect(await refusal { try await archive.verified(app: fixture.app, epoch: 9, memory: memory) } != nil)
      #expect(await refusal { try await archive.verified(app: .zero, memory: memory) } != nil)

      // What is not there any more was overtaken where a newer epoch has come, and not otherwise.
      for number in [2, 3] as [UInt64] {
        let lost = await refusal {
          try await archive.readingNewest(number, of: fixture.app) {
            _ = try await archive.body(app: fixture.app, generation: 1, digest: .zero)
          }
        }
        #expect(lost?.code == "archive.not-found" && lost?.message.contains("Epoch 3 has come") == (number == 2))
      }

      let sealed = try await archive.sealedEpoch(of: second)
      #expect(sealed.envelope.digest == second.epoch?.fields.envelope)
      let page = try await archive.list(app: fixture.app, limit: 2)
      #expect(page.epochs.map(\.epoch) == [3, 2])
      let rest = try await archive.list(app: fixture.app, after: page.next, limit: 2)
      #expect(rest.epochs.map(\.epoch) == [1] && rest.next == nil)
      #expect(try await archive.list(policy: fixture.charter.policyDigest).epochs.count == 3)
      _ = try await archive.entries(BundleCoordinate(index: 0, width: 4))
      _ = try SignedCheckpoint(parsing: await archive.checkpoint(), log: fixture.charter.home)
    }
  }

  /// Every part of a view is bound to the app id: none can be replaced by another application's.
  @Test func everyPartIsBound() async throws {
    let view = try View()
    _ = try await view.verified()
    let other = try View(nonce: 2)
    var bad = view
    bad.app = other.app
    #expect(await refusal { try await bad.verified() }?.code == .viewApplication)
    bad = view
    bad.charterBody = other.charterBody
    #expect(await refusal { try await bad.verified() }?.code == .viewApplication)
    bad = view
    bad.charter = other.charter
    #expect(await refusal { try await bad.verified() } != nil)
    bad = view
    bad.signatures[5] ^= 1
    #expect(await refusal { try await bad.verified() }?.code == .bodyDigest)
    bad = view
    bad.note = other.note
    #expect(await refusal { try await bad.verified() }?.code == .logInclusion)
    bad = view
    bad.epoch = other.epoch
    #expect(await refusal { try await bad.verified() }?.code == .viewApplication)
    bad = view
    bad.epoch = bad.charter
    #expect(await refusal { try await bad.verified() }?.code == .viewRecord)
    bad = view
    bad.charter = try #require(bad.epoch)
    #expect(await refusal { try await bad.verified() } != nil)
    bad = try View(uploader: 5)
    #expect(await refusal { try await bad.verified() }?.code == .recordAuthor)
    bad = try View(logSeed: 2)
    #expect(await refusal { try await bad.verified() } != nil)
  }

  @Test func addressesAreRead() throws {
    #expect(try ArchiveAddress(parsing: "archive.example:4410") == ArchiveAddress(host: "archive.example", port: 4410))
    #expect(try ArchiveAddress(parsing: "[2001:db8::1]:80") == ArchiveAddress(host: "2001:db8::1", port: 80))
    for text in ["", "a", ":1", "a:", "a:0", "a:65536", "a:x", "2001:db8::1", "[]:1", "a:-1"] {
      #expect(refusal { try ArchiveAddress(parsing: text) }?.code == .addressMalformed, "\(text)")
    }
  }
}

/// The parts of a view of an application with one epoch, in a log of two entries.
private struct View {
  var app: Digest
  var note: [UInt8]
  var charter: ProvenLeaf
  var epoch: ProvenLeaf?
  var charterBody: [UInt8]
  var signatures: [UInt8]

  init(nonce: UInt64 = 1, uploader: Int = 0, logSeed: UInt64 = 1) throws {
    let council = try Council()
    let home = try logSigner().verifier
    let charter = try council.charter(home: home, nonce: nonce)
    let registration = try council.registration(of: charter)
    let fields = EpochFields(
      number: 1, previous: .zero, charter: charter.digest, generation: 1, stateVersion: 1, commitment: nil,
      root: .zero, rootByteCount: 100, envelope: .zero, veil: .zero, capsule: .zero)
    let record = Record(
      app: charter.digest, role: .uploader, fields: .epoch(fields), signedBy: try council.uploader(uploader))
    let leaves = [registration.record.leaf, record.leaf]
    let hashes = leaves.map { TreeHash.leaf($0) }
    let root = TreeHash.node(hashes[0], hashes[1])
    app = charter.digest
    note = try Checkpoint(origin: home.name, size: 2, root: root).signed(by: logSigner(seed: logSeed)).bytes
    self.charter = ProvenLeaf(index: 0, leaf: leaves[0], path: [hashes[1]])
    epoch = ProvenLeaf(index: 1, leaf: leaves[1], path: [hashes[0]])
    charterBody = registration.charter
    signatures = registration.signatures
  }

  func verified() async throws -> VerifiedApplication {
    try await VerifiedApplication(
      app: app, note: note, charter: charter, epoch: epoch, charterBody: charterBody, signaturesBody: signatures)
  }
}
