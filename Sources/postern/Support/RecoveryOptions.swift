import ArgumentParser
import Client
import Core
import Envelope
import Records
import Sodium

/// What comes after a door was opened, whichever it was.
struct RecoveryOptions: ParsableArguments {
  /// What a recovery says that a signal ends, while it removes a directory of many files.
  static let interrupted = "Interrupted. What was written is being removed; run the recovery again."

  @Option(
    help: ArgumentHelp(
      "Where the state goes, a file or a directory, as it was pushed; - is standard output.", valueName: "path"))
  var out: String

  @Option(help: ArgumentHelp("Refuse an epoch whose state version is lower.", valueName: "n"))
  var expectVersion: UInt64?

  @Option(
    help: ArgumentHelp(
      "Go on as this uploader, in the same generation, deduplicating against what was recovered.", valueName: "file"))
  var uploader: String?

  @Flag(help: "Print JSON.")
  var json = false

  /// Refuses an output in a folder that is not there, before a door is opened for it.
  ///
  /// - Throws: `storage.missing`.
  func requirePlace() throws(PosternError) {
    if out != InputFile.standardInput { try OutputFile.requireFolder(of: out) }
  }

  /// The key of the uploader that is to go on; nil where none is.
  ///
  /// - Throws: `key.*`, `file.*`.
  func uploaderKey(_ passphrase: PassphraseOptions) throws(PosternError) -> SharedKey? {
    guard let uploader else { return nil }
    return SharedKey(try KeyFile.read(uploader, as: .uploader, passphrase))
  }

  /// Recovers the state of an opened epoch, and hands what is needed to go on to the uploader.
  ///
  /// - Parameters:
  ///   - opening: what the door gave.
  ///   - isEpochNamed: whether somebody chose this epoch, and not the source as its newest.
  ///   - key: the uploader that goes on, one that the charter lists; nil where none does.
  ///   - source: where the objects are read.
  ///   - state: where an uploader keeps what it goes on with.
  func recover(
    _ opening: SharedOpening, isEpochNamed: Bool, goingOnAs key: SharedKey?, from source: SourceOptions,
    state: StateOptions
  ) async throws {
    let app = opening.opening.app
    let epoch = opening.opening.epoch
    let line = ProgressLine(isShown: !json)
    defer { line.clear() }
    let options = RecoverOptions(
      output: RecoverOptions.Output(argument: out), expectedVersion: expectVersion, isEpochNamed: isEpochNamed)
    let memory = try state.memory(app)
    let statePath = try state.path(app)
    let report = try await source.open(telling: line) { catalog in
      let application = try await catalog.verified(app: app, epoch: epoch.number, memory: memory)
      guard application.epoch?.leafHash == opening.opening.epochLeafHash else {
        throw PosternError(
          .recoveryMismatch, "The \(source.noun) shows another epoch \(epoch.number) than the one that was opened.",
          advice: "Ask another archive, or use another copy.")
      }
      let recover = { () async throws -> RecoverReport in
        let sealed = try await catalog.sealedEpoch(of: application)
        let successor = try key.map { key in
          try Successor(
            of: opening.opening, capsule: sealed.capsule, veil: sealed.veil.bytes, as: key.file, statePath: statePath)
        }
        let report = try await Recoverer.recover(
          options, opening: opening.opening, capsule: sealed.capsule, from: catalog, for: successor
        ) { progress in line.draw { progress.line } }
        try successor?.goOn()
        return report
      }
      guard !isEpochNamed else { return try await recover() }
      return try await catalog.readingNewest(epoch.number, of: app, recover)
    }
    line.clear()
    try show(report, isGoingOn: key != nil)
  }

  private struct Output: Encodable {
    let app: String
    let epoch: UInt64
    let generation: UInt64
    let stateVersion: UInt64
    let commitment: String?
    let byteCount: Int
    let fetchedByteCount: Int
    let seconds: Double
    let out: String
    /// Whether the state is a directory; standard output gets its archive.
    let isDirectory: Bool
    /// Whether the uploader's state folder holds the generation now, so that its next push deduplicates.
    let keptGeneration: Bool
  }

  private func show(_ report: RecoverReport, isGoingOn: Bool) throws {
    let isPiped = out == InputFile.standardInput
    let text: String
    if json {
      text = try Output(
        app: report.app.hex, epoch: report.epoch, generation: report.generation, stateVersion: report.stateVersion,
        commitment: report.commitment?.hex, byteCount: report.traffic.writtenByteCount,
        fetchedByteCount: report.traffic.fetchedByteCount, seconds: report.traffic.elapsed / .seconds(1), out: out,
        isDirectory: report.isDirectory, keptGeneration: isGoingOn
      ).json
    } else {
      text =
        "Recovered epoch \(report.epoch), state version \(report.stateVersion): \(Words.bytes(report.traffic.writtenByteCount)) in "
        + "\(Words.seconds(report.traffic.elapsed / .seconds(1)))."
        + (isPiped && report.isDirectory ? " It is a directory, as an archive that any tar unpacks." : "")
        + (isGoingOn ? " The uploader can go on in generation \(report.generation)." : "")
    }
    // The state itself may be what standard output gets.
    guard !isPiped else { return Console.note(text) }
    try Console.say(
      text, after: Console.Deed(sentence: "The state was recovered to \(out)", advice: "Use it as it is."))
  }
}

extension SharedKey {
  /// Refuses a key that the charter lists no uploader with, before anything is fetched or written for it.
  ///
  /// - Throws: `push.not-an-uploader`, `key.role`.
  func requireUploader(of charter: Charter) throws(PosternError) {
    try charter.requireUploader(file.signingKey().verificationKey)
  }
}

/// An opened door that a connection's closure may use while its command waits for it.
final class SharedOpening: Sendable {
  /// What the door gave.
  let opening: DoorOpening

  /// Takes an opening over.
  init(_ opening: consuming DoorOpening) {
    self.opening = opening
  }
}

extension RecoverProgress {
  /// The progress in a line.
  var line: String {
    let left = secondsLeft.map { ", " + Words.seconds($0) + " left" } ?? ""
    return "\(Words.bytes(writtenByteCount)) of \(Words.bytes(totalByteCount)), "
      + "\(Words.bytes(Int(bytesPerSecond)))/s\(left)"
  }
}
