public import Core

/// A charter record's fields: which charter comes into force, after which.
public struct CharterFields: Hashable, Sendable {
  /// 1 for the genesis charter, then one more each.
  public let version: UInt64
  /// RFC 6962 hash of the leaf of the version before; zeros for version 1.
  public let previous: Digest
  /// Digest of the charter body.
  public let body: Digest
  /// Digest of the body that holds every member's signature over the charter.
  public let signatures: Digest

  /// The fields of a genesis charter's record.
  ///
  /// - Parameters:
  ///   - body: digest of the charter body, which is the application's id.
  ///   - signatures: digest of the signatures' body.
  public init(genesis body: Digest, signatures: Digest) {
    version = 1
    previous = .zero
    self.body = body
    self.signatures = signatures
  }

  /// How a charter came into force; a motion will be the other way.
  private static let signedByMembers: UInt8 = 0

  init(reading reader: inout ByteReader) throws {
    version = try reader.read()
    previous = try reader.readDigest()
    body = try reader.readDigest()
    guard try reader.read(UInt8.self) == CharterFields.signedByMembers else { throw PosternError.malformedRecord }
    signatures = try reader.readDigest()
  }

  func append(to bytes: inout [UInt8]) {
    bytes.append(bigEndian: version)
    bytes.append(previous)
    bytes.append(body)
    bytes.append(CharterFields.signedByMembers)
    bytes.append(signatures)
  }
}

/// An epoch record's fields: that an application's epoch N is this dump, after epoch N-1.
public struct EpochFields: Hashable, Sendable {
  /// The epoch's number, from 1.
  public let number: UInt64
  /// RFC 6962 hash of the leaf of the epoch before; zeros for epoch 1.
  public let previous: Digest
  /// Digest of the charter in force, under which the dump was sealed.
  public let charter: Digest
  /// The generation, from 1: chunks are shared inside one and never across two.
  public let generation: UInt64
  /// The application's own version of its state; never decreases.
  public let stateVersion: UInt64
  /// The application's public commitment to its state, where it has one.
  public let commitment: Digest?
  /// Id of the root node.
  public let root: Digest
  /// Sealed bytes of the root node.
  public let rootByteCount: UInt32
  /// Digest of the envelope.
  public let envelope: Digest
  /// Digest of the generation's veil.
  public let veil: Digest
  /// Digest of the capsule.
  public let capsule: Digest

  /// The fields of an epoch record, as its uploader states them.
  public init(
    number: UInt64, previous: Digest, charter: Digest, generation: UInt64, stateVersion: UInt64,
    commitment: Digest?, root: Digest, rootByteCount: UInt32, envelope: Digest, veil: Digest, capsule: Digest
  ) {
    self.number = number
    self.previous = previous
    self.charter = charter
    self.generation = generation
    self.stateVersion = stateVersion
    self.commitment = commitment
    self.root = root
    self.rootByteCount = rootByteCount
    self.envelope = envelope
    self.veil = veil
    self.capsule = capsule
  }

  init(reading reader: inout ByteReader) throws {
    number = try reader.read()
    guard number > 0 else { throw PosternError.malformedRecord }
    previous = try reader.readDigest()
    charter = try reader.readDigest()
    generation = try reader.read()
    stateVersion = try reader.read()
    switch try reader.read(UInt8.self) {
    case 0: commitment = nil
    case 1: commitment = try reader.readDigest()
    default: throw PosternError.malformedRecord
    }
    root = try reader.readDigest()
    rootByteCount = try reader.read()
    envelope = try reader.readDigest()
    veil = try reader.readDigest()
    capsule = try reader.readDigest()
  }

  func append(to bytes: inout [UInt8]) {
    bytes.append(bigEndian: number)
    bytes.append(previous)
    bytes.append(charter)
    bytes.append(bigEndian: generation)
    bytes.append(bigEndian: stateVersion)
    bytes.append(commitment == nil ? 0 : 1)
    if let commitment { bytes.append(commitment) }
    bytes.append(root)
    bytes.append(bigEndian: rootByteCount)
    bytes.append(envelope)
    bytes.append(veil)
    bytes.append(capsule)
  }
}

/// A motion's fields: what the council is asked.
public struct MotionFields: Hashable, Sendable {
  /// What is asked; numbers that are not listed are reserved (`Schema/records.md`).
  public enum Question: UInt8, Sendable {
    /// Open an epoch's council door for one recovering node.
    case recover = 2
  }

  /// What is asked.
  public let question: Question
  /// Digest of the body that says what would follow; for a recovery, the ``RecoveryRequest``.
  public let body: Digest
  /// Digest of a text that says why; zeros where there is none.
  public let text: Digest

  /// The fields of a motion.
  public init(question: Question, body: Digest, text: Digest) {
    self.question = question
    self.body = body
    self.text = text
  }

  init(reading reader: inout ByteReader) throws {
    guard let question = Question(rawValue: try reader.read()) else { throw PosternError.malformedRecord }
    self.question = question
    body = try reader.readDigest()
    text = try reader.readDigest()
  }

  func append(to bytes: inout [UInt8]) {
    bytes.append(question.rawValue)
    bytes.append(body)
    bytes.append(text)
  }
}

/// A ballot's fields: what a member answers to a motion.
public struct BallotFields: Hashable, Sendable {
  /// What a member answers; numbers that are not listed are reserved (`Schema/records.md`).
  public enum Answer: UInt8, Sendable {
    /// The member agrees, and its sealed releases are the body.
    case approve = 3
  }

  /// RFC 6962 hash of the motion's leaf.
  public let motion: Digest
  /// What the member answers.
  public let answer: Answer
  /// Digest of the answer's body; for an approval of a recovery, the sealed releases.
  public let body: Digest

  /// The fields of a ballot.
  public init(motion: Digest, answer: Answer, body: Digest) {
    self.motion = motion
    self.answer = answer
    self.body = body
  }

  init(reading reader: inout ByteReader) throws {
    motion = try reader.readDigest()
    guard let answer = Answer(rawValue: try reader.read()) else { throw PosternError.malformedRecord }
    self.answer = answer
    body = try reader.readDigest()
  }

  func append(to bytes: inout [UInt8]) {
    bytes.append(motion)
    bytes.append(answer.rawValue)
    bytes.append(body)
  }
}
