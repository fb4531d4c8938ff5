import ArgumentParser
import Client
import Core

/// `postern recover`: opens an epoch through the KMS door and recovers its state.
struct Recover: AsyncParsableCommand, Interruptible {
  static let interrupted = RecoveryOptions.interrupted

  static let configuration = CommandConfiguration(
    commandName: "recover", abstract: "Recover a state through the KMS door.",
    discussion: """
      What comes out is byte for byte what was pushed, or nothing stands under the final name. A state that the disk \
      has no room for is refused before anything is written. With --uploader the next push goes on in the same \
      generation and sends only what changed. Through the council door: postern recovery request, then postern \
      recovery open.
      """)

  @Option(help: ArgumentHelp("The application: 64 hex digits.", valueName: "id"))
  var app: Digest

  @Option(help: ArgumentHelp("The epoch; the newest that is shown where none is given.", valueName: "n"))
  var epoch: UInt64?

  @Option(help: ArgumentHelp("The key that the KMS provisions; - is standard input.", valueName: "file"))
  var kmsKey: String

  @OptionGroup var recovery: RecoveryOptions
  @OptionGroup var state: StateOptions
  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var source: SourceOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    let key = try KeyFile.read(kmsKey, as: .kms, passphrase)
    let uploader = try recovery.uploaderKey(passphrase)
    try recovery.requirePlace()
    let memory = try state.memory(app)
    let sealed = try await source.open { catalog in
      let application = try await catalog.verified(app: app, epoch: epoch, memory: memory)
      try uploader?.requireUploader(of: application.charter)
      return try await catalog.sealedEpoch(of: application)
    }
    if epoch == nil, !recovery.json { Console.note(source.rests(on: sealed.application)) }
    let opening = SharedOpening(try KMSDoorOpener.open(sealed, key: key))
    try await recovery.recover(
      opening, isEpochNamed: epoch != nil, goingOnAs: uploader, from: source, state: state)
  }
}
