import Bulk
public import Core
public import Sodium

/// A leaf of the log: a signed statement about one application.
///
/// `u8 format ‖ u8 kind ‖ app (32) ‖ u8 author kind ‖ author (32) ‖ fields ‖ signature (64)`; the tables are
/// in `Schema/records.md`. A value of this type came from bytes that encode it exactly, or encodes to such
/// bytes: there is one encoding.
public struct Record: Hashable, Sendable {
  /// The only format of this version.
  static let format: UInt8 = 1
  /// The most bytes that a leaf may have: an entry bundle writes its length as `u16`.
  public static let byteCountLimit = 65_535

  /// The application that the record speaks of.
  public let app: Digest
  /// Who signed it.
  public let author: Author
  /// What it says.
  public let fields: Fields
  /// The author's signature over everything before it.
  public let signature: Signature

  /// A record that its author signs now.
  ///
  /// - Parameters:
  ///   - app: the application.
  ///   - role: as what the key signs.
  ///   - fields: what is said.
  ///   - key: the author's key.
  public init(app: Digest, role: Author.Role, fields: Fields, signedBy key: borrowing SigningKey) {
    self.app = app
    self.author = Author(role: role, key: key.verificationKey)
    self.fields = fields
    let unsigned = Record.unsignedBytes(app: app, author: author, fields: fields)
    signature = key.sign(Record.message(kind: fields.kind, unsigned: unsigned))
  }

  /// A record read from a leaf; its signature is not verified yet.
  ///
  /// - Parameter leaf: at most ``byteCountLimit`` bytes.
  /// - Throws: `record.malformed`, `record.unknown-kind`.
  public init(parsing leaf: [UInt8]) throws(PosternError) {
    guard leaf.count <= Record.byteCountLimit else { throw .malformedRecord }
    var reader = ByteReader(leaf)
    do {
      guard try reader.read(UInt8.self) == Record.format else { throw PosternError.unknownRecord }
      guard let kind = Kind(rawValue: try reader.read()) else { throw PosternError.unknownRecord }
      app = try reader.readDigest()
      author = try Author(reading: &reader)
      fields = try Fields(kind: kind, reading: &reader)
      guard let signature = Signature(try reader.read(Signature.byteCount)) else { throw PosternError.malformedRecord }
      self.signature = signature
      try reader.finish()
    } catch let error as PosternError {
      throw error
    } catch {
      throw .malformedRecord
    }
  }

  /// The leaf's bytes.
  public var leaf: [UInt8] {
    Record.unsignedBytes(app: app, author: author, fields: fields) + signature.bytes
  }

  /// Says that the author's key made the signature.
  ///
  /// - Throws: `record.signature`.
  public func verifySignature() throws(PosternError) {
    let unsigned = Record.unsignedBytes(app: app, author: author, fields: fields)
    guard author.key.verifies(signature, over: Record.message(kind: fields.kind, unsigned: unsigned)) else {
      throw PosternError(
        .recordSignature, "The record's signature does not verify under its author's key.",
        advice: "Ask its sender for the original bytes; sign a record of your own again, with its key.")
    }
  }

  private static func unsignedBytes(app: Digest, author: Author, fields: Fields) -> [UInt8] {
    var bytes: [UInt8] = [format, fields.kind.rawValue]
    bytes.append(app)
    author.append(to: &bytes)
    fields.append(to: &bytes)
    return bytes
  }

  /// What is signed: the label first, so that a signature for one kind is none for another, nor for a note.
  private static func message(kind: Kind, unsigned: [UInt8]) -> [UInt8] {
    signingMessage(label: kind.label, unsigned)
  }
}

/// The bytes under a signature of this system: `str("postern/v1/sign/LABEL") ‖ bytes`.
///
/// The first byte is 0, the high byte of the label's length, so no such message is a signed note.
func signingMessage(label: String, _ bytes: [UInt8]) -> [UInt8] {
  var message: [UInt8] = []
  message.append(string: "postern/v1/sign/\(label)")
  message += bytes
  return message
}

extension Record {
  /// What kinds of record there are; numbers that are not listed are reserved (`Schema/records.md`).
  public enum Kind: UInt8, Sendable {
    /// A charter comes into force.
    case charter = 1
    /// An epoch of an application's state is published.
    case epoch = 2
    /// A question to the council.
    case motion = 4
    /// A member's answer to a motion.
    case ballot = 5

    /// The kind's part of the signing label.
    var label: String {
      switch self {
      case .charter: "charter"
      case .epoch: "epoch"
      case .motion: "motion"
      case .ballot: "ballot"
      }
    }
  }

  /// What a record says: one case a kind.
  public enum Fields: Hashable, Sendable {
    /// A charter comes into force.
    case charter(CharterFields)
    /// An epoch of an application's state is published.
    case epoch(EpochFields)
    /// A question to the council.
    case motion(MotionFields)
    /// A member's answer to a motion.
    case ballot(BallotFields)

    /// The kind that these fields belong to.
    public var kind: Kind {
      switch self {
      case .charter: .charter
      case .epoch: .epoch
      case .motion: .motion
      case .ballot: .ballot
      }
    }

    init(kind: Kind, reading reader: inout ByteReader) throws {
      switch kind {
      case .charter: self = .charter(try CharterFields(reading: &reader))
      case .epoch: self = .epoch(try EpochFields(reading: &reader))
      case .motion: self = .motion(try MotionFields(reading: &reader))
      case .ballot: self = .ballot(try BallotFields(reading: &reader))
      }
    }

    func append(to bytes: inout [UInt8]) {
      switch self {
      case .charter(let fields): fields.append(to: &bytes)
      case .epoch(let fields): fields.append(to: &bytes)
      case .motion(let fields): fields.append(to: &bytes)
      case .ballot(let fields): fields.append(to: &bytes)
      }
    }
  }

  /// Who signed a record, and as what.
  public struct Author: Hashable, Sendable {
    /// As what a key signs.
    public enum Role: UInt8, Sendable {
      /// A council member, with its signing key.
      case member = 1
      /// An uploader that the charter lists.
      case uploader = 2
      /// A requester that the charter lists.
      case requester = 3
    }

    /// As what the key signs.
    public let role: Role
    /// The key.
    public let key: VerificationKey

    init(role: Role, key: VerificationKey) {
      self.role = role
      self.key = key
    }

    init(reading reader: inout ByteReader) throws {
      guard let role = Role(rawValue: try reader.read()),
        let key = VerificationKey(try reader.read(VerificationKey.byteCount))
      else { throw PosternError.malformedRecord }
      self.init(role: role, key: key)
    }

    func append(to bytes: inout [UInt8]) {
      bytes.append(role.rawValue)
      bytes += key.bytes
    }
  }
}
