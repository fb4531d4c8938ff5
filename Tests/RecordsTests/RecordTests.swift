import Bulk
import Core
import Envelope
import Fixtures
import Records
import Sodium
import Testing

@Suite struct RecordTests {
  private let setting: Setting
  private let records: [(kind: String, record: Record)]

  init() throws {
    setting = try Setting()
    records = try setting.records()
  }

  @Test func everyKindIsReadAsItWasWritten() throws {
    for (kind, record) in records {
      let read = try Record(parsing: record.leaf)
      #expect(read == record, "\(kind)")
      #expect(read.leaf == record.leaf)
      try read.verifySignature()
    }
  }

  @Test func fieldsLieWhereTheDocumentSays() throws {
    let leaf = records[1].record.leaf
    #expect(leaf.count == 67 + 8 + 32 + 32 + 8 + 8 + 1 + 32 + 4 + 96 + 64)
    #expect(leaf[0...1].elementsEqual([1, 2]))
    #expect(leaf[2..<34].elementsEqual(setting.app.bytes))
    #expect(leaf[34] == 2)
    #expect(leaf[35..<67].elementsEqual(try setting.council.uploader().verificationKey.bytes))
    #expect(leaf[67..<75].elementsEqual([1, 2, 3, 4, 5, 6, 7, 8]))
    #expect(records[2].record.leaf.count == leaf.count + 32)
  }

  @Test func signaturesCoverTheLabelAndEverythingBefore() throws {
    for (kind, record) in records {
      let leaf = record.leaf
      #expect(record.author.key.verifies(record.signature, over: message(kind, leaf.dropLast(64))), "\(kind)")
      for other in ["charter", "epoch", "motion", "ballot", "begin", "charter-body"] where other != kind {
        #expect(!record.author.key.verifies(record.signature, over: message(other, leaf.dropLast(64))))
      }
    }
  }

  /// Numbers of epochs begin at 1: nothing could be said of one before the first.
  @Test func noEpochHasTheNumberZero() throws {
    guard case .epoch(let fields) = records[1].record.fields else {
      Issue.record("the second record is an epoch")
      return
    }
    for (number, code) in [(UInt64(0), PosternError.Code.recordMalformed), (1, nil), (.max, nil)] {
      let record = Record(
        app: setting.app, role: .uploader, fields: .epoch(fields.changing(number: number)),
        signedBy: try setting.council.uploader())
      #expect(refusal { try Record(parsing: record.leaf) }?.code == code)
    }
  }

  /// A motion and a ballot have the same length: with a motion's body chosen well, its bytes also read as a ballot.
  @Test func aMotionsSignatureIsNoBallots() throws {
    var body = [UInt8](repeating: 7, count: 32)
    body[31] = BallotFields.Answer.approve.rawValue
    let fields = MotionFields(question: .recover, body: try #require(Digest(body)), text: .zero)
    let member = try setting.council.member(0).signingKey()
    let motion = Record(app: setting.app, role: .member, fields: .motion(fields), signedBy: member)
    var leaf = motion.leaf
    leaf[1] = Record.Kind.ballot.rawValue
    let ballot = try Record(parsing: leaf)
    #expect(ballot.fields.kind == .ballot)
    #expect(refusal { try ballot.verifySignature() }?.code == .recordSignature)
  }

  @Test func everyFlippedBitIsSeen() throws {
    for (kind, record) in records {
      let leaf = record.leaf
      for position in leaf.indices {
        var flipped = leaf
        flipped[position] ^= 1 << UInt8(position % 8)
        guard let read = try? Record(parsing: flipped) else { continue }
        #expect(read != record, "\(kind) \(position)")
        #expect(read.leaf == flipped, "\(kind) \(position)")
        #expect(refusal { try read.verifySignature() }?.code == .recordSignature, "\(kind) \(position)")
      }
    }
  }

  @Test func otherLengthsAreRefused() throws {
    for (kind, record) in records {
      let leaf = record.leaf
      for count in 0..<leaf.count {
        #expect(refusal { try Record(parsing: Array(leaf.prefix(count))) } != nil, "\(kind) \(count)")
      }
      #expect(refusal { try Record(parsing: leaf + [0]) }?.code == .recordMalformed, "\(kind)")
      let huge = leaf + [UInt8](repeating: 0, count: Record.byteCountLimit + 1 - leaf.count)
      #expect(refusal { try Record(parsing: huge) }?.code == .recordMalformed, "\(kind)")
    }
  }

  @Test func unknownFormatsKindsAndRolesAreRefused() throws {
    let leaf = records[1].record.leaf
    for (position, value, code) in [
      (0, 0, PosternError.Code.recordUnknown), (0, 2, .recordUnknown), (1, 0, .recordUnknown), (1, 3, .recordUnknown),
      (1, 6, .recordUnknown), (1, 255, .recordUnknown), (34, 0, .recordMalformed), (34, 4, .recordMalformed),
      (155, 2, .recordMalformed),
    ] {
      var changed = leaf
      changed[position] = UInt8(value)
      #expect(refusal { try Record(parsing: changed) }?.code == code, "\(position) \(value)")
    }
    let charter = records[0].record.leaf
    var motion = charter
    motion[67 + 72] = 1
    #expect(refusal { try Record(parsing: motion) }?.code == .recordMalformed)
    for (index, position) in [(3, 67), (4, 67 + 32)] {
      for value in [0, 1, 4, 255] {
        var reserved = records[index].record.leaf
        reserved[position] = UInt8(value)
        #expect(refusal { try Record(parsing: reserved) }?.code == .recordMalformed, "\(index) \(value)")
      }
    }
  }

  @Test func noiseIsNeverARecord() {
    var generator = SeededGenerator.printing()
    for _ in 0..<2_000 {
      var noise = generator.bytes(Int.random(in: 0...600, using: &generator))
      if noise.count > 2 { (noise[0], noise[1]) = (1, UInt8.random(in: 0...6, using: &generator)) }
      if let record = try? Record(parsing: noise) {
        #expect(record.leaf == noise)
        #expect(refusal { try record.verifySignature() }?.code == .recordSignature)
      }
    }
  }

  @Test func aRepeatIsToldBySixThings() throws {
    let record = records[1].record
    guard case .epoch(let fields) = record.fields else {
      Issue.record("the second record is an epoch")
      return
    }
    let identity = try #require(record.epochIdentity)
    func identityOf(_ fields: EpochFields, app: Digest? = nil, uploader: Int = 0) throws -> EpochIdentity? {
      Record(
        app: app ?? setting.app, role: .uploader, fields: .epoch(fields),
        signedBy: try setting.council.uploader(uploader)
      ).epochIdentity
    }
    #expect(try identityOf(fields, app: .zero) != identity)
    #expect(try identityOf(fields, uploader: 1) != identity)
    #expect(try identityOf(fields.changing(number: 1)) != identity)
    #expect(try identityOf(fields.changing(previous: .zero)) != identity)
    #expect(try identityOf(fields.changing(root: .zero)) != identity)
    #expect(try identityOf(fields.changing(stateVersion: 1)) != identity)
    // A push that was sealed again has another envelope and capsule.
    #expect(try identityOf(fields.changing(envelope: .zero, capsule: .zero)) == identity)
    #expect(records[0].record.epochIdentity == nil && records[3].record.epochIdentity == nil)
  }

  @Test func theBodiesThatAreCheckedAreNeverCapsules() throws {
    guard case .epoch(let fields) = records[1].record.fields, case .charter(let charter) = records[0].record.fields
    else {
      Issue.record("the first record is a charter, and the second an epoch")
      return
    }
    #expect(records[1].record.checkedBodies == [fields.envelope, fields.veil])
    #expect(records[0].record.checkedBodies == [charter.body, charter.signatures])
    #expect(records[3].record.checkedBodies.isEmpty && records[4].record.checkedBodies.isEmpty)
  }
}
