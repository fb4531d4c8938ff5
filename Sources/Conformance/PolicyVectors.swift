import Core
import Envelope
import Sodium

/// A file about policies: trees that are allowed, and trees that are refused with a rule.
struct PolicyVectors: Decodable {
  private let allowed: [Allowed]
  private let refused: [Refused]

  private struct Allowed: Decodable {
    let what: String
    let policy: PolicyNode
  }

  private struct Refused: Decodable {
    let what: String
    let rule: String
    let policy: PolicyNode
  }

  init(json: [UInt8]) throws {
    self = try decodeVector(json)
  }

  func check(_ log: inout CaseLog) {
    for tree in allowed {
      log.run("allowed: \(tree.what)") { log in
        let policy = try Policy(root: tree.policy.gate(key: Self.key))
        var reader = ByteReader(policy.bytes)
        let decoded = try Policy.read(from: &reader)
        log.expect(
          "allowed: \(tree.what)", decoded == policy && reader.remaining == 0, "it does not survive its encoding")
      }
    }
    for tree in refused {
      log.run("refused: \(tree.what)") { log in
        let rule = try refusal(of: tree.policy) ?? "nothing"
        log.expect("refused: \(tree.what)", rule == tree.rule, "\(rule) in place of \(tree.rule)")
      }
    }
  }

  /// The rule that refuses a tree; nil when none does.
  private func refusal(of tree: PolicyNode) throws -> String? {
    let root = try tree.gate(key: Self.key)
    do {
      _ = try Policy(root: root)
      return nil
    } catch {
      return error.code.rawValue.droppingArea("policy")
    }
  }

  /// The vectors name members and give them no keys: any distinct ones do.
  private static func key(_ name: Name) throws -> ShardPublicKey {
    guard let key = ShardPublicKey(Point(hashing: name.text).bytes) else { throw Malformed("a name without a key") }
    return key
  }
}

extension String {
  /// A code's reason, where its area is the given one; the whole code otherwise.
  func droppingArea(_ area: String) -> String {
    hasPrefix(area + ".") ? String(dropFirst(area.count + 1)) : self
  }
}
