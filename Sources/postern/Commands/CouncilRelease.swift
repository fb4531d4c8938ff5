import ArgumentParser
import Client
import Core
import Envelope
import Merkle
import Records
import Sodium

/// `postern council release`: a member checks a request and answers it.
struct CouncilRelease: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "release", abstract: "Release a member's shares of one epoch to one recovering node.",
    discussion: """
      Everything is checked first, with no archive asked: the charter and its members' signatures, who asks, that \
      the epoch is in the application's log, and the whole envelope. What is about to be opened is shown. With a copy \
      of one's own, --from FOLDER, it is also checked that the copy's log holds this very epoch, and shown whether \
      the copy knows a newer one.
      """)

  @Option(help: ArgumentHelp("The member's key; - is standard input.", valueName: "file"))
  var key: String

  @Option(help: ArgumentHelp("The recovery request.", valueName: "file"))
  var request: String

  @Option(
    help: ArgumentHelp(
      "Where the release goes (REQUEST.NUMBER.release where none is given, by the member's place in the charter from "
        + "0); - is standard output.", valueName: "file"))
  var out: String?

  @Option(help: ArgumentHelp("The application that you know, 64 hex digits; any other is refused.", valueName: "id"))
  var app: Digest?

  @Option(
    help: ArgumentHelp(
      "Compare with this folder: what “postern pull” wrote, or an archive's data folder or a copy of it.",
      valueName: "folder"))
  var from: String?

  @Flag(help: "Release without asking.")
  var yes = false

  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let file = try RecoveryRequestFile.read(request)
    let recovery = try await file.verified(app: app, advice: "Do not answer it; ask who sent it to send it again.")
    let key = try KeyFile.read(key, as: .member, passphrase)
    let number = try recovery.memberNumber(of: key)
    var own: OwnCopy?
    if let from { own = try await OwnCopy(from, of: recovery.statement) }
    Console.note(RecoverySummary(recovery, member: number, own: own).text)
    guard try yes || Console.confirm("Release your shares to this node?") else { throw PosternError.declined }
    let release = try recovery.answer(with: key)
    let path = out ?? "\(request).\(number).release"
    guard path != InputFile.standardInput else { return try Console.say(release.text) }
    try OutputFile.write(release.text, to: path)
    Console.note("Wrote \(path). Hand it to the recovering node; nobody else can read it.")
  }
}

/// What a member's own copy of the log says about an epoch that somebody wants opened.
struct OwnCopy {
  /// What it says, in words.
  let words: String

  /// Looks into a folder.
  ///
  /// - Throws: `recovery.mismatch` where the folder holds another epoch of that number; `folder.*`, `log.*`.
  init(_ path: String, of statement: RecoveryStatement) async throws {
    let (app, wanted) = (statement.app, statement.request)
    words = try await FolderCatalog.open(path).reading { folder in
      let newest = try await folder.verified(app: app, memory: nil)
      let size = newest.checkpoint.checkpoint.size
      guard let shown = newest.epoch, shown.fields.number >= wanted.epoch else {
        throw PosternError(
          .folderOlder, "The folder “\(path)” knows no epoch \(wanted.epoch) of the application, at \(size) entries.",
          advice: "Pull again, or answer without --from if you know of the epoch from elsewhere.")
      }
      let own = try await folder.epoch(wanted.epoch, of: newest, memory: nil)
      guard own.leafHash == wanted.epochLeafHash else {
        throw PosternError(
          .recoveryMismatch, "The folder “\(path)” holds another epoch \(wanted.epoch) than the one to be opened.",
          advice: "Do not answer: there are two histories. Compare both records with the other members.")
      }
      return shown.fields.number == wanted.epoch
        ? "holds this epoch, the newest that it shows, at \(size) entries"
        : "holds this epoch, and shows a NEWER one, \(shown.fields.number), at \(size) entries"
    }
  }
}

/// What a member is about to open, and for whom, on one screen.
struct RecoverySummary {
  /// The summary.
  let text: String

  /// The summary of a verified request for one of its members.
  ///
  /// - Parameter own: what the member's own copy says; nil where it gave none.
  init(_ recovery: RecoveryCase, member number: Int, own: OwnCopy? = nil) {
    let statement = recovery.statement
    let charter = statement.charter
    let words = PolicyWords(charter)
    let member = charter.members[number]
    let leafCount = charter.recovery?.leaves(of: member.shard).count ?? 0
    let checkpoint = recovery.checkpoint.checkpoint
    var rows = [
      ("application", "“\(charter.name)” \(statement.app)"),
      ("epoch", "\(statement.epoch.number), state version \(statement.epoch.stateVersion)"),
      ("asked by", "the requester “\(statement.requester.name)”"),
      ("council door", charter.recovery.map { words.text($0.root) } ?? "none"),
      ("your shares", leafCount == 1 ? "1, as “\(member.name)”" : "\(leafCount), as “\(member.name)”"),
      ("in the log", "\(checkpoint.origin), at \(checkpoint.size) entries"),
      ("recovery", statement.recovery.hex),
      ("next uploader", statement.request.nextUploader.map { $0.bytes.hex } ?? "not said"),
    ]
    if let own { rows.append(("your copy", own.words)) }
    text = """
      Checked: charter, signatures, requester, log entry and envelope. This would open:
      \(Table.text(rows))
      Whoever asks can read this epoch's state once enough members have answered. Whether there is a newer epoch, and \
      whether this node is the right one, is for you to find out.
      """
  }
}
