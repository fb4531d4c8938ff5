import ArgumentParser
import Client
import Core
import Merkle
import Trust
import Wire

/// Where an epoch is read: an archive, or a copy of one in a folder.
struct SourceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Read from this folder, and ask no archive: what “postern pull” wrote, or an archive's data folder or a copy of it.",
      valueName: "folder"))
  var from: String?

  @OptionGroup var archive: ArchiveOptions

  func validate() throws {
    guard from == nil || (archive.archive == nil && !archive.tls && archive.tlsCa == nil) else {
      throw ValidationError("--from reads a folder, and --archive and --tls ask an archive: give one of them.")
    }
  }

  /// Runs what reads, over a connection or from the folder.
  ///
  /// - Parameters:
  ///   - line: what is drawn meanwhile, which gives way to the remark that an archive is away.
  ///   - body: what to do.
  /// - Throws: `folder.*`, `address.malformed`, `wire.*`; what `body` throws.
  func open<Result: Sendable>(
    telling line: ProgressLine? = nil, _ body: @Sendable (any Catalog) async throws -> Result
  ) async throws -> Result {
    if let from { return try await FolderCatalog.open(from).reading { folder in try await body(folder) } }
    let address = try archive.address()
    let whenBroken = (line ?? ProgressLine(isShown: false)).tellBroken(address)
    do {
      return try await ArchiveConnection.open(address, whenBroken: whenBroken) { connection in
        try await body(connection)
      }
    } catch let error as PosternError {
      throw SourceOptions.withWayOut(error)
    }
  }

  /// What an archive failed with, with what there is beside the archive.
  private static func withWayOut(_ error: PosternError) -> PosternError {
    let wayOut: String
    if error.code == .wireUnavailable {
      wayOut =
        "A copy needs no archive: read a folder that was pulled, or the archive's own data folder, with "
        + "--from FOLDER."
    } else if error.code.rawValue.hasPrefix("pack.") {
      // A damaged pack is not of the kind that a second try finds whole.
      wayOut = "If it stays, read another copy with --from FOLDER. \(PosternError.anewWhereTheStateIs)"
    } else {
      return error
    }
    return PosternError(error.code, error.message, advice: "\(error.advice) \(wayOut)", index: error.index)
  }

  /// What "newest" rests on, in a sentence.
  func rests(on application: VerifiedApplication) -> String {
    guard let from else { return Latest.rests }
    return """
      This is the newest epoch that the folder “\(from)” shows, as of its checkpoint of \
      \(application.checkpoint.checkpoint.size) entries. It is proven to be in the log; whether there is a newer one, a \
      copy cannot say.
      """
  }

  /// Who is asked, in a word that stands in a sentence.
  var noun: String { from == nil ? "archive" : "folder" }
}
