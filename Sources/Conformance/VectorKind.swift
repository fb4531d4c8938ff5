import FoundationEssentials

/// What a vector file is about, by its own fields: a file may have any name.
enum VectorKind {
  /// Trees that are allowed or refused.
  case policies
  /// An envelope with all that belongs to it.
  case envelope

  /// Fields that only files of this kind have; one is enough, so that a file that lacks another is malformed and not
  /// unknown.
  private var marks: Set<String> {
    switch self {
    case .policies: ["allowed"]
    case .envelope:
      [
        "transcript", "commitments", "dual", "policy_encoding", "generator_h", "sealed_releases", "subsets",
        "refused_releases", "refused_possessions",
      ]
    }
  }

  /// The kind of a file; nil where it is JSON of another kind.
  ///
  /// - Throws: `Malformed` where it is no JSON, or longer than a vector may be.
  init?(json: [UInt8]) throws {
    guard json.count <= Conformance.fileByteLimit else { throw Malformed("longer than 256 MiB") }
    let names: Set<String>
    do {
      names = try JSONDecoder().decode(FieldNames.self, from: Data(json)).names
    } catch DecodingError.typeMismatch {
      // A list, a number or a text: JSON, and no vector.
      return nil
    } catch {
      throw Malformed(reading: error)
    }
    guard let kind = [VectorKind.envelope, .policies].first(where: { !names.isDisjoint(with: $0.marks) }) else {
      return nil
    }
    self = kind
  }
}

/// The names of an object's fields, whatever is in them.
private struct FieldNames: Decodable {
  let names: Set<String>

  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    names = Set(try decoder.container(keyedBy: Name.self).allKeys.map(\.stringValue))
  }
}
