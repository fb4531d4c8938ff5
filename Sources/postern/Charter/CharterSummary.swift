import Client
import Core
import Dump
import Envelope
import Merkle
import Records

/// A charter in words: what a member reads before it signs, and what `--json` prints.
struct CharterSummary: Encodable {
  /// A member and whether it has signed.
  struct Member: Encodable {
    let name: String
    let hasSigned: Bool
  }

  let name: String
  let app: String
  let home: String
  let recovery: String?
  let kms: String?
  let governance: String
  let members: [Member]
  let uploaders: [String]
  let requesters: [String]
  let chunker: String
  let retentionEpochs: UInt64
  let policy: String
  /// Members whose loss alone would freeze the application.
  let indispensable: [String]

  /// A charter's summary.
  init(_ file: CharterFile) {
    self.init(file.charter, signed: file.signatures.map { $0 != nil })
  }

  private init(_ charter: Charter, signed: [Bool]) {
    let words = PolicyWords(charter)
    name = charter.name
    app = charter.digest.hex
    home = charter.home.text
    recovery = charter.recovery.map { words.text($0.root) }
    kms = charter.kms?.path
    governance = words.text(charter.governance.root)
    members = zip(charter.members, signed).map { Member(name: $0.name, hasSigned: $1) }
    uploaders = charter.uploaders.map(\.name)
    requesters = charter.requesters.map(\.name)
    switch charter.chunker {
    case .fixed(let size): chunker = "fixed, \(size.rawValue / 1_024) KiB"
    case .content(let average): chunker = "by content, \(average.rawValue / 1_024) KiB on average"
    }
    retentionEpochs = charter.retentionEpochs
    policy = charter.policyDigest.hex
    indispensable = charter.indispensableMembers.map(\.name)
  }

  /// The summary for a terminal.
  var text: String {
    let missing = members.filter { !$0.hasSigned }.map(\.name)
    let signed = "\(members.count - missing.count) of \(members.count)"
    let retention = retentionEpochs == 0 ? "every epoch is kept" : "the newest \(retentionEpochs) epochs are kept"
    var rows = [
      ("application", app), ("home log", home), ("council door", recovery ?? "none"), ("KMS door", kms ?? "none"),
      ("charter gate", governance), ("members", members.map(\.name).joined(separator: ", ")),
      ("uploaders", uploaders.joined(separator: ", ")),
      ("requesters", requesters.isEmpty ? "none" : requesters.joined(separator: ", ")), ("chunks", chunker),
      ("retention", retention), ("policy", policy),
      ("signatures", missing.isEmpty ? signed : signed + "; missing: " + missing.joined(separator: ", ")),
    ]
    if !indispensable.isEmpty {
      rows.append(("beware", "the loss of one of these freezes it: " + indispensable.joined(separator: ", ")))
    }
    return "Charter of “\(name)”\n" + Table.text(rows)
  }
}

/// A policy in words: `2 of (ana, bo ×2, 3 of (cy, dee, eli))`.
struct PolicyWords {
  private let names: [ShardPublicKey: String]

  /// Words for policies of a charter.
  init(_ charter: Charter) {
    names = Dictionary(charter.members.map { ($0.shard, $0.name) }) { first, _ in first }
  }

  /// A gate in words.
  func text(_ gate: Gate) -> String {
    let children = gate.children.map { child in
      switch child {
      case .gate(let gate): text(gate)
      case .member(let key, let weight): (names[key] ?? "?") + (weight == 1 ? "" : " ×\(weight)")
      }
    }
    return "\(gate.threshold) of (\(children.joined(separator: ", ")))"
  }
}
