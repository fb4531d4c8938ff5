public import Core

extension Gate {
  private static let gateKind: UInt8 = 1
  private static let memberKind: UInt8 = 2

  /// Appends `u8(1) ‖ u16(t) ‖ u16(number of children) ‖ children`, a member being
  /// `u8(2) ‖ u16(weight) ‖ key`.
  func encode(into bytes: inout [UInt8]) {
    bytes.append(Gate.gateKind)
    bytes.append(bigEndian: UInt16(threshold))
    bytes.append(bigEndian: UInt16(children.count))
    for child in children {
      switch child {
      case .gate(let gate): gate.encode(into: &bytes)
      case .member(let key, let weight):
        bytes.append(Gate.memberKind)
        bytes.append(bigEndian: UInt16(weight))
        bytes.append(contentsOf: key.bytes)
      }
    }
  }

  /// Reads what follows a gate's kind.
  fileprivate init(
    reading reader: inout ByteReader, depth: Int, rules: inout PolicyRules
  ) throws(PosternError) {
    try rules.enter(depth: depth)
    do {
      let threshold = Int(try reader.read(UInt16.self))
      let count = Int(try reader.read(UInt16.self))
      try rules.requireRoom(forChildren: count)
      var children: [Child] = []
      for _ in 0..<count {
        switch try reader.read(UInt8.self) {
        case Gate.gateKind: children.append(.gate(try Gate(reading: &reader, depth: depth + 1, rules: &rules)))
        case Gate.memberKind:
          let weight = Int(try reader.read(UInt16.self))
          guard let key = ShardPublicKey(try reader.read(ShardPublicKey.byteCount)) else { throw Policy.malformed }
          children.append(.member(key, weight: weight))
        default: throw Policy.malformed
        }
      }
      self.init(threshold: threshold, children: children)
    } catch let error as PosternError {
      throw error
    } catch {
      throw Policy.malformed
    }
  }

  fileprivate static func isGate(_ kind: UInt8) -> Bool { kind == gateKind }
}

extension Policy {
  /// The single byte that stands where a charter has no council door.
  private static let absentKind: UInt8 = 0

  fileprivate static let malformed = PosternError(
    .policyEncoding, "The bytes are not an encoded policy.", advice: "Take the charter from another archive.")

  /// The encoding of a policy, or of there being no council door: one zero byte.
  public static func encode(_ policy: Policy?) -> [UInt8] {
    policy?.bytes ?? [absentKind]
  }

  /// Reads a policy, or nil for the zero byte, and leaves the reader behind it.
  ///
  /// - Throws: `policy.encoding` for bytes that are no tree, or the rule that the tree breaks. Depth and
  ///   number of gates are checked while reading, so they are named before a rule that an earlier gate breaks.
  public static func read(from reader: inout ByteReader) throws(PosternError) -> Policy? {
    let kind: UInt8
    do { kind = try reader.read() } catch { throw malformed }
    if kind == absentKind { return nil }
    guard Gate.isGate(kind) else { throw malformed }
    var rules = PolicyRules()
    return try Policy(root: Gate(reading: &reader, depth: 1, rules: &rules))
  }
}
