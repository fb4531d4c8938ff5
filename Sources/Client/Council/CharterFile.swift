import Bulk
public import Core
import Envelope
public import Records
public import Sodium

extension Armour.Kind {
  /// A charter on its way from member to member.
  static let charter = Armour.Kind("CHARTER", byteCountLimit: Charter.Limits.byteCount + (128 << 10))
}

/// A charter with the signatures that it has so far: the file that goes round among its members.
///
/// Parts: charter body ‖ signatures (`Schema/charter.md`), zeros standing where a member has not signed yet.
public struct CharterFile: Hashable, Sendable {
  /// The most bytes that a charter's file may have.
  public static let textByteCountLimit = Armour.Kind.charter.textByteCountLimit
  private static let absent = [UInt8](repeating: 0, count: Signature.byteCount)

  /// The charter.
  public let charter: Charter
  /// One signature a member, in charter order; nil where it has not signed yet.
  public private(set) var signatures: [Signature?]

  /// A charter that nobody has signed yet.
  ///
  /// - Throws: `charter.*` for a charter that could never be opened, pushed under or amended.
  public init(_ charter: Charter) throws(PosternError) {
    try charter.validate()
    self.charter = charter
    signatures = Array(repeating: nil, count: charter.members.count)
  }

  /// Reads a charter's file: the charter is a good one, and every signature in it is its member's.
  ///
  /// - Throws: `armour.*`, `charter.*` and the codes of what a charter holds.
  public init(parsing text: [UInt8]) throws(PosternError) {
    let armour = try Armour(parsing: text, expecting: .charter)
    let parts = try Parts.decode(armour.body, count: 2, of: .charter)
    try self.init(Charter(parsing: parts[0]))
    let given = try CharterSignatures(parsing: parts[1]).signatures
    guard given.count == signatures.count else { throw .badSignature(nil) }
    let digest = charter.digest
    for (index, signature) in given.enumerated() where signature.bytes != CharterFile.absent {
      guard CharterSignatures.verifies(signature, charter: digest, by: charter.members[index].signing) else {
        throw .badSignature(index)
      }
      signatures[index] = signature
    }
  }

  /// The file's bytes.
  public var text: [UInt8] {
    Armour(.charter, body: Parts.encode([charter.body, signaturesBody])).text
  }

  /// The body that holds every member's signature; a registered one has no gaps.
  private var signaturesBody: [UInt8] {
    CharterSignatures(signatures.map { $0 ?? Signature(CharterFile.absent) }.compactMap(\.self)).body
  }

  /// The members that have not signed yet.
  public var missing: [Charter.Member] {
    zip(charter.members, signatures).filter { $0.1 == nil }.map(\.0)
  }

  /// Which member of the charter a key is.
  ///
  /// - Throws: `key.role`, `charter.signer` where the charter does not name the member.
  public func memberNumber(of key: borrowing KeyFile) throws(PosternError) -> Int {
    try key.require(.member)
    guard let number = charter.memberNumber(signing: key.master.signingKey().verificationKey) else {
      throw PosternError(
        .charterSigner, "The charter does not name the member “\(key.name)” with this key.",
        advice: "Have your public line put into the charter, or give the key that it names.")
    }
    return number
  }

  /// Adds a member's signature; again, where it is there already.
  ///
  /// - Returns: the member's number.
  /// - Throws: `key.role`, `charter.signer` where the charter does not name the member.
  @discardableResult
  public mutating func sign(with key: borrowing KeyFile) throws(PosternError) -> Int {
    let number = try memberNumber(of: key)
    signatures[number] = CharterSignatures.sign(charter: charter.digest, with: key.master.signingKey())
    return number
  }

  /// What registers the charter: its leaf, signed by the first member, and its two bodies.
  ///
  /// - Parameter key: the key of the first member that the charter names.
  /// - Throws: `key.role`, `charter.signature` where a member has not signed yet, `charter.signer`.
  public func registration(by key: borrowing KeyFile) throws(PosternError) -> CharterRegistration {
    try key.require(.member)
    try CharterSignatures(signatures.map { $0 ?? Signature(CharterFile.absent) }.compactMap(\.self)).verify(charter)
    let signing = key.master.signingKey()
    guard let first = charter.members.first, first.signing == signing.verificationKey else {
      throw PosternError(
        .charterSigner, "A charter is registered by the first member that it names, “\(charter.members[0].name)”.",
        advice: "Give that member's key.")
    }
    let fields = CharterFields(genesis: charter.digest, signatures: SHA256.hash(signaturesBody))
    let record = Record(app: charter.digest, role: .member, fields: .charter(fields), signedBy: signing)
    return CharterRegistration(leaf: record.leaf, charter: charter.body, signatures: signaturesBody)
  }
}

/// What registers a charter: the record and the two bodies that it names.
public struct CharterRegistration: Hashable, Sendable {
  /// The record.
  public let leaf: [UInt8]
  /// The charter's body.
  public let charter: [UInt8]
  /// The signatures' body.
  public let signatures: [UInt8]
}

extension PosternError {
  fileprivate static func badSignature(_ index: Int?) -> PosternError {
    PosternError(
      .charterFileSignature, "A signature in the charter's file is not the one of its member over this charter.",
      advice: "Take the file from before it was changed, and let the member sign again.", index: index)
  }
}
