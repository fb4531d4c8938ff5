public import Core
public import Envelope
import Records

extension Armour.Kind {
  /// What a recovering node asks of the council.
  static let recoveryRequest = Armour.Kind("RECOVERY REQUEST", byteCountLimit: 10 << 20)
  /// A member's answer to it.
  static let release = Armour.Kind("RELEASE", byteCountLimit: 256 << 10)
  /// Proof that a member's answer was false.
  static let blame = Armour.Kind("BLAME", byteCountLimit: 5 << 20)
}

/// A recovery request's file: all that a member needs to check it, with no archive alive.
public struct RecoveryRequestFile: Hashable, Sendable {
  /// The most bytes that a request's file may have.
  public static let textByteCountLimit = Armour.Kind.recoveryRequest.textByteCountLimit

  /// The motion's leaf, signed by the requester.
  public let motionLeaf: [UInt8]
  /// The motion's body, a ``Records/RecoveryRequest``.
  public let requestBody: [UInt8]
  /// The charter's body.
  public let charter: [UInt8]
  /// The members' signatures over the charter.
  public let charterSignatures: [UInt8]
  /// The epoch's envelope.
  public let envelope: [UInt8]
  /// The generation's veil, of which every member opens its own copy.
  public let veil: [UInt8]
  /// The receipt of the epoch, which carries its record.
  public let receipt: [UInt8]

  /// A request's file from its parts.
  init(
    motionLeaf: [UInt8], requestBody: [UInt8], charter: [UInt8], charterSignatures: [UInt8], envelope: [UInt8],
    veil: [UInt8], receipt: [UInt8]
  ) {
    self.motionLeaf = motionLeaf
    self.requestBody = requestBody
    self.charter = charter
    self.charterSignatures = charterSignatures
    self.envelope = envelope
    self.veil = veil
    self.receipt = receipt
  }

  /// Reads a request's file; nothing in it is verified, see ``RecoveryCase``.
  ///
  /// - Throws: `armour.*`, `file.too-large`.
  public init(parsing text: [UInt8]) throws(PosternError) {
    let armour = try Armour(parsing: text, expecting: .recoveryRequest)
    let parts = try Parts.decode(armour.body, count: 7, of: .recoveryRequest)
    self.init(
      motionLeaf: parts[0], requestBody: parts[1], charter: parts[2], charterSignatures: parts[3],
      envelope: parts[4], veil: parts[5], receipt: parts[6])
  }

  /// The file's bytes.
  public var text: [UInt8] {
    let parts = [motionLeaf, requestBody, charter, charterSignatures, envelope, veil, receipt]
    return Armour(.recoveryRequest, body: Parts.encode(parts)).text
  }
}

/// A member's answer as a file.
public struct ReleaseFile: Hashable, Sendable {
  /// The most bytes that a release's file may have.
  public static let textByteCountLimit = Armour.Kind.release.textByteCountLimit

  /// The ballot's leaf, signed by the member.
  public let ballotLeaf: [UInt8]
  /// The ballot's body, a ``Records/RecoveryAnswer``.
  public let answerBody: [UInt8]

  /// A release's file from its parts.
  package init(ballotLeaf: [UInt8], answerBody: [UInt8]) {
    self.ballotLeaf = ballotLeaf
    self.answerBody = answerBody
  }

  /// Reads a release's file; nothing in it is verified, see ``RecoveryTally``.
  ///
  /// - Throws: `armour.*`, `file.too-large`.
  public init(parsing text: [UInt8]) throws(PosternError) {
    let armour = try Armour(parsing: text, expecting: .release)
    let parts = try Parts.decode(armour.body, count: 2, of: .release)
    self.init(ballotLeaf: parts[0], answerBody: parts[1])
  }

  /// The file's bytes.
  public var text: [UInt8] {
    Armour(.release, body: Parts.encode([ballotLeaf, answerBody])).text
  }
}

/// A blame's file: all that a stranger needs to judge a member's answer.
public struct BlameFile: Hashable, Sendable {
  /// The most bytes that a blame's file may have.
  public static let textByteCountLimit = Armour.Kind.blame.textByteCountLimit

  /// The charter's body.
  public let charter: [UInt8]
  /// The epoch's leaf, whose hash the request names: the generation stands in it.
  public let epochLeaf: [UInt8]
  /// The epoch's envelope.
  public let envelope: [UInt8]
  /// The motion's leaf.
  public let motionLeaf: [UInt8]
  /// The motion's body.
  public let requestBody: [UInt8]
  /// The accused member's answer.
  public let release: ReleaseFile
  /// The seed of the key that this answer was to be sealed to.
  public let blame: Blame

  /// A blame's file from its parts.
  package init(
    charter: [UInt8], epochLeaf: [UInt8], envelope: [UInt8], motionLeaf: [UInt8], requestBody: [UInt8],
    release: ReleaseFile, blame: Blame
  ) {
    self.charter = charter
    self.epochLeaf = epochLeaf
    self.envelope = envelope
    self.motionLeaf = motionLeaf
    self.requestBody = requestBody
    self.release = release
    self.blame = blame
  }

  /// Reads a blame's file; see ``judge()``.
  ///
  /// - Throws: `armour.*`, `file.too-large`.
  public init(parsing text: [UInt8]) throws(PosternError) {
    let armour = try Armour(parsing: text, expecting: .blame)
    let parts = try Parts.decode(armour.body, count: 8, of: .blame)
    guard let blame = Blame(parts[7]) else { throw .malformedArmour("The blame's seed does not have 32 bytes.") }
    self.init(
      charter: parts[0], epochLeaf: parts[1], envelope: parts[2], motionLeaf: parts[3], requestBody: parts[4],
      release: ReleaseFile(ballotLeaf: parts[5], answerBody: parts[6]), blame: blame)
  }

  /// The file's bytes.
  public var text: [UInt8] {
    let parts = [
      charter, epochLeaf, envelope, motionLeaf, requestBody, release.ballotLeaf, release.answerBody, blame.seed,
    ]
    return Armour(.blame, body: Parts.encode(parts)).text
  }
}
