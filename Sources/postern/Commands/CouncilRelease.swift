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
      the epoch is in the application's log, and the whole envelope. What is about to be opened is shown.
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

  @Flag(help: "Release without asking.")
  var yes = false

  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let file = try RecoveryRequestFile.read(request)
    let recovery = try await file.verified(app: app, advice: "Do not answer it; ask who sent it to send it again.")
    let key = try KeyFile.read(key, as: .member, passphrase)
    let number = try recovery.memberNumber(of: key)
    Console.note(RecoverySummary(recovery, member: number).text)
    guard try yes || Console.confirm("Release your shares to this node?") else { throw PosternError.declined }
    let release = try recovery.answer(with: key)
    let path = out ?? "\(request).\(number).release"
    guard path != InputFile.standardInput else { return try Console.say(release.text) }
    try OutputFile.write(release.text, to: path)
    Console.note("Wrote \(path). Hand it to the recovering node; nobody else can read it.")
  }
}

/// What a member is about to open, and for whom, on one screen.
struct RecoverySummary {
  /// The summary.
  let text: String

  /// The summary of a verified request for one of its members.
  init(_ recovery: RecoveryCase, member number: Int) {
    let statement = recovery.statement
    let charter = statement.charter
    let words = PolicyWords(charter)
    let member = charter.members[number]
    let leafCount = charter.recovery?.leaves(of: member.shard).count ?? 0
    let checkpoint = recovery.checkpoint.checkpoint
    let rows = [
      ("application", "“\(charter.name)” \(statement.app)"),
      ("epoch", "\(statement.epoch.number), state version \(statement.epoch.stateVersion)"),
      ("asked by", "the requester “\(statement.requester.name)”"),
      ("council door", charter.recovery.map { words.text($0.root) } ?? "none"),
      ("your shares", leafCount == 1 ? "1, as “\(member.name)”" : "\(leafCount), as “\(member.name)”"),
      ("in the log", "\(checkpoint.origin), at \(checkpoint.size) entries"),
      ("recovery", statement.recovery.hex),
      ("next uploader", statement.request.nextUploader.map { $0.bytes.hex } ?? "not said"),
    ]
    text = """
      Checked: charter, signatures, requester, log entry and envelope. This would open:
      \(Table.text(rows))
      Whoever asks can read this epoch's state once enough members have answered. Whether there is a newer epoch, and \
      whether this node is the right one, is for you to find out.
      """
  }
}
