import ArgumentParser
import Client
import Core
import Merkle
import Records

/// `postern pull`: copies an epoch's sealed objects into a folder.
struct Pull: AsyncParsableCommand, Interruptible {
  static let configuration = CommandConfiguration(
    commandName: "pull", abstract: "Copy an epoch, sealed as it is, into a folder, without a key.",
    discussion: """
      Every object is checked against its id, the record against the log and both doors against each other. With the \
      folder, --from FOLDER in the place of --archive, an epoch is recovered through either door when no archive is \
      left. A pull that was cut off is simply run again; it fetches what the folder lacks, and so does one of a later \
      epoch, or of another application of the same log. What is damaged of the epoch is mended by --check.
      """)

  static let interrupted = "Interrupted. Run the pull again: what the folder has is not fetched again."

  @Option(help: ArgumentHelp("The application: 64 hex digits.", valueName: "id"))
  var app: Digest

  @Option(help: ArgumentHelp("The epoch; the newest that the archive shows where none is given.", valueName: "n"))
  var epoch: UInt64?

  @Option(help: ArgumentHelp("The folder that the copy goes to; it is made where there is none.", valueName: "folder"))
  var out: String

  @Flag(help: "Read what the folder has of the epoch already, too, and fetch anew what is damaged.")
  var check = false

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var state: StateOptions
  @OptionGroup var archive: ArchiveOptions
  @OptionGroup var common: CommonOptions

  private struct Output: Encodable {
    let app: String
    let epoch: UInt64
    let generation: UInt64
    let stateVersion: UInt64
    let checkpointSize: UInt64
    let fetchedObjectCount: Int
    let fetchedByteCount: Int
    let heldObjectCount: Int
    let heldByteCount: Int
    let damagedObjectCount: Int
    let seconds: Double
    let out: String
  }

  func run() async throws {
    let line = ProgressLine(isShown: !json)
    defer { line.clear() }
    let memory = try state.memory(app)
    let options = PullOptions(app: app, epoch: epoch, path: out, checksHeld: check)
    let address = try archive.address()
    let report = try await ArchiveConnection.open(address, whenBroken: line.tellBroken(address)) { connection in
      try await Puller.pull(options, from: connection, memory: memory) { progress in line.draw { progress.line } }
    }
    line.clear()
    if epoch == nil, !json { Console.note(Latest.rests) }
    let deed = Console.Deed(
      sentence: "Epoch \(report.epoch.fields.number) is in \(out)", advice: "Use it with --from \(out).")
    try Console.say(json ? try output(report).json : text(report), after: deed)
  }

  private func output(_ report: PullReport) -> Output {
    let (fields, traffic) = (report.epoch.fields, report.traffic)
    return Output(
      app: report.application.app.hex, epoch: fields.number, generation: fields.generation,
      stateVersion: fields.stateVersion, checkpointSize: report.application.checkpoint.checkpoint.size,
      fetchedObjectCount: traffic.fetchedObjectCount, fetchedByteCount: traffic.fetchedByteCount,
      heldObjectCount: traffic.heldObjectCount, heldByteCount: traffic.heldByteCount,
      damagedObjectCount: traffic.damagedObjectCount, seconds: traffic.elapsed / .seconds(1), out: out)
  }

  private func text(_ report: PullReport) -> String {
    let (fields, traffic) = (report.epoch.fields, report.traffic)
    let damage =
      switch traffic.damagedObjectCount {
      case 0: ""
      case 1: " One object that was there was damaged, and came anew."
      case let count: " \(count) objects that were there were damaged, and came anew."
      }
    return "\(out) holds epoch \(fields.number) of “\(report.application.charter.name)”, state version "
      + "\(fields.stateVersion): \(Words.bytes(traffic.fetchedByteCount)) fetched in "
      + "\(Words.seconds(traffic.elapsed / .seconds(1))), \(Words.bytes(traffic.heldByteCount)) were there.\(damage)"
  }
}

extension PullProgress {
  /// The progress in a line.
  fileprivate var line: String {
    "\(Words.bytes(fetchedByteCount)) fetched, \(Words.bytes(Int(bytesPerSecond)))/s; \(Words.bytes(heldByteCount)) "
      + "were there"
  }
}
