import Archive
import ArgumentParser
import Client
import Core
import Merkle

/// `postern archive init`: makes an archive and its log key.
struct ArchiveInit: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Make an archive and print its log's verifier key.")

  @Option(help: ArgumentHelp("The data folder, which may not exist yet.", valueName: "folder"))
  var data: String

  @Option(
    help: ArgumentHelp("The log's name, a URL without its scheme, such as example.org/postern.", valueName: "name"))
  var origin: String

  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard !origin.contains("://") else {
      throw ValidationError("--origin is a URL without its scheme: what stands behind “://”.")
    }
  }

  func run() throws {
    try OutputFile.requireFolder(of: data)
    let verifier = try create()
    Console.note(
      "Made the archive in \(data). Copy keys/log.key to a safe place. The log's verifier key, for charters:")
    try Console.answer(
      verifier.text, called: "verifier key",
      after: Console.Deed(
        sentence: "The archive in \(data) was made",
        advice: "Serve it; “postern charter new” asks it for its verifier key."))
  }

  private func create() throws(PosternError) -> NoteVerifier {
    do throws(PosternError) {
      return try Archive.create(at: data, origin: origin)
    } catch let error where error.code == .storageFull {
      throw PosternError(
        error.code, "The disk is full, and the archive in \(data) is not whole.",
        advice: "Free space on its file system, and run “postern archive init” again: it completes what it began.")
    }
  }
}
