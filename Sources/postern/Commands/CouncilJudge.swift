import ArgumentParser
import Client
import Core
import Envelope
import Records

/// `postern council judge`: reaches the verdict on a blame, as anyone would.
struct CouncilJudge: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "judge", abstract: "Judge a blame; exits 0 where a false release is proven, 1 where it is not.")

  @Argument(help: ArgumentHelp("The blame's file.", valueName: "blame"))
  var file: String

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var common: CommonOptions

  private struct Output: Encodable {
    let app: String
    let epoch: UInt64
    let recovery: String
    let member: String
    let verdict: String
    let isProven: Bool
  }

  func run() async throws {
    let blame = try NamedFile.read(file, byteCountLimit: BlameFile.textByteCountLimit) { (bytes) throws(PosternError) in
      try BlameFile(parsing: bytes)
    }
    let judgement: BlameJudgement
    do throws(PosternError) {
      judgement = try await blame.judge()
    } catch {
      throw PosternError(
        error.code, "This blame proves nothing. \(error.message)",
        advice: "Blame nobody; ask whoever sent it for the file as “postern recovery open --blame” wrote it.",
        index: error.index)
    }
    let statement = judgement.statement
    if json {
      let output = Output(
        app: statement.app.hex, epoch: statement.epoch.number, recovery: statement.recovery.hex,
        member: judgement.member.name, verdict: judgement.verdict.rawValue, isProven: judgement.isProven)
      try Console.say(try output.json)
    } else {
      try Console.say(text(judgement))
    }
    guard judgement.isProven else { throw ExitCode(ExitStatus.refused.rawValue) }
  }

  private func text(_ judgement: BlameJudgement) -> String {
    let member = "“\(judgement.member.name)”"
    let epoch = "epoch \(judgement.statement.epoch.number) of “\(judgement.statement.charter.name)”"
    return switch judgement.verdict {
    case .honest: "Honest: the answer of \(member) to the recovery of \(epoch) opens and verifies. Nobody is to blame."
    case .doesNotOpen: "Proven: the answer that \(member) signed for the recovery of \(epoch) does not open."
    case .notThisMembersLeaves:
      "Proven: the answer that \(member) signed for the recovery of \(epoch) does not hold the releases of its leaves."
    case .falseRelease: "Proven: the answer that \(member) signed for the recovery of \(epoch) holds a false release."
    }
  }
}
