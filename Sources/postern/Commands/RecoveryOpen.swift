import ArgumentParser
import Client
import Core
import Envelope
import Records
import Sodium

/// `postern recovery open`: opens an epoch with the members' answers, and recovers its state.
struct RecoveryOpen: AsyncParsableCommand, Interruptible {
  static let interrupted = RecoveryOptions.interrupted

  static let configuration = CommandConfiguration(
    commandName: "open", abstract: "Open an epoch with the members' releases, and recover its state.",
    discussion: """
      A false release is named and set aside; the others open the door if they are enough. With --blame, a proof is \
      written that anyone can judge.
      """)

  @Option(help: ArgumentHelp("The request that was written.", valueName: "file"))
  var request: String

  @Option(help: ArgumentHelp("The secret beside it (REQUEST.secret where none is given).", valueName: "file"))
  var secret: String?

  @Option(
    name: .customLong("release"), parsing: .upToNextOption,
    help: ArgumentHelp("The members' releases.", valueName: "file"))
  var releases: [String]

  @Option(
    help: ArgumentHelp(
      "Where the proof of a false release goes; of several, FILE.NUMBER for each further one.", valueName: "file"))
  var blame: String?

  @OptionGroup var recovery: RecoveryOptions
  @OptionGroup var state: StateOptions
  @OptionGroup var passphrase: PassphraseOptions
  @OptionGroup var source: SourceOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard !releases.isEmpty else { throw ValidationError("Give the members' releases with --release.") }
  }

  func run() async throws {
    let file = try RecoveryRequestFile.read(request)
    let asked = try await file.verified(advice: "Take the request as it was written, or write a new one.")
    let uploader = try recovery.uploaderKey(passphrase)
    try uploader?.requireUploader(of: asked.statement.charter)
    var tally = try RecoveryTally(asked, secret: try readSecret())
    try recovery.requirePlace()
    try collect(into: &tally)
    let opening = SharedOpening(try tally.open())
    try await recovery.recover(opening, isEpochNamed: true, goingOnAs: uploader, from: source, state: state)
  }

  private func readSecret() throws -> RecoverySecret {
    let path = secret ?? RecoveryCommand.secretPath(request)
    return try NamedFile.read(path, byteCountLimit: RecoverySecretFile.textByteCountLimit) {
      (text) throws(PosternError) in
      defer { wipe(&text) }
      return try RecoverySecretFile.parse(text)
    }
  }

  /// Judges every answer, says what is wrong with which, and writes the proofs.
  private func collect(into tally: inout RecoveryTally) throws {
    let members = tally.recovery.statement.charter.members
    var blameCount = 0
    // A file that is not there is the caller's slip, and no member's failing.
    let files = try releases.map { path in
      (path, try InputFile.read(path, byteCountLimit: ReleaseFile.textByteCountLimit))
    }
    for (path, bytes) in files {
      let finding: RecoveryTally.Finding
      do throws(PosternError) {
        finding = tally.add(try ReleaseFile(parsing: bytes))
      } catch {
        finding = .setAside(error)
      }
      switch finding {
      case .honest: continue
      case .setAside(let error): Console.note("\(path): set aside. \(error)")
      case .lied(let number, let verdict):
        Console.note("\(path): set aside. “\(members[number].name)” answered falsely (\(verdict.rawValue)).")
        guard let blame, let proof = tally.blame(member: number) else { continue }
        blameCount += 1
        RecoveryOpen.write(proof.text, to: blameCount == 1 ? blame : "\(blame).\(blameCount)")
      }
    }
    for number in tally.falseVeilSecrets.sorted() {
      Console.note(
        "“\(members[number].name)” sent a false copy of the veil secret; any other member's will do. This cannot be "
          + "proven to others.")
    }
  }

  /// Writes a proof, or says why not: a proof that is there from an earlier try does not stand in a recovery's way.
  private static func write(_ proof: [UInt8], to path: String) {
    do throws(PosternError) {
      try OutputFile.write(proof, to: path)
      Console.note("Wrote the proof to \(path); anyone can check it with: postern council judge \(path)")
    } catch {
      Console.note("The proof was not written. \(error)")
    }
  }
}
