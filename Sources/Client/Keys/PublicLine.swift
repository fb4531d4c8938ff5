public import Core
public import Envelope
import Records
public import Sodium

/// The public half of a key on one line, to be pasted to others (`Schema/keys.md`).
///
/// `postern-ROLE1 NAME BASE64`; the KMS's has no name. Every part is under a proof that the holder made: a
/// line that was cut, mistyped or given another name is refused.
public enum PublicLine: Hashable, Sendable {
  /// A council member.
  case member(MemberIdentity)
  /// A node that pushes.
  case uploader(name: String, key: VerificationKey, possession: Signature)
  /// A node that may ask the council.
  case requester(name: String, key: VerificationKey, possession: Signature)
  /// A KMS door.
  case kms(KMSIdentity)

  /// The most bytes that a line may have.
  public static let byteCountLimit = 4_096

  /// The public half of a key, with a fresh proof.
  public init(of key: borrowing KeyFile) {
    switch key.role {
    case .member: self = .member(MemberIdentity(name: key.name, master: key.master))
    case .kms: self = .kms(KMSIdentity(master: key.master))
    case .uploader:
      let signing = key.master.signingKey()
      let possession = signing.sign(PublicLine.message(.uploader, key.name))
      self = .uploader(name: key.name, key: signing.verificationKey, possession: possession)
    case .requester:
      let signing = key.master.signingKey()
      let possession = signing.sign(PublicLine.message(.requester, key.name))
      self = .requester(name: key.name, key: signing.verificationKey, possession: possession)
    }
  }

  /// What the line's holder does.
  public var role: HolderRole {
    switch self {
    case .member: .member
    case .uploader: .uploader
    case .requester: .requester
    case .kms: .kms
    }
  }

  /// What a node's proof signs; the key itself need not stand in it, since the signature verifies under no other.
  private static func message(_ role: HolderRole, _ name: String) -> [UInt8] {
    var message: [UInt8] = []
    message.append(string: "postern/v1/sign/public-line")
    message.append(string: role.rawValue)
    message.append(string: name)
    return message
  }
}

extension PublicLine: CustomStringConvertible {
  /// The line, without an end.
  public var description: String {
    let payload: [UInt8]
    var name: String?
    switch self {
    case .member(let member):
      payload = member.signingKey.bytes + member.shardKey.bytes + member.veilKey.bytes + member.possession.bytes
      name = member.name
    case .uploader(let holder, let key, let possession), .requester(let holder, let key, let possession):
      payload = key.bytes + possession.bytes
      name = holder
    case .kms(let kms):
      payload = kms.shardKey.bytes + kms.veilKey.bytes + kms.possession.bytes
    }
    let words =
      [PublicLine.word(role)] + (name.map { [$0] } ?? []) + [
        String(decoding: Base64.encode(payload), as: UTF8.self)
      ]
    return words.joined(separator: " ")
  }

  private static func word(_ role: HolderRole) -> String { "postern-\(role.rawValue)1" }
}

extension PublicLine {
  /// Reads a line and checks its proof.
  ///
  /// - Parameter text: the line; one line's end is allowed.
  /// - Throws: `key.line`, `key.name`, `key.possession`, `key.veil`.
  public init(parsing text: String) throws(PosternError) {
    let line = text.utf8.last == newline ? Substring(text.utf8.dropLast()) : text[...]
    guard line.utf8.count <= PublicLine.byteCountLimit, let (role, name, payload) = PublicLine.split(line) else {
      throw .badLine
    }
    if let name { try HolderRole.check(name: name) }
    var reader = ByteReader(payload)
    do {
      self = try PublicLine.read(role, name: name ?? "", from: &reader)
      try reader.finish()
    } catch let error as PosternError {
      throw error
    } catch {
      throw .badLine
    }
  }

  /// The words of a line: a name may hold spaces, so it is all that is between the first and the last one.
  private static func split(_ line: Substring) -> (role: HolderRole, name: String?, payload: [UInt8])? {
    let space = UInt8(ascii: " ")
    let bytes = Array(line.utf8)
    guard let first = bytes.firstIndex(of: space), let last = bytes.lastIndex(of: space),
      let role = HolderRole.allCases.first(where: { word($0).utf8.elementsEqual(bytes[..<first]) }),
      let payload = Base64.decode(bytes[(last + 1)...])
    else { return nil }
    guard role != .kms else { return first == last ? (role, nil, payload) : nil }
    guard first < last, let name = String(validating: bytes[(first + 1)..<last], as: UTF8.self) else { return nil }
    return (role, name, payload)
  }

  private static func read(
    _ role: HolderRole, name: String, from reader: inout ByteReader
  ) throws -> PublicLine {
    switch role {
    case .member:
      let signing = try readKey(from: &reader)
      let (shard, veil, possession) = try readDoorKeys(from: &reader)
      let member = MemberIdentity(
        name: name, signingKey: signing, shardKey: shard, veilKey: veil, possession: possession)
      try member.verifyPossession()
      return .member(member)
    case .kms:
      let (shard, veil, possession) = try readDoorKeys(from: &reader)
      let kms = KMSIdentity(shardKey: shard, veilKey: veil, possession: possession)
      try kms.verifyPossession()
      return .kms(kms)
    case .uploader, .requester:
      let key = try readKey(from: &reader)
      guard let possession = Signature(try reader.read(Signature.byteCount)),
        key.verifies(possession, over: message(role, name))
      else { throw PosternError.badLine }
      return role == .uploader
        ? .uploader(name: name, key: key, possession: possession)
        : .requester(name: name, key: key, possession: possession)
    }
  }

  private static func readKey(from reader: inout ByteReader) throws -> VerificationKey {
    guard let key = VerificationKey(try reader.read(VerificationKey.byteCount)) else { throw PosternError.badLine }
    return key
  }

  private static func readDoorKeys(
    from reader: inout ByteReader
  ) throws -> (ShardPublicKey, VeilPublicKey, PossessionProof) {
    guard let shard = ShardPublicKey(try reader.read(ShardPublicKey.byteCount)) else { throw PosternError.badLine }
    let veil = try VeilPublicKey(try reader.read(VeilPublicKey.byteCount))
    guard let possession = PossessionProof(try reader.read(PossessionProof.byteCount)) else {
      throw PosternError.badLine
    }
    return (shard, veil, possession)
  }
}

extension PosternError {
  fileprivate static let badLine = PosternError(
    .keyLine, "The line is no public half of a key, or it was cut or changed.",
    advice: "Ask its holder for what “postern key show” prints, whole and unchanged.")
}
