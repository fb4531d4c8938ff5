import Core
import Envelope
import FoundationEssentials

/// Bytes that a vector spells in hexadecimal.
struct Hex: Decodable {
  let bytes: [UInt8]

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let bytes = [UInt8](hex: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "not hexadecimal")
    }
    self.bytes = bytes
  }

  /// The bytes as a digest.
  func digest() throws -> Digest {
    guard let digest = Digest(bytes) else { throw Malformed("a digest has 32 bytes") }
    return digest
  }

  /// The bytes as a shard key.
  func shardKey() throws -> ShardPublicKey {
    guard let key = ShardPublicKey(bytes) else { throw Malformed("a shard key is no point") }
    return key
  }
}

/// A holder's name, compared byte by byte: Swift's own comparison would take two spellings of one text as equal.
struct Name: Decodable, Hashable {
  let text: String

  init(from decoder: any Decoder) throws {
    text = try decoder.singleValueContainer().decode(String.self)
  }

  init(_ text: String) {
    self.text = text
  }

  static func == (left: Name, right: Name) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

  func hash(into hasher: inout Hasher) { hasher.combine(Array(text.utf8)) }
}

/// Why a file is no vector.
struct Malformed: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = "malformed: \(description)"
  }

  /// What a decoder found, with the field that it found it in.
  init(reading error: any Error) {
    guard let error = error as? DecodingError else {
      self.init("\(error)")
      return
    }
    switch error {
    case .keyNotFound(let key, let context): self.init("the field \(Malformed.place(context, key)) is missing")
    case .valueNotFound(_, let context): self.init("the field \(Malformed.place(context)) is null")
    case .typeMismatch(_, let context): self.init("the field \(Malformed.place(context)) is of another type")
    case .dataCorrupted(let context) where context.codingPath.isEmpty: self.init("no JSON")
    case .dataCorrupted(let context):
      self.init("the field \(Malformed.place(context)): \(context.debugDescription)")
    @unknown default: self.init("\(error)")
    }
  }

  /// A field's name as the file spells it: `sealed_releases.messages[2].what`.
  private static func place(_ context: DecodingError.Context, _ key: (any CodingKey)? = nil) -> String {
    let keys = context.codingPath + (key.map { [$0] } ?? [])
    return keys.reduce(into: "") { place, key in
      if let number = key.intValue { return place += "[\(number)]" }
      if !place.isEmpty { place += "." }
      for (index, letter) in key.stringValue.enumerated() {
        place += letter.isUppercase && index > 0 ? "_\(letter.lowercased())" : "\(letter)"
      }
    }
  }
}

/// Reads a vector of some kind.
func decodeVector<Vector: Decodable>(_ json: [UInt8]) throws -> Vector {
  guard json.count <= Conformance.fileByteLimit else { throw Malformed("longer than 256 MiB") }
  let decoder = JSONDecoder()
  decoder.keyDecodingStrategy = .convertFromSnakeCase
  do { return try decoder.decode(Vector.self, from: Data(json)) } catch { throw Malformed(reading: error) }
}

/// A policy's tree: a gate is `{"t", "c"}`, a member `{"m", "w"}`.
indirect enum PolicyNode: Decodable {
  case gate(threshold: Int, children: [PolicyNode])
  case member(name: Name, weight: Int)

  private enum CodingKeys: String, CodingKey {
    case threshold = "t"
    case children = "c"
    case member = "m"
    case weight = "w"
  }

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    if container.contains(.member) {
      self = .member(
        name: try container.decode(Name.self, forKey: .member),
        weight: try container.decode(Int.self, forKey: .weight))
    } else {
      self = .gate(
        threshold: try container.decode(Int.self, forKey: .threshold),
        children: try container.decode([PolicyNode].self, forKey: .children))
    }
  }

  /// The tree with keys in place of names.
  func gate(key: (Name) throws -> ShardPublicKey) throws -> Gate {
    guard case .gate(let threshold, let children) = self else { throw Malformed("a policy starts with a gate") }
    return Gate(
      threshold: threshold,
      children: try children.map { child in
        switch child {
        case .gate: .gate(try child.gate(key: key))
        case .member(let name, let weight): .member(try key(name), weight: weight)
        }
      })
  }
}

/// A file about one envelope.
struct EnvelopeVector: Decodable {
  let seed: Hex
  let appId: Hex
  let epoch: UInt64
  let charterDigest: Hex
  let generatorH: Hex
  /// Null where there is no council door.
  let policy: PolicyNode?
  let members: [Member]
  /// Null where there is no KMS door.
  let kms: KMS?
  let policyEncoding: Hex
  let context: Hex
  let commitments: Hex
  let transcript: Hex
  let digest: Hex
  let dual: [Hex]
  let secret: Hex
  let veil: Veil
  let capsuleKey: Hex
  let releases: [Release]
  let sealedReleases: SealedReleases
  let subsets: [Subset]
  let refused: [Refused]
  let refusedReleases: [RefusedRelease]
  let refusedPossessions: [RefusedPossession]

  private enum CodingKeys: String, CodingKey {
    case secret = "S"
    case seed, appId, epoch, charterDigest, generatorH, policy, members, kms, policyEncoding, context
    case commitments, transcript, digest, dual, veil, capsuleKey, releases, sealedReleases, subsets, refused
    case refusedReleases, refusedPossessions
  }

  init(json: [UInt8]) throws {
    self = try decodeVector(json)
  }

  struct Member: Decodable {
    let name: Name
    let master: Hex
    let signing: Hex
    let secret: Hex
    let `public`: Hex
    let veil: Hex
    let possession: Hex
  }

  struct KMS: Decodable {
    let provisioned: Hex
    let secret: Hex
    let `public`: Hex
    let veil: Hex
    let possession: Hex
  }

  struct Veil: Decodable {
    let generation: UInt64
    let secret: Hex
    let commit: Hex
    let sealed: [Copy]

    private enum CodingKeys: String, CodingKey {
      case secret = "W"
      case generation, commit, sealed
    }

    struct Copy: Decodable {
      let to: Name
      let bytes: Hex
    }
  }

  struct Release: Decodable {
    let leaf: Int
    let release: Hex
  }

  struct SealedReleases: Decodable {
    let recovery: Hex
    let recoverySecret: Hex
    let recipients: [Recipient]
    let veilRecipient: Hex
    let member: Name
    let seed: Hex
    /// Null where there is no other member.
    let seedOfAnotherMember: Hex?
    let messages: [Message]
    let veil: Hex

    struct Recipient: Decodable {
      let member: Name
      let `public`: Hex
    }

    struct Message: Decodable {
      let what: String
      let message: Hex
      let verdict: String
    }
  }

  struct Subset: Decodable {
    let members: [Name]
    let opens: Bool
  }

  struct Refused: Decodable {
    let what: String
    let transcript: Hex
    let kmsPublicKey: Hex?
    let context: Hex
    let rule: String
    let at: Int?
  }

  struct RefusedRelease: Decodable {
    let what: String
    let leaf: Int
    let release: Hex
    let context: Hex
    let digest: Hex
  }

  struct RefusedPossession: Decodable {
    let what: String
    let name: String
    let signing: Hex
    let veil: Hex
    let `public`: Hex
    let possession: Hex
  }
}
