public import Core
import Dump
import Envelope
import Merkle
import Sodium

extension Charter {
  private static let format: UInt8 = 1

  /// The charter's bytes, as `Schema/charter.md` lays them out.
  public var body: [UInt8] {
    var bytes: [UInt8] = [Charter.format]
    bytes.append(nonce)
    bytes.append(string: name)
    bytes.append(bigEndian: UInt16(members.count))
    for member in members { member.append(to: &bytes) }
    bytes += Policy.encode(recovery)
    bytes += governance.bytes
    bytes.append(kms == nil ? 0 : 1)
    kms?.append(to: &bytes)
    Node.append(uploaders, to: &bytes)
    Node.append(requesters, to: &bytes)
    bytes.append(string: home.description)
    bytes += chunker.encoding
    bytes.append(bigEndian: retentionEpochs)
    return bytes
  }

  /// A charter read from a body; see ``validate()`` for whether it is a good one.
  ///
  /// - Parameter body: at most ``Limits/byteCount`` bytes.
  /// - Throws: `charter.malformed`, or the code of the part that is refused: `policy.*`, `dump.*`, and
  ///   `envelope.*` for a key.
  public init(parsing body: [UInt8]) throws(PosternError) {
    guard body.count <= Limits.byteCount else { throw .malformedCharter }
    var reader = ByteReader(body)
    do {
      try self.init(reading: &reader)
      try reader.finish()
    } catch let error as PosternError {
      throw error
    } catch {
      throw .malformedCharter
    }
  }

  private init(reading reader: inout ByteReader) throws {
    guard try reader.read(UInt8.self) == Charter.format else { throw PosternError.malformedCharter }
    nonce = try reader.readDigest()
    name = try reader.readString(limit: Limits.nameByteCount)
    let memberCount = Int(try reader.read(UInt16.self))
    guard memberCount <= Limits.members else { throw PosternError.malformedCharter }
    members = []
    for _ in 0..<memberCount { members.append(try Member(reading: &reader)) }
    recovery = try Policy.read(from: &reader)
    guard let governance = try Policy.read(from: &reader) else { throw PosternError.malformedCharter }
    self.governance = governance
    switch try reader.read(UInt8.self) {
    case 0: kms = nil
    case 1: kms = try KMSDoor(reading: &reader)
    default: throw PosternError.malformedCharter
    }
    uploaders = try Node.readList(from: &reader)
    requesters = try Node.readList(from: &reader)
    home = try Charter.home(parsing: try reader.readString(limit: Limits.verifierKeyByteCount))
    chunker = try ChunkerParameters(reading: &reader)
    retentionEpochs = try reader.read()
  }
}

extension Charter {
  /// The home log's key.
  ///
  /// - Throws: `charter.malformed` for any other text, since no code of a log's is one for an archive to refuse a charter
  ///   with.
  private static func home(parsing text: String) throws(PosternError) -> NoteVerifier {
    do {
      return try NoteVerifier(parsing: text)
    } catch {
      throw PosternError(
        .charterMalformed, "The charter's home is no log's key: \(error.message)",
        advice: "Ask its sender for the original file, or build the charter again with the key that the archive prints."
      )
    }
  }
}

extension Charter.Member {
  func append(to bytes: inout [UInt8]) {
    bytes.append(string: name)
    bytes += signing.bytes
    bytes += shard.bytes
    bytes += veil.bytes
    bytes += possession.bytes
  }

  init(reading reader: inout ByteReader) throws {
    name = try reader.readString(limit: Charter.Limits.nameByteCount)
    guard let signing = VerificationKey(try reader.read(VerificationKey.byteCount)) else {
      throw PosternError.malformedCharter
    }
    self.signing = signing
    (shard, veil, possession) = try readDoorKeys(from: &reader)
  }
}

extension Charter.KMSDoor {
  func append(to bytes: inout [UInt8]) {
    bytes.append(string: path)
    bytes += shard.bytes
    bytes += veil.bytes
    bytes += possession.bytes
  }

  init(reading reader: inout ByteReader) throws {
    path = try reader.readString(limit: Charter.Limits.pathByteCount)
    (shard, veil, possession) = try readDoorKeys(from: &reader)
  }
}

/// What every holder of a door has in a charter: shard key, veil key, proof of possession.
private func readDoorKeys(
  from reader: inout ByteReader
) throws -> (ShardPublicKey, VeilPublicKey, PossessionProof) {
  guard let shard = ShardPublicKey(try reader.read(ShardPublicKey.byteCount)) else {
    throw PosternError.malformedCharter
  }
  let veil = try VeilPublicKey(try reader.read(VeilPublicKey.byteCount))
  guard let possession = PossessionProof(try reader.read(PossessionProof.byteCount)) else {
    throw PosternError.malformedCharter
  }
  return (shard, veil, possession)
}

extension Charter.Node {
  static func append(_ nodes: [Charter.Node], to bytes: inout [UInt8]) {
    bytes.append(bigEndian: UInt16(nodes.count))
    for node in nodes {
      bytes.append(string: node.name)
      bytes += node.key.bytes
    }
  }

  static func readList(from reader: inout ByteReader) throws -> [Charter.Node] {
    let count = Int(try reader.read(UInt16.self))
    guard count <= Charter.Limits.nodes else { throw PosternError.malformedCharter }
    var nodes: [Charter.Node] = []
    for _ in 0..<count {
      let name = try reader.readString(limit: Charter.Limits.nameByteCount)
      guard let key = VerificationKey(try reader.read(VerificationKey.byteCount)) else {
        throw PosternError.malformedCharter
      }
      nodes.append(Charter.Node(name: name, key: key))
    }
    return nodes
  }
}

extension PosternError {
  /// A charter whose bytes are not of the format.
  static let malformedCharter = PosternError(
    .charterMalformed, "The charter's bytes are not of the format.",
    advice: "Ask its sender for the original file, or build the charter again.")
}
