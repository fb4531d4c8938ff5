import Client
import Core
import Dump
import Envelope
import Merkle
import Records
import Sodium

/// Every key and a signed charter for one person who tries it out.
struct SoloSet: ~Copyable {
  /// The charter's file name.
  static let charterName = "charter"

  private let member: KeyFile
  private let uploader: KeyFile
  private let requester: KeyFile
  /// Drawn in any case; written where the charter has its door.
  private let kms: KeyFile
  private let charter: CharterFile

  /// Draws the keys and signs the charter, whose doors the one member, and the KMS, open.
  ///
  /// - Throws: `charter.name`, and its like.
  init(name: String, hasKMS: Bool, home: NoteVerifier) throws(PosternError) {
    let member = try KeyFile.random(role: .member, name: "me")
    let uploader = try KeyFile.random(role: .uploader, name: "node")
    let requester = try KeyFile.random(role: .requester, name: "node")
    let identity = MemberIdentity(name: member.name, master: member.master)
    let policy = try Policy(root: Gate(threshold: 1, children: [.member(identity.shardKey, weight: 1)]))
    let kms = try KeyFile.random(role: .kms, name: "kms")
    let door = hasKMS ? Charter.KMSDoor(path: "postern/\(name)", KMSIdentity(master: kms.master)) : nil
    guard let nonce = Digest(randomBytes(Digest.byteCount)) else { preconditionFailure("a nonce has 32 bytes") }
    var file = try CharterFile(
      Charter(
        nonce: nonce, name: name, members: [Charter.Member(identity)], recovery: policy, governance: policy, kms: door,
        uploaders: [Charter.Node(name: uploader.name, key: try uploader.signingKey().verificationKey)],
        requesters: [Charter.Node(name: requester.name, key: try requester.signingKey().verificationKey)],
        home: home, chunker: .standard, retentionEpochs: 0))
    try file.sign(with: member)
    self.member = member
    self.uploader = uploader
    self.requester = requester
    self.kms = kms
    charter = file
  }

  /// Writes all of it into a new folder that nobody else may enter.
  ///
  /// - Returns: the application's id.
  /// - Throws: `storage.*`.
  func write(to folder: String) throws(PosternError) -> Digest {
    try PrivateFile.makeFolder(folder)
    try SoloSet.write(member, "member", folder)
    try SoloSet.write(uploader, "uploader", folder)
    try SoloSet.write(requester, "requester", folder)
    if charter.charter.kms != nil { try SoloSet.write(kms, "kms", folder) }
    try OutputFile.write(charter.text, to: "\(folder)/\(SoloSet.charterName)")
    return charter.charter.digest
  }

  private static func write(_ key: borrowing KeyFile, _ name: String, _ folder: String) throws(PosternError) {
    var text = key.text()
    defer { wipe(&text) }
    try PrivateFile.write(text, to: "\(folder)/\(name).key")
  }

  /// What to do next, command by command.
  ///
  /// - Parameters:
  ///   - folder: where the keys and the charter are.
  ///   - app: the application.
  ///   - there: the options that say which archive to ask, each with a space in front.
  func nextSteps(folder: String, app: Digest, options there: String) -> String {
    let kms =
      charter.charter.kms == nil
      ? ""
      : "\nOr, through the other door:\n"
        + "  postern recover --app \(app) --kms-key \(folder)/kms.key --out STATE.kms\(there)"
    return """
      Wrote the keys and the charter to \(folder). Next:
        postern charter register \(folder)/\(SoloSet.charterName) --key \(folder)/member.key\(there)
        postern push --app \(app) --key \(folder)/uploader.key\(there) STATE
        postern recovery request --app \(app) --key \(folder)/requester.key --out request\(there)
        postern council release --key \(folder)/member.key --request request --out release
        postern recovery open --request request --release release --out STATE.again\(there)
      """ + kms
  }
}
