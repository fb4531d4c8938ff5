import ArgumentParser
import Client
import Core
import Synchronization
import Wire

/// `postern push`: publishes a state as an application's next epoch.
struct Push: AsyncParsableCommand, Interruptible {
  static let configuration = CommandConfiguration(
    commandName: "push", abstract: "Seal a state and publish it as the next epoch.",
    discussion: """
      A push that was cut off is simply run again: it sends only what the archive lacks. A finished push that is run \
      again with the same --state-version publishes nothing, and gives the receipt that it gave; without \
      --state-version it is a new epoch, one version further, even of an unchanged state. Epochs of a generation share \
      what did not change, and so what has rotted of it on the archive's disk: where a recovery finds such damage, \
      push with --next-generation.

      A pipe ends in the same way whether its writer was done or died, and what came until then is pushed: give \
      --expect-bytes, or write a file first and push it if that went well.

      A directory goes in with its files, folders, symbolic links and permissions, and comes out as one. \
      Owners, times and the setuid, setgid and sticky bits are not kept. With --sqlite a consistent snapshot of a database is pushed that goes on being written to; it lies beside the database for as \
      long as the push runs, and takes as much room.
      """)

  static let interrupted = "Interrupted. Run the push again: what the archive has is not sent again."

  @Argument(help: ArgumentHelp("The state: a file or a directory; - is standard input.", valueName: "file-or-folder"))
  var input: String?

  @Option(
    help: ArgumentHelp("Push a snapshot of this SQLite database, which others may be writing to.", valueName: "file"))
  var sqlite: String?

  @Option(help: ArgumentHelp("The application: 64 hex digits.", valueName: "id"))
  var app: Digest

  @Option(help: ArgumentHelp("The uploader's key; - is standard input.", valueName: "file"))
  var key: String

  @Option(
    help: ArgumentHelp(
      "The application's version of the state (one more than the last where none is given).", valueName: "n"))
  var stateVersion: UInt64?

  @Option(help: ArgumentHelp("The application's public commitment to the state: 64 hex digits.", valueName: "hex"))
  var stateCommitment: Digest?

  @Option(
    help: ArgumentHelp("Publish nothing unless the state has exactly this many bytes.", valueName: "n"))
  var expectBytes: Int?

  @Flag(
    help: ArgumentHelp(
      "Open the next generation although the current one could go on: all of the state is sent anew, which heals what "
        + "has rotted on the archive's disk."))
  var nextGeneration = false

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var state: StateOptions
  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var archive: ArchiveOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard input != nil || sqlite != nil else {
      throw ValidationError("Give the state: a file, a directory, - for a pipe, or a database with --sqlite.")
    }
    guard input == nil || sqlite == nil else {
      throw ValidationError("Give the state, or a database with --sqlite, and not both.")
    }
    guard input != InputFile.standardInput || key != InputFile.standardInput else {
      throw ValidationError("State and key cannot both come from standard input.")
    }
    guard expectBytes.map({ $0 >= 0 }) ?? true else { throw ValidationError("--expect-bytes is a number from 0 on.") }
  }

  private struct Output: Encodable {
    let app: String
    let epoch: UInt64
    let generation: UInt64
    let openedGeneration: Bool
    /// Why it was opened.
    let openedBecause: String?
    let hint: String?
    let stateVersion: UInt64
    /// The epoch before, where it has the same version.
    let previousOfSameVersion: UInt64?
    let commitment: String?
    let root: String
    let leafIndex: UInt64
    let checkpointSize: UInt64
    let receiptPath: String
    let isRepeat: Bool
    let readByteCount: Int
    let unchangedByteCount: Int
    let sealedByteCount: Int
    let sentByteCount: Int
    let lackedByteCount: Int
    let sealedObjectCount: Int
    let sentObjectCount: Int
    let lackedObjectCount: Int
    let deduplicatedShare: Double
    let seconds: Double
  }

  func run() async throws {
    let origin = sqlite.map { .database(path: $0) } ?? StateInput.Origin(argument: input ?? InputFile.standardInput)
    var options = PushOptions(app: app, input: origin, statePath: try state.path(app))
    options.stateVersion = stateVersion
    options.commitment = stateCommitment
    options.expectedByteCount = expectBytes
    options.opensNextGeneration = nextGeneration
    if stateVersion == .max {
      Console.note("This is the highest state version that there is: the application can push no other one after it.")
    }
    let key = try KeyFile.read(key, as: .uploader, passphrase)
    let line = ProgressLine(isShown: !json)
    defer { line.clear() }
    let report = try await push(options, key, line)
    line.clear()
    if let other = report.previousOfSameVersion {
      Console.note(
        "Two epochs have state version \(report.stateVersion) now, \(other) and \(report.epoch): by the version alone "
          + "nobody can tell them apart.")
    }
    let deed = Console.Deed(
      sentence: "Epoch \(report.epoch) is in the log, and its receipt in \(report.receiptPath)",
      advice: "Do not push it again; “postern show --app \(report.app) --epoch \(report.epoch)” shows it.")
    try Console.say(json ? try output(report).json : text(report), after: deed)
  }

  private func push(
    _ options: PushOptions, _ key: consuming KeyFile, _ line: ProgressLine
  ) async throws -> PushReport {
    let key = SharedKey(key)
    let address = try archive.address()
    let hasSent = Atomic(false)
    do {
      return try await ArchiveConnection.open(address, whenBroken: line.tellBroken(address)) { connection in
        try await Pusher.push(options, key: key.file, over: connection) { progress in
          if progress.sentByteCount > 0 { hasSent.store(true, ordering: .relaxed) }
          line.draw { progress.line }
        }
      }
    } catch let error as PosternError where error.code == .wireUnavailable && hasSent.load(ordering: .relaxed) {
      throw PosternError(
        error.code, error.message,
        advice: "Run the push again when the archive is back: what it has recorded of this one is not sent again.")
    }
  }

  private func output(_ report: PushReport) -> Output {
    let traffic = report.traffic
    return Output(
      app: report.app.hex, epoch: report.epoch, generation: report.generation,
      openedGeneration: report.openedGeneration, openedBecause: report.opening?.rawValue,
      hint: report.opening?.hint, stateVersion: report.stateVersion,
      previousOfSameVersion: report.previousOfSameVersion,
      commitment: report.commitment?.hex, root: report.root.hex, leafIndex: report.leafIndex,
      checkpointSize: report.checkpointSize,
      receiptPath: report.receiptPath, isRepeat: report.isRepeat, readByteCount: traffic.readByteCount,
      unchangedByteCount: traffic.unchangedByteCount,
      sealedByteCount: traffic.sealedByteCount, sentByteCount: traffic.sentByteCount,
      lackedByteCount: traffic.lackedByteCount, sealedObjectCount: traffic.sealedObjectCount,
      sentObjectCount: traffic.sentObjectCount, lackedObjectCount: traffic.lackedObjectCount,
      deduplicatedShare: traffic.deduplicatedShare,
      seconds: traffic.elapsed / .seconds(1))
  }

  private func text(_ report: PushReport) -> String {
    let traffic = report.traffic
    let title =
      report.isRepeat
      ? "Epoch \(report.epoch) was admitted before; nothing new was published."
      : "Epoch \(report.epoch) is accepted, as entry \(report.leafIndex) of the log."
    let generation = report.opening.map { "\(report.generation), opened by this epoch: \($0.words)" }
    return title + "\n"
      + Table.text([
        ("state version", "\(report.stateVersion)"), ("generation", generation ?? "\(report.generation)"),
        ("read", Words.bytes(traffic.readByteCount) + traffic.unchangedWords),
        ("sent", traffic.sentWords),
        ("took", Words.seconds(traffic.elapsed / .seconds(1))), ("receipt", report.receiptPath),
      ]) + (report.opening?.hint.map { "\n\($0)" } ?? "")
  }
}

extension PushProgress {
  /// What went out, and what the archive spared, where that is all: what it lost meanwhile, or a connection did, makes
  /// of the share nothing that a person could add up.
  fileprivate var sentWords: String {
    let sent = Words.bytes(sentByteCount)
    guard sentByteCount > lackedByteCount else { return "\(sent), \(Words.share(deduplicatedShare)) deduplicated" }
    let again = Words.bytes(sentByteCount - lackedByteCount)
    return "\(sent), \(again) of it because the archive had lost it, or a connection"
  }

  /// How much of what was read did not change, where anything did not.
  fileprivate var unchangedWords: String {
    guard unchangedByteCount > 0 else { return "" }
    return ", \(Words.share(Double(unchangedByteCount) / Double(readByteCount))) unchanged"
  }
}

extension GenerationOpening {
  /// The reason in words.
  fileprivate var words: String {
    switch self {
    case .first: "it is the first"
    case .asked: "--next-generation"
    case .charter: "the charter in force is another than before"
    case .cutOff: "a push that was cut off, or came second to another uploader's, had opened it"
    case .notHeld: "the state folder does not hold the one before"
    }
  }

  /// What a person can do so that the next push deduplicates, where that is not so by itself.
  fileprivate var hint: String? {
    guard case .notHeld = self else { return nil }
    return
      "Nothing that earlier generations sent could be used, since this state folder does not hold the generation of the "
      + "newest epoch: another folder or another uploader opened it. Push with one folder, or take a generation over "
      + "before pushing: recover with “--uploader KEY”, and --state where you name a folder."
  }
}

/// A key that a connection's closure may use while its command waits for it.
final class SharedKey: Sendable {
  /// The key.
  let file: KeyFile

  /// Takes a key over.
  init(_ file: consuming KeyFile) {
    self.file = file
  }
}
