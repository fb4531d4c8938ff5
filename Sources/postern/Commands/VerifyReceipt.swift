import ArgumentParser
import Client
import Core
import Merkle
import Records
import Trust

/// `postern verify receipt`: checks a receipt without asking anyone.
struct VerifyReceipt: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "receipt", abstract: "Check a receipt offline, with the log's key alone.")

  @Argument(help: ArgumentHelp("The receipt (.tlog-proof).", valueName: "receipt"))
  var file: String

  @Option(help: ArgumentHelp("The log's verifier key.", valueName: "key"))
  var logKey: String?

  @Option(
    help: ArgumentHelp(
      "A charter whose home log it is; the record has to be one of that application.", valueName: "file"))
  var charter: String?

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var common: CommonOptions

  private struct Output: Encodable {
    let app: String
    let kind: String
    let epoch: UInt64?
    let leafIndex: UInt64
    let checkpointSize: UInt64
    let origin: String
    let leafHash: String
  }

  func validate() throws {
    guard (logKey == nil) != (charter == nil) else {
      throw ValidationError("Say whose log it is: --log-key, or --charter.")
    }
  }

  func run() throws {
    let receipt = try Receipt(parsing: try InputFile.read(file, byteCountLimit: TlogProof.maximumByteCount))
    let (log, app) = try log()
    let checkpoint = try receipt.verify(log: log).checkpoint
    let record = try Record(parsing: receipt.proven.leaf)
    try record.verifySignature()
    if let app, record.app != app {
      throw PosternError(
        .recoveryApplication, "The receipt is for a record of another application, \(record.app).",
        advice: "Give that application's charter.")
    }
    let (kind, epoch) = VerifyReceipt.kind(of: record)
    if json {
      let output = Output(
        app: record.app.hex, kind: kind, epoch: epoch, leafIndex: receipt.proven.index, checkpointSize: checkpoint.size,
        origin: checkpoint.origin, leafHash: TreeHash.leaf(receipt.proven.leaf).hex)
      try Console.say(try output.json)
    } else {
      let what = epoch.map { "epoch \($0)" } ?? "the \(kind)"
      try Console.say(
        "Good: \(what) of \(record.app) is in \(checkpoint.origin), as entry "
          + "\(receipt.proven.index) of \(checkpoint.size).")
    }
  }

  private func log() throws -> (NoteVerifier, Digest?) {
    if let logKey { return (try NoteVerifier(parsing: logKey), nil) }
    let charter = try CharterFile.read(charter ?? "").charter
    return (charter.home, charter.digest)
  }

  private static func kind(of record: Record) -> (String, UInt64?) {
    switch record.fields {
    case .charter: ("charter", nil)
    case .epoch(let fields): ("epoch", fields.number)
    case .motion: ("motion", nil)
    case .ballot: ("ballot", nil)
    }
  }
}
