import ArgumentParser
import Client
import Core

/// `postern latest`: the newest epoch that an archive shows, proven.
struct Latest: AsyncParsableCommand, ShowsEpoch {
  static let configuration = CommandConfiguration(
    commandName: "latest", abstract: "Show the newest epoch of an application, proven as far as it can be.")

  /// What "newest" rests on where nobody but the archive speaks.
  static let rests = """
    This is the newest epoch that this archive shows. It is proven to be in the log; that there is no newer one is \
    this archive's word alone, since the charter names no mirrors.
    """

  @Option(help: ArgumentHelp("The application: 64 hex digits.", valueName: "id"))
  var app: Digest

  @Flag(help: "Print JSON.")
  var json = false

  @OptionGroup var state: StateOptions
  @OptionGroup var source: SourceOptions
  @OptionGroup var common: CommonOptions

  func run() async throws {
    do {
      try await show(
        epoch: nil, rests: nil,
        orElse: PosternError(
          .viewNoEpoch, "The application has no epoch yet, as far as this \(source.noun) shows.",
          advice: "Push one first."))
    } catch let error as PosternError where [.folderOlder, .folderUnproven].contains(error.code) {
      // The way out that the other commands have, to name the epoch, this one has not.
      throw PosternError(
        error.code, error.message,
        advice: "If it is the copy that you mean to use, “postern list” names its epochs and “postern show --epoch N” "
          + "shows one, both with --from; otherwise pull again, or use a newer copy.")
    }
  }
}
