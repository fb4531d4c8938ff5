import Core
import Envelope
import Records

/// Policies as people write them: `{ threshold = 2, of = ["ana", { member = "bo", weight = 2 }, { threshold … }] }`.
struct PolicyDocument {
  private let members: [Charter.Member]

  /// Policies over members that were read before.
  init(members: [Charter.Member]) {
    self.members = members
  }

  /// A policy.
  ///
  /// - Throws: `settings.entry` naming the entry, `policy.*` naming the policy.
  func policy(_ entry: SettingsEntry) throws(PosternError) -> Policy {
    let root = try gate(entry)
    do throws(PosternError) {
      return try Policy(root: root)
    } catch {
      throw PosternError(error.code, "\(entry.path): \(error.message)", advice: error.advice, index: error.index)
    }
  }

  private func gate(_ entry: SettingsEntry) throws(PosternError) -> Gate {
    try entry.allow(["threshold", "of"])
    var children: [Gate.Child] = []
    for child in try entry.required("of").list() { children.append(try self.child(child)) }
    let threshold = try entry.required("threshold").number(in: 1...Policy.leafLimit)
    return Gate(threshold: threshold, children: children)
  }

  private func child(_ entry: SettingsEntry) throws(PosternError) -> Gate.Child {
    if case .text(let name) = entry.value { return .member(try key(of: name, entry), weight: 1) }
    guard let member = try entry["member"] else { return .gate(try gate(entry)) }
    try entry.allow(["member", "weight"])
    let weight = try entry["weight"]?.number(in: 1...Policy.leafLimit) ?? 1
    return .member(try key(of: try member.text(), member), weight: weight)
  }

  private func key(of name: String, _ entry: SettingsEntry) throws(PosternError) -> ShardPublicKey {
    // Bytes, not characters: two spellings of one name are two names to every hash.
    guard let member = members.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) else {
      throw entry.refusal("names “\(name)”, which is no [[member]] of this file")
    }
    return member.shard
  }
}
