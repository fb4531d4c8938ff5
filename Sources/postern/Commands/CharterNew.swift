import ArgumentParser
import Client
import Core
import Foundation
import Merkle
import Records

/// `postern charter new`: builds a charter from a TOML file, or a whole one for a single person.
struct CharterNew: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "new", abstract: "Build a charter.",
    discussion: """
      From a TOML file with the members' public lines and the policies, to be signed by every member; or, with \
      --solo, with keys for one person who tries it out. Where no home log is named, the archive is asked for its own.

      A charter is for ever: members, uploaders, chunker and retention cannot be changed later in this version. With \
      --solo, the chunker is for content of 16 KiB, and every epoch is kept.
      """)

  @Argument(help: ArgumentHelp("The TOML file.", valueName: "charter.toml"))
  var file: String?

  @Option(help: ArgumentHelp("Where the charter goes; with --solo, the folder that is made.", valueName: "path"))
  var out: String

  @Flag(help: "Make every key and a signed charter for one person.")
  var solo = false

  @Option(help: "What people call the application (with --solo).")
  var name = "solo"

  @Flag(help: "Make a KMS key and door too (with --solo).")
  var kms = false

  @Option(help: ArgumentHelp("The home log's verifier key (with --solo).", valueName: "key"))
  var home: String?

  @Flag(help: "Accept that the loss of a single member would freeze the application.")
  var allowFragile = false

  @OptionGroup var archive: ArchiveOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard solo == (file == nil) else { throw ValidationError("Give a TOML file, or --solo and none.") }
    guard Charter.isName(name) else { throw ValidationError(KeyNew.badName(name)) }
  }

  func run() async throws {
    if let file { try await build(file) } else { try await buildSolo() }
  }

  private func build(_ path: String) async throws {
    let folder = (path as NSString).deletingLastPathComponent
    try OutputFile.requireFolder(of: out)
    let bytes = try InputFile.read(path, byteCountLimit: CharterDocument.byteCountLimit)
    let document = try CharterDocument(toml: bytes, of: path, folder: folder.isEmpty ? "." : folder)
    let charter = try document.charter(home: try await home(named: try document.home()))
    let charterFile = try CharterFile(charter)
    if !allowFragile { try charter.requireRedundancy() }
    try OutputFile.write(charterFile.text, to: out)
    Console.note(CharterSummary(charterFile).text)
    Console.note("Wrote \(out). Now every member signs it: postern charter sign \(out) --key MEMBER.key")
    try Console.answer(
      charter.digest.hex, called: "application",
      after: Console.Deed(
        sentence: "The charter was written to \(out)", advice: "“postern charter show” prints the application's id."))
  }

  private func buildSolo() async throws {
    let home = try await home(named: try home.map { try NoteVerifier(parsing: $0) })
    let set = try SoloSet(name: name, hasKMS: kms, home: home)
    let app = try set.write(to: out)
    Console.note(CharterSummary(try CharterFile.read("\(out)/\(SoloSet.charterName)")).text)
    Console.note(set.nextSteps(folder: out, app: app, options: archive.words + common.words))
    try Console.answer(
      app.hex, called: "application",
      after: Console.Deed(
        sentence: "The keys and the charter were written to \(out)",
        advice: "“postern charter show \(out)/\(SoloSet.charterName)” prints the application's id."))
  }

  /// The home log: as named, or as the archive says.
  private func home(named: NoteVerifier?) async throws -> NoteVerifier {
    if let named { return named }
    return try await ArchiveConnection.open(archive.address()) { try await $0.describe().verifier }
  }
}
