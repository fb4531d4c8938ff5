import Client
import Core
import Dump
import Envelope
import Merkle
import Records
import Sodium

/// A charter as people write it: a TOML file with public lines, and policies over names (`Schema/keys.md`).
struct CharterDocument {
  /// The most bytes that the file may have: a thousand members' lines.
  static let byteCountLimit = 4 << 20

  private let root: SettingsEntry
  /// Where `file = …` entries are read from.
  private let folder: String

  /// Reads a file.
  ///
  /// - Parameters:
  ///   - bytes: the file.
  ///   - file: its name, for whatever is wrong with it.
  ///   - folder: where names of files in it start.
  /// - Throws: `settings.*`.
  init(toml bytes: [UInt8], of file: String, folder: String) throws(PosternError) {
    root = try SettingsEntry(toml: bytes, of: file)
    try root.allow([
      "name", "home", "retention", "chunker", "member", "recovery", "governance", "kms", "uploader", "requester",
    ])
    self.folder = folder
  }

  /// The home log that the file names; nil where it leaves that to the archive that is asked.
  func home() throws(PosternError) -> NoteVerifier? {
    guard let entry = try root["home"] else { return nil }
    return try NoteVerifier(parsing: try entry.text())
  }

  /// The charter, with a fresh nonce; whether it is a good one is for ``Records/Charter/validate()`` to say.
  ///
  /// - Parameter home: the log that admits the application.
  /// - Throws: `settings.entry` naming the entry, `key.*`, `policy.*`, `dump.chunker`.
  func charter(home: NoteVerifier) throws(PosternError) -> Charter {
    let members = try members()
    let policies = PolicyDocument(members: members)
    guard let nonce = Digest(randomBytes(Digest.byteCount)) else { preconditionFailure("a nonce has 32 bytes") }
    return Charter(
      nonce: nonce, name: try root.required("name").text(), members: members,
      recovery: try root["recovery"].map { (entry) throws(PosternError) in try policies.policy(entry) },
      governance: try policies.policy(try root.required("governance")), kms: try kms(),
      uploaders: try nodes("uploader", .uploader), requesters: try nodes("requester", .requester), home: home,
      chunker: try chunker(), retentionEpochs: try retention())
  }

  private func members() throws(PosternError) -> [Charter.Member] {
    var members: [Charter.Member] = []
    for entry in try entries("member") {
      guard case .member(let identity) = try line(entry) else { throw entry.refusal("holds no member's line") }
      members.append(Charter.Member(identity))
    }
    return members
  }

  private func nodes(_ name: String, _ role: HolderRole) throws(PosternError) -> [Charter.Node] {
    var nodes: [Charter.Node] = []
    for entry in try entries(name) {
      switch try line(entry) {
      case .uploader(let name, let key, _) where role == .uploader: nodes.append(Charter.Node(name: name, key: key))
      case .requester(let name, let key, _) where role == .requester: nodes.append(Charter.Node(name: name, key: key))
      default: throw entry.refusal("holds no \(role.rawValue)'s line")
      }
    }
    return nodes
  }

  private func kms() throws(PosternError) -> Charter.KMSDoor? {
    guard let entry = try root["kms"] else { return nil }
    guard case .kms(let identity) = try line(entry, besides: ["path"]) else {
      throw entry.refusal("holds no KMS's line")
    }
    return Charter.KMSDoor(path: try entry.required("path").text(), identity)
  }

  private func entries(_ name: String) throws(PosternError) -> [SettingsEntry] {
    try root[name]?.list() ?? []
  }

  /// The public line of a table: in `line`, or in the file that `file` names.
  private func line(_ entry: SettingsEntry, besides names: [String] = []) throws(PosternError) -> PublicLine {
    try entry.allow(["line", "file"] + names)
    let place: SettingsEntry
    let text: String
    if let file = try entry["file"] {
      place = file
      let path = try file.text()
      let bytes = try InputFile.read(
        path.hasPrefix("/") ? path : "\(folder)/\(path)", byteCountLimit: PublicLine.byteCountLimit + 1)
      text = String(decoding: bytes, as: UTF8.self)
    } else {
      place = try entry.required("line")
      text = try place.text()
    }
    do throws(PosternError) {
      return try PublicLine(parsing: text)
    } catch {
      throw PosternError(error.code, "\(place.path): \(error.message)", advice: error.advice)
    }
  }

  private func chunker() throws(PosternError) -> ChunkerParameters {
    guard let entry = try root["chunker"] else { return .standard }
    try entry.allow(["kind", "size"])
    let kind = try entry.required("kind")
    let size = try entry.required("size").number(in: 1...Int.max)
    switch try kind.text() {
    case "content": return try ChunkerParameters(contentByteCount: size)
    case "fixed": return try ChunkerParameters(fixedByteCount: size)
    default: throw kind.refusal("is no chunker that this version knows; write \"content\" or \"fixed\"")
    }
  }

  private func retention() throws(PosternError) -> UInt64 {
    UInt64(try root["retention"]?.number(in: 0...Int.max) ?? 0)
  }
}
