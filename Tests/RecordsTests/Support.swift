import Bulk
import Core
import Envelope
import Fixtures
import Merkle
import Records
import Sodium

/// A council, its charter and the log that is its home.
struct Setting {
  let council: Council
  let charter: Charter
  let home: NoteVerifier

  init(memberCount: Int = 3, seed: UInt64 = 1) throws {
    council = try Council(memberCount: memberCount, seed: seed)
    home = try logSigner().verifier
    charter = try council.charter(home: home)
  }

  var app: Digest { charter.digest }

  /// The application's first epoch.
  func epoch() throws -> EpochFixture {
    let generation = try GenerationFixture(1, under: charter)
    let state = try SealedState(Array("the ledger".utf8), in: generation)
    return try EpochFixture(1, of: charter, in: generation, state: state, signedBy: council.uploader())
  }

  /// A record of each kind, with and without what is optional.
  func records() throws -> [(kind: String, record: Record)] {
    var generator = SeededGenerator(seed: 7)
    let epoch = EpochFields(
      number: 0x0102_0304_0506_0708, previous: generator.digest(), charter: app, generation: 9, stateVersion: 10,
      commitment: nil, root: generator.digest(), rootByteCount: 0x0B0C_0D0E, envelope: generator.digest(),
      veil: generator.digest(), capsule: generator.digest())
    let motion = MotionFields(question: .recover, body: generator.digest(), text: .zero)
    let ballot = BallotFields(motion: generator.digest(), answer: .approve, body: generator.digest())
    let uploader = try council.uploader()
    return [
      ("charter", try council.registration(of: charter).record),
      ("epoch", Record(app: app, role: .uploader, fields: .epoch(epoch), signedBy: uploader)),
      (
        "epoch",
        Record(
          app: app, role: .uploader, fields: .epoch(epoch.changing(commitment: .some(generator.digest()))),
          signedBy: uploader)
      ),
      ("motion", Record(app: app, role: .requester, fields: .motion(motion), signedBy: try council.requester())),
      (
        "ballot",
        Record(app: app, role: .member, fields: .ballot(ballot), signedBy: try council.member(0).signingKey())
      ),
    ]
  }
}

/// What is signed under a label, by the letter of the document.
func message(_ label: String, _ bytes: some Collection<UInt8>) -> [UInt8] {
  let text = Array("postern/v1/sign/\(label)".utf8)
  return [0, UInt8(text.count)] + text + bytes
}

/// A leaf whose unsigned bytes were changed, signed again by whoever it names.
func signedAgain(
  _ leaf: [UInt8], label: String, by key: borrowing SigningKey, _ change: (inout [UInt8]) -> Void
) -> [UInt8] {
  var unsigned = Array(leaf.dropLast(64))
  change(&unsigned)
  return unsigned + key.sign(message(label, unsigned)).bytes
}
