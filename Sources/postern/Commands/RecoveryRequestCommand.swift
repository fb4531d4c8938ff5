import ArgumentParser
import Client
import Core
import Envelope
import Glibc
import Records
import Sodium

/// `postern recovery request`: asks the council to open an epoch.
struct RecoveryRequestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "request", abstract: "Write a request to open an epoch, for the council's members.",
    discussion: """
      The request holds all that a member needs to check it. A secret is written beside it, REQUEST.secret: whoever \
      has it can read the members' answers.
      """)

  @Option(help: ArgumentHelp("The application: 64 hex digits.", valueName: "id"))
  var app: Digest

  @Option(help: ArgumentHelp("The epoch; the newest that is shown where none is given.", valueName: "n"))
  var epoch: UInt64?

  @Option(help: ArgumentHelp("The requester's key; - is standard input.", valueName: "file"))
  var key: String

  @Option(help: ArgumentHelp("Where the request goes.", valueName: "file"))
  var out: String

  @Option(help: ArgumentHelp("The public line of the uploader key that the node will use next.", valueName: "line"))
  var nextUploader: String?

  @OptionGroup var state: StateOptions
  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var source: SourceOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let next = try nextUploader.map { try RecoveryRequestCommand.uploader($0) }
    let key = SharedKey(try KeyFile.read(key, as: .requester, passphrase))
    let memory = try state.memory(app)
    let sealed = try await source.open { catalog in
      let application = try await catalog.verified(app: app, epoch: epoch, memory: memory)
      return try await catalog.sealedEpoch(of: application)
    }
    if epoch == nil { Console.note(source.rests(on: sealed.application)) }
    let evidence = try EpochEvidence(sealed)
    let asking = try await evidence.request(by: key.file, nextUploader: next, app: app)
    var secret = RecoverySecretFile.text(asking.secret)
    defer { wipe(&secret) }
    // The secret first: a request that nobody could read the answers to shall not go out.
    try PrivateFile.write(secret, to: RecoveryCommand.secretPath(out))
    do {
      try OutputFile.write(asking.recovery.file.text, to: out)
    } catch {
      // It belongs to no request, and would stand in the way of the next.
      _ = unlink(RecoveryCommand.secretPath(out))
      throw error
    }
    let statement = asking.recovery.statement
    let policy = statement.charter.recovery.map { PolicyWords(statement.charter).text($0.root) } ?? "none"
    Console.note(
      """
      Wrote \(out) to open epoch \(statement.epoch.number), and the secret beside it. The council door is \(policy). \
      Each member runs: postern council release --key MEMBER.key --request \(out)
      """)
    try Console.answer(
      statement.recovery.hex, called: "recovery's name",
      after: Console.Deed(
        sentence: "The request was written to \(out)", advice: "Hand it to the members; they see the recovery's name."))
  }

  private static func uploader(_ line: String) throws -> VerificationKey {
    guard case .uploader(_, let key, _) = try PublicLine(parsing: line) else {
      throw ValidationError("--next-uploader takes an uploader's public line.")
    }
    return key
  }
}
